"""Money: whole minor units of one currency, and exact arithmetic only."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from babel import Locale
from babel.numbers import format_currency
from pydantic import StrictInt, StringConstraints

from .errors import Code, CurrencyMismatch, InvalidRequest
from .operations import Message

Currency = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$")]
"""A three-letter ISO 4217 code in lower case, as Stripe writes it."""

_PRESENTMENT = """
aed afn all amd ang aoa ars aud awg azn bam bbd bdt bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf
clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf
idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt
mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf
sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv
wst xaf xcd xcg xof xpf yer zar zmw
"""

CURRENCIES = frozenset(_PRESENTMENT.split())
"""Stripe, Supported currencies, "Presentment currencies": those in which it charges and refunds. What people
and the policy name has to be one of them; what Stripe itself names is taken as it is, for it adds to them."""

ZERO_DECIMAL = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
"""Stripe, Supported currencies, "Zero-decimal currencies". ISK and UGX are not among them: they have no
minor unit any more, but Stripe's API keeps their amounts in hundredths ("Special cases")."""

THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
"""Stripe, Supported currencies, "Three-decimal currencies"."""

STEPS: Mapping[str, int] = {"isk": 100, "ugx": 100} | dict.fromkeys(THREE_DECIMAL, 10)
"""Of these Stripe takes only multiples of so many minor units: whole crowns and shillings ("Special cases"),
and amounts in thousandths whose last digit is 0 ("Three-decimal currencies")."""

MAX_MINOR = 999_999_999_999
"""Stripe takes amounts of up to twelve digits in IDR and of up to eight in every other currency (Supported
currencies, "Minimum and maximum charge amounts")."""


def most_minor(currency: str | None) -> int:
    """The largest amount in minor units that Stripe takes in a currency; None is any but those with more."""
    return MAX_MINOR if currency == "idr" else 99_999_999


ENGLISH = Locale.parse("en")
ENGLISH.number_symbols.get("latn")
"""Read now: Babel opens its files at the first use, which Temporal's sandbox forbids inside a workflow."""


class Money(Message):
    """An amount in integer minor units (Stripe's), with its currency. Never a float, never a bool."""

    amount_minor: StrictInt
    currency: Currency

    @classmethod
    def zero(cls, currency: str) -> "Money":
        return Money(amount_minor=0, currency=currency)

    @property
    def decimal(self) -> Decimal:
        """The amount in major units, exactly."""
        digits = tuple(int(d) for d in str(abs(self.amount_minor)))
        return Decimal((self.amount_minor < 0, digits, -decimals(self.currency)))

    def format(self, locale: Locale | str = ENGLISH) -> str:
        """For people, always with the code, so that no "$" is taken for another: `USD 1,250.00`."""
        fraction = decimals(self.currency)
        number = "#,##0" + ("." + "0" * fraction if fraction else "")
        return format_currency(
            self.decimal,
            self.currency.upper(),
            format=f"¤¤ {number};¤¤ -{number}",
            locale=locale,
            # Stripe's number of decimals, not CLDR's, which differs for ISK and others.
            currency_digits=False,
        )

    def __add__(self, other: "Money") -> "Money":
        return Money(amount_minor=self.amount_minor + self._same(other), currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(amount_minor=self.amount_minor - self._same(other), currency=self.currency)

    def __neg__(self) -> "Money":
        return Money(amount_minor=-self.amount_minor, currency=self.currency)

    def __abs__(self) -> "Money":
        return Money(amount_minor=abs(self.amount_minor), currency=self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount_minor < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount_minor <= self._same(other)

    def __gt__(self, other: "Money") -> bool:
        return self.amount_minor > self._same(other)

    def __ge__(self, other: "Money") -> bool:
        return self.amount_minor >= self._same(other)

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(self.currency, other.currency)
        return other.amount_minor


def decimals(currency: str) -> int:
    """How many decimals Stripe's minor unit of a currency has. Raises InvalidRequest for no currency code."""
    if not is_code(currency):
        raise InvalidRequest(
            Code.UNKNOWN_CURRENCY,
            f"{currency!r} is no three-letter currency code in lower case",
            field="currency",
        )
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


_AMOUNT = re.compile(r"(?P<whole>\d{1,12}|\d{1,3}(,\d{3}){1,3})(\.(?P<part>\d{1,3}))?", re.ASCII)


def minor_units(text: str, currency: str) -> int | None:
    """What a person typed as an amount, in minor units: `1,250.5` is 125050 of USD.

    None for what is no amount, and for one with more decimals than the currency has: nothing is rounded.
    Raises InvalidRequest for no currency code.
    """
    typed, digits = _AMOUNT.fullmatch(text.strip()), decimals(currency)
    if typed is None:
        return None
    whole, part = typed["whole"].replace(",", ""), typed["part"] or ""
    return int(whole + part.ljust(digits, "0")) if len(part) <= digits else None


def is_code(currency: str) -> bool:
    """Whether it has the form of a currency's code, three lower-case letters."""
    return len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.islower()


def step_problem(amount: Money) -> str | None:
    """Why Stripe takes no such amount in its currency, with the nearest that it takes; None when it does."""
    step = STEPS.get(amount.currency, 1)
    over = amount.amount_minor % step
    if not over:
        return None
    below = Money(amount_minor=amount.amount_minor - over, currency=amount.currency)
    above = Money(amount_minor=below.amount_minor + step, currency=amount.currency)
    near = [one for one in (below, above) if one.amount_minor]
    return (
        f"{amount.format()} can't be paid: Stripe accepts {amount.currency.upper()} only in multiples of "
        f"{step} minor units, such as {' or '.join(f'{one.amount_minor} ({one.format()})' for one in near)}."
    )


# Babel opens its files at the first use, which may be in a workflow: there, opening is forbidden.
Money.zero("usd").format()
