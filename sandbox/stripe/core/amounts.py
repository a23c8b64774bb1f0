"""Money as Stripe counts it: integer minor units, rounded half-up on the magnitude; its text."""

from decimal import ROUND_HALF_UP, Decimal

# Stripe: currencies page
ZERO_DECIMAL = frozenset(
    (
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "ugx",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    )
)
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])

# Stripe: "minimum and maximum charge amounts"; what is not listed is held to the US dollar's figure.
MINIMUM_CHARGE = {
    **dict.fromkeys(("aud", "cad", "chf", "eur", "inr", "jpy", "nzd", "sgd", "usd"), 50),
    "gbp": 30,
    "dkk": 250,
    "nok": 300,
    "sek": 300,
    "hkd": 400,
    "mxn": 1000,
}
_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "aud": "A$", "cad": "CA$", "inr": "₹"}


def nearest(value: Decimal) -> int:
    """The nearest whole minor unit; an exact half goes away from zero."""
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def share(amount: int | Decimal, part: int, whole: int) -> int:
    """`amount` × `part` ÷ `whole` to the nearest minor unit, multiplied before it is divided."""
    if isinstance(amount, int):  # exact integers: the same rule without the cost of Decimal
        magnitude = (2 * abs(amount) * part + whole) // (2 * whole)
        return magnitude if amount >= 0 else -magnitude
    return nearest(amount * part / whole)


def minimum_charge(currency: str) -> int:
    """The smallest amount that Stripe charges in this currency, in minor units."""
    return MINIMUM_CHARGE.get(currency, 50)


def text(amount: Decimal | int, currency: str) -> str:
    """An amount as Stripe writes it in descriptions: `$10.00`, `¥1980`, `SEK 99.00`."""
    decimals = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    figure = Decimal(amount).scaleb(-decimals)
    places = max(decimals, -int(figure.normalize().as_tuple().exponent))
    symbol = _SYMBOLS.get(currency, currency.upper() + " ")
    return f"{'-' if figure < 0 else ''}{symbol}{abs(figure):.{places}f}"


def with_code(amount: int, currency: str) -> str:
    """An amount for people to read, with the currency's code: `1,234.50 USD`, `1,980 JPY`."""
    decimals = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    return f"{Decimal(amount).scaleb(-decimals):,.{decimals}f} {currency.upper()}"
