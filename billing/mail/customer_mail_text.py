"""Mails to customers in words: the built-in templates, an organization's own ones, and what both can say.

The built-in ones are made from the layouts in `layouts/` and the phrases of each language: what comes
out is a template as an organization may write it, so that it can start from there.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from babel.dates import format_date
from jinja2 import Environment, StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..core.money import Money
from ..core.text import one_line
from .languages import known_tag, locale_of, primary, spoken
from .phrases import PHRASES, when_due

Name = Literal["reminder", "portal_link"]
NAMES: tuple[Name, ...] = ("reminder", "portal_link")
LAYOUTS = Path(__file__).parent / "layouts"
LONGEST_SUBJECT = 200

VARIABLES: Mapping[str, str] = {
    "seller": "the organization's name",
    "customer": "the customer's name; empty where it has none",
    "number": "the invoice's number",
    "amount": "what is unpaid, with the currency's code",
    "paid": "whether nothing is",
    "due_date": "the due date; none where the invoice has none",
    "days_left": "whole days until the due date, negative after it; none without one",
    "when_due": "the same in words, such as `due in 3 days`",
    "link": "the address of the invoice's page",
    "link_until": "the day until which the link is good",
    "opt_out": "the address at which the customer ends reminders; only in reminder",
    "language": "the customer's language tag",
}


SPOILT = (
    TemplateError,
    ArithmeticError,
    AssertionError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What a template that can't be compiled or rendered raises, Jinja's filters included."""


class Words(NamedTuple):
    """A template, or a mail that was made of one. `html` None: the mail is plain text only."""

    subject: str
    text: str
    html: str | None


class MailFacts(NamedTuple):
    """What a mail tells. Times are UTC; `zone` and `language` are the customer's."""

    seller: str
    customer: str | None
    number: str
    amount_minor: int
    currency: str
    due_date: datetime | None
    link_until: datetime
    language: str
    zone: str


def variables(name: Name, facts: MailFacts, at: datetime, link: str, opt_out: str) -> dict[str, Any]:
    """The values of `VARIABLES` in a mail that is written at `at`."""
    locale, zone = locale_of(facts.language), ZoneInfo(facts.zone)
    due = facts.due_date.astimezone(zone).date() if facts.due_date else None
    days = (due - at.astimezone(zone).date()).days if due else None
    values = {
        "seller": one_line(facts.seller),
        "customer": one_line(facts.customer or ""),
        "number": one_line(facts.number),
        "amount": Money(amount_minor=facts.amount_minor, currency=facts.currency).format(locale),
        "paid": facts.amount_minor <= 0,
        "due_date": format_date(due, "long", locale=locale) if due else None,
        "days_left": days,
        "when_due": when_due(spoken(facts.language), days) if days is not None else None,
        "link": link,
        "link_until": format_date(facts.link_until.astimezone(zone).date(), "long", locale=locale),
        "language": facts.language,
    }
    return values | {"opt_out": opt_out} if name == "reminder" else values


def candidates(tag: str) -> tuple[str, ...]:
    """Under which languages an organization's own template for the tag is looked for, the best first."""
    tag = tag.replace("_", "-")
    return tuple(dict.fromkeys((tag, known_tag(tag) or tag, primary(tag), "*", spoken(tag))))


@cache
def built_in(name: Name, language: str) -> Words:
    """The template that holds where an organization has none of its own; `language` is one of PHRASES."""
    paste = Environment(  # it only makes templates, out of our own files
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    say = {"say": PHRASES[language], "language": language, "reminder": name == "reminder"}

    def made(file: str) -> str:
        return paste.from_string((LAYOUTS / file).read_text(encoding="utf-8")).render(say)

    return Words(made(f"{name}.subject.j2").strip(), made("_text.j2"), made("_html.j2"))


def environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    """In which templates are compiled and rendered, the built-in ones and those of organizations alike."""
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=html, trim_blocks=True, lstrip_blocks=True
    )


_PLAIN, _HTML = environment(html=False), environment(html=True)


class CompiledTemplate:
    """A template that is ready to be rendered. Raises one of `SPOILT` for one that is none."""

    def __init__(self, source: Words) -> None:
        self._subject: Template = _PLAIN.from_string(source.subject)
        self._text: Template = _PLAIN.from_string(source.text)
        self._html: Template | None = _HTML.from_string(source.html) if source.html else None

    def render(self, values: Mapping[str, Any]) -> Words:
        """The mail. The subject is one line, cut where it is too long. Raises one of `SPOILT`."""
        subject = one_line(self._subject.render(values))
        if len(subject) > LONGEST_SUBJECT:
            subject = f"{subject[: LONGEST_SUBJECT - 1].rstrip()}…"
        html = self._html.render(values) if self._html else None
        return Words(subject, self._text.render(values).strip("\n") + "\n", html)


@lru_cache(maxsize=256)
def compiled(source: Words) -> CompiledTemplate:
    """Each template is compiled once."""
    return CompiledTemplate(source)
