"""How mails write money, times, people and what people wrote: the filters of the templates."""

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from jinja2 import pass_context
from jinja2.runtime import Context

from billing.money import Money
from billing.proration import Line, Period
from billing.text import one_line, printable

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
    """`Mon 2 Mar 2026, 10:00 America/New_York (2026-03-02 15:00 UTC)`; an integer is UTC seconds."""
    zone: ZoneInfo = context["zone"]
    instant = datetime.fromtimestamp(at, UTC) if isinstance(at, int) else at
    local = instant.astimezone(zone)
    there = f"{local:%a} {local.day} {local:%b %Y}, {_clock(local)} {zone.key}"
    return there if zone.key == "UTC" else f"{there} ({_stamp(instant.astimezone(UTC))} UTC)"


@pass_context
def span(context: Context, period: Period, indent: int = 0) -> str:
    """From when to when, in the organization's zone and on a second line in UTC."""
    zone: ZoneInfo = context["zone"]
    ends = [datetime.fromtimestamp(at, UTC) for at in (period.start, period.end)]
    lines = [
        f"{_stamp(ends[0].astimezone(there))} to {_stamp(ends[1].astimezone(there))} {there.key}"
        for there in dict.fromkeys((zone, ZoneInfo("UTC")))
    ]
    return f"\n{' ' * indent}".join(lines)


@pass_context
def who(context: Context, person: str | None) -> str:
    """A person's name; the id of somebody who is not there any more."""
    names: dict[str, str] = context["names"]
    return line(names.get(person, person)) if person else "somebody"


@pass_context
def table(context: Context, lines: Iterable[Line], currency: str) -> str:
    """Lines of an invoice, amounts below each other, each with what it is for and its period."""
    rows = [(money(row.amount_minor, currency), row) for row in lines]
    width = max((len(amount) for amount, _ in rows), default=0)
    indent = width + 4
    return "\n".join(
        f"  {amount:>{width}}  {line(row.description) or row.price}\n"
        f"{' ' * indent}{WORDS[row.kind]}, quantity {row.quantity}\n"
        f"{' ' * indent}{span(context, row.period, indent)}"
        for amount, row in rows
    )


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


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d} {_clock(at)}"


def _clock(at: datetime) -> str:
    """To the second where it matters, as it does for a pinned proration."""
    return f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
