"""How mails write money, times, people and what people wrote: the filters of the templates."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from jinja2 import pass_context
from jinja2.runtime import Context

from billing.approvals.subject_changes import NONE, SubjectChange
from billing.core.money import Money
from billing.core.text import one_line, printable
from billing.plan_changes.proration import Line, Period
from billing.policy.reasons import REASON_WORDS
from billing.stripe.invoice_amounts import InvoiceAmounts, InvoiceTax, tax_words

WORDS = {"credit": "credit", "debit": "charge", "renewal": "renewal"}
IN_A_SUBJECT = 60
"""Characters of a name that a subject line has room for."""


def line(text: str) -> str:
    """On one line: no name breaks out of its place or turns it around."""
    return one_line(text)


def brief(text: str) -> str:
    """A name as a subject line has room for it."""
    text = line(text)
    return text if len(text) <= IN_A_SUBJECT else f"{text[: IN_A_SUBJECT - 1].rstrip()}…"


def reason(text: str) -> str:
    """A reason of Stripe's or of ours in words; what a person wrote, as they wrote it."""
    return line(REASON_WORDS.get(text, text))


def sentence(text: str) -> str:
    """As a sentence: with a capital and a full stop."""
    text = line(text)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def money(amount: Money | int, currency: str | None = None) -> str:
    """An amount with its code; an integer is minor units of `currency`."""
    if isinstance(amount, int):
        amount = Money(amount_minor=amount, currency=currency or "")
    return amount.format()


@pass_context
def when(context: Context, at: datetime | int) -> str:
    """`Mon, Mar 2, 2026, 10:00 AM EST`, in the reader's zone; an integer is UTC seconds."""
    return moment(_local(context, at))


def moment(local: datetime) -> str:
    """The same of a time that is in the reader's zone already."""
    return f"{local:%a}, {_day(local)}, {local.hour % 12 or 12}:{local:%M} {local:%p} {_zone_name(local)}"


def day(of: date) -> str:
    """`Mon, Mar 2, 2026`: a day that is the same in every zone."""
    return f"{of:%a}, {_day(of)}"


@pass_context
def span(context: Context, period: Period) -> str:
    """`Mar 2, 2026 to Apr 1, 2026`: the days from when to when, in the reader's zone."""
    return f"{_day(_local(context, period.start))} to {_day(_local(context, period.end))}"


@pass_context
def plan(context: Context, slug: str) -> str:
    """A plan's name, as people know it."""
    names: dict[str, str] = context["plans"]
    return line(names.get(slug) or slug.replace("-", " ").replace("_", " ").title())


@pass_context
def number(context: Context, invoice: str | None) -> str:
    """An invoice's number; nothing where it has none."""
    numbers: dict[str, str] = context["numbers"]
    return line(numbers.get(invoice or "", ""))


@pass_context
def changed(context: Context, change: SubjectChange) -> str:
    """`Amount: USD 300.00 → USD 90.00`."""
    before, after = (_named(context, change.names, value) for value in (change.before, change.after))
    return f"{line(change.what)}: {before} → {after}"


def _named(context: Context, names: str, value: str) -> str:
    if value == NONE or names == "text":
        return line(value)
    if names == "plan":
        return plan(context, value)
    if names == "invoice":
        return number(context, value) or "another invoice"
    customers: dict[str, str] = context["customers"]
    return line(customers.get(value) or "another customer")


def _local(context: Context, at: datetime | int) -> datetime:
    zone: ZoneInfo = context["zone"]
    instant = datetime.fromtimestamp(at, UTC) if isinstance(at, int) else at
    return instant.astimezone(zone)


def _day(at: date) -> str:
    return f"{at:%b} {at.day}, {at.year}"


def _zone_name(at: datetime) -> str:
    """`EST`; `UTC+03` of a zone that has no letters of its own."""
    name = at.tzname() or "UTC"
    return f"UTC{name}" if name[:1] in "+-" else name


@pass_context
def who(context: Context, person: str | None) -> str:
    """A person's name."""
    names: dict[str, str] = context["names"]
    return line(names.get(person, "a former colleague")) if person else "somebody"


@pass_context
def table(context: Context, lines: Iterable[Line], currency: str) -> str:
    """Lines of an invoice, amounts below each other, each with what it is for and its period."""
    rows = [(money(row.amount_minor, currency), row) for row in lines]
    width = max((len(amount) for amount, _ in rows), default=0)
    indent = " " * (width + 4)
    return "\n".join(
        f"  {amount:>{width}}  {line(row.description) or WORDS[row.kind]}\n"
        f"{indent}{WORDS[row.kind]} for {row.quantity} {'seat' if row.quantity == 1 else 'seats'}, "
        f"{span(context, row.period)}"
        for amount, row in rows
    )


def amounts(found: InvoiceAmounts) -> str:
    """What stands between an invoice's lines and what is due, below each other."""
    rows = [(money(row.amount_minor, found.currency), row.name) for row in found.rows()]
    width = max((len(amount) for amount, _ in rows), default=0)
    return "\n".join(f"  {amount:>{width}}  {line(name)}" for amount, name in rows)


def tax_name(tax: InvoiceTax) -> str:
    """`Tax 19% (DE VAT)`."""
    return line(tax_words(tax))


def columns(rows: Iterable[tuple[str, ...]]) -> str:
    """Words in columns: the first to the left, the others, which are amounts, to the right."""
    held = list(rows)
    widths = [max(map(len, column)) for column in zip(*held, strict=True)]
    return "\n".join(
        "  ".join(
            f"{word:>{width}}" if at else f"{word:<{width}}"
            for at, (word, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in held
    )


def quoted(text: str) -> str:
    """What a person wrote, marked as theirs on every line."""
    return "\n".join(f"  > {row}".rstrip() for row in printable(text.strip()).split("\n"))
