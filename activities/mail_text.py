"""The words of mails: Jinja templates in `mails/`, compiled once; how money, times and people are written."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import (
    BaseLoader,
    Environment,
    PackageLoader,
    StrictUndefined,
    Template,
    pass_context,
    select_autoescape,
)
from jinja2.runtime import Context

from billing.messages import MailRequest
from billing.money import Money
from billing.proration import Line, Period

from .mail_facts import Facts
from .mail_records import Mailing

PLAIN, HTML = ".txt.j2", ".html.j2"
SUBJECT = "Subject: "
WORDS = {"credit": "credit", "debit": "charge", "renewal": "renewal"}
SECRET = re.compile(r"\b(?:pk_[0-9a-f]{12}_[0-9a-f]{64}|[prs]k_(?:live|test)_\w{8,}|whsec_\w{8,})")
"""Our API keys and Stripe's: people paste the strangest things into a reason."""


class MailText(NamedTuple):
    """A mail's words; `html` where there is a template for it."""

    subject: str
    plain: str
    html: str | None


class MailTexts:
    """Renders mails. Every template is compiled here, so that a broken one stops the worker's start."""

    def __init__(self, public_url: str, loader: BaseLoader | None = None) -> None:
        environment = Environment(
            loader=loader or PackageLoader("activities", "mails"),
            undefined=StrictUndefined,
            autoescape=select_autoescape(enabled_extensions=("html.j2",)),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.globals["api"] = f"{public_url.rstrip('/')}/v1"
        for rule in (money, when, span, who, quoted, table):
            environment.filters[rule.__name__] = rule
        names = [name for name in environment.list_templates() if not name.startswith("_")]
        self._plain = _compile(environment, names, PLAIN)
        self._html = _compile(environment, names, HTML)

    @property
    def names(self) -> tuple[str, ...]:
        """The templates that there are."""
        return tuple(sorted(self._plain))

    def render(self, request: MailRequest, facts: Facts, mailing: Mailing, recipient: str) -> MailText:
        """The mail in words for one recipient. Raises LookupError for an unknown template."""
        values = {
            "mail": facts,
            "change": facts.subject,
            "operation": request.operation,
            "organization": _one_line(mailing.organization),
            "zone": _zone(mailing.zone),
            "names": mailing.names,
            "recipient": _one_line(recipient),
        }
        text = _tidy(self._plain[request.template].render(values))
        subject, _, plain = text.partition("\n")
        if not subject.startswith(SUBJECT):
            raise ValueError(f"the first line of {request.template} is no subject")
        html = self._html.get(request.template)
        return MailText(
            subject.removeprefix(SUBJECT),
            plain.strip("\n") + "\n",
            _tidy(html.render(values)) if html else None,
        )


def _compile(environment: Environment, names: Iterable[str], ending: str) -> dict[str, Template]:
    return {
        name.removesuffix(ending): environment.get_template(name) for name in names if name.endswith(ending)
    }


def _tidy(text: str) -> str:
    return SECRET.sub("[key removed]", re.sub(r"\n{3,}", "\n\n", text))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _zone(name: str) -> ZoneInfo:
    """An organization's zone; UTC for one that this machine does not know: the mail gives UTC anyway."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


# --- Filters ------------------------------------------------------------------------------------------


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
    return _one_line(names.get(person, person)) if person else "somebody"


@pass_context
def table(context: Context, lines: Iterable[Line], currency: str) -> str:
    """Lines of an invoice, amounts below each other, each with what it is for and its period."""
    rows = [(money(line.amount_minor, currency), line) for line in lines]
    width = max((len(amount) for amount, _ in rows), default=0)
    indent = width + 4
    return "\n".join(
        f"  {amount:>{width}}  {_one_line(line.description) or line.price}\n"
        f"{' ' * indent}{WORDS[line.kind]}, quantity {line.quantity}\n"
        f"{' ' * indent}{span(context, line.period, indent)}"
        for amount, line in rows
    )


def quoted(text: str) -> str:
    """What a person wrote, marked as theirs on every line."""
    return "\n".join(f"  > {line.rstrip()}" for line in text.strip().splitlines())


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d} {_clock(at)}"


def _clock(at: datetime) -> str:
    """To the second where it matters, as it does for a pinned proration."""
    return f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
