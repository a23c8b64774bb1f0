"""Mails to customers that are made up: to try templates out on, and to show what comes of them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from .customer_mail_text import CompiledTemplate, MailFacts, Name, Words, variables

Case = Literal["overdue", "due_today", "due", "no_due_date", "paid"]
CASES: tuple[Case, ...] = ("overdue", "due_today", "due", "no_due_date", "paid")

LINK = "https://billing.example/portal/EXAMPLE-LINK"
OPT_OUT = "https://billing.example/portal/opt-out/EXAMPLE-LINK"
_AT = datetime(2026, 4, 15, 16, 0, tzinfo=UTC)
_DUE_IN_DAYS: Mapping[Case, int | None] = {
    "overdue": -3,
    "due_today": 0,
    "due": 7,
    "no_due_date": None,
    "paid": 7,
}
SO: Mapping[Case, str] = {
    "overdue": "an overdue invoice",
    "due_today": "an invoice that is due today",
    "due": "an invoice that is due in 7 days",
    "no_due_date": "an invoice without a due date",
    "paid": "a paid invoice",
}
"""What an example is about, in words."""


def example(
    name: Name,
    case: Case,
    *,
    language: str = "en",
    seller: str = "Acme Ltd",
    customer: str | None = "Kunde & Söhne",
) -> dict[str, Any]:
    """The variables of a mail about an invoice that is made up. The links in it lead nowhere."""
    days = _DUE_IN_DAYS[case]
    facts = MailFacts(
        seller=seller,
        customer=customer,
        number="A-0001",
        amount_minor=0 if case == "paid" else 123_450,
        currency="usd",
        due_date=None if days is None else _AT + timedelta(days=days),
        link_until=_AT + timedelta(days=30),
        language=language,
        zone="UTC",
    )
    return variables(name, facts, _AT, LINK, OPT_OUT)


def preview(name: Name, words: Words, case: Case, *, language: str, seller: str) -> Words:
    """The mail that a template which `validate` finds nothing wrong with makes of an example."""
    return CompiledTemplate(words).render(example(name, case, language=language, seller=seller))
