"""The words of mails: Jinja templates in `mails/`, compiled once."""

import re
from textwrap import fill
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import (
    BaseLoader,
    Environment,
    PackageLoader,
    StrictUndefined,
)

from billing.mail.messages import MailRequest

from .facts import Facts
from .filters import (
    ROLES,
    brief,
    changed,
    columns,
    line,
    money,
    number,
    plan,
    quoted,
    roles,
    sentence,
    span,
    table,
    when,
    who,
)
from .html import html_of
from .ids import without_ids
from .records import Mailing
from .subjects import Change, Credit, Refund, Trouble

PLAIN = ".txt.j2"
WIDTH, MAX_UNWRAPPED = 100, 138
SUBJECT = "Subject: "
MADE = "change"
UNTOLD = {
    "money_ended": "refund or credit",
    "refund_failed": Refund.noun,
    "delegated": "approval",
    "delegation_answered": "approval",
    "operation_over": "operation",
    "portal_trouble": Trouble.noun,
    "portal_trouble_escalated": Trouble.noun,
    "portal_trouble_solved": Trouble.noun,
    "case_opened": MADE,
    "case_reminder": MADE,
    "case_escalated": MADE,
    "case_closed": MADE,
    "case_named": MADE,
    "case_denied": MADE,
}
"""What a mail calls its subject if nothing says what that is."""
SECRET = re.compile(r"\b(?:pk_[0-9a-f]{12}_[0-9a-f]{64}|[prs]k_(?:live|test)_\w{8,}|whsec_\w{8,})")
"""Our API keys and Stripe's: people paste the strangest things into a reason."""


class MailText(NamedTuple):
    """A mail's words. What staff gets as HTML is made of the plain text and says the same."""

    subject: str
    plain: str
    html: str | None


class MailTexts:
    """Renders mails. Every template is compiled here, so that a broken one stops the worker's start."""

    def __init__(self, public_url: str, loader: BaseLoader | None = None) -> None:
        environment = Environment(
            loader=loader or PackageLoader("activities.mail", "templates"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.globals["console"] = f"{public_url.rstrip('/')}/console"
        rules = (
            *(brief, changed, columns, line, money, number, plan),
            *(quoted, roles, sentence, span, table, when, who),
        )
        for rule in rules:
            environment.filters[rule.__name__] = rule
        names = [name for name in environment.list_templates() if not name.startswith("_")]
        self._plain = {name.removesuffix(PLAIN): environment.get_template(name) for name in names}

    @property
    def names(self) -> tuple[str, ...]:
        """The templates that there are."""
        return tuple(sorted(self._plain))

    def render(
        self,
        request: MailRequest,
        facts: Facts,
        mailing: Mailing,
        recipient: str,
        *,
        acting: bool = False,
        zone: str | None = None,
    ) -> MailText:
        """The mail in words for one recipient, who may be `acting` for somebody else who is asked, and reads
        times in their `zone`, else in the organization's.

        Raises LookupError for an unknown template.
        """
        values = _values(request, facts, mailing) | {"recipient": line(recipient), "acting": acting}
        values["zone"] = _zone(zone or mailing.zone)
        names = {**mailing.names, **mailing.customers, **mailing.numbers}
        text = without_ids(_tidy(self._plain[request.template].render(values)), names)
        subject, _, plain = text.partition("\n")
        if not subject.startswith(SUBJECT):
            raise ValueError(f"the first line of {request.template} is no subject")
        subject, plain = subject.removeprefix(SUBJECT), _wrapped(plain.strip("\n")) + "\n"
        return MailText(subject, plain, html_of(subject, plain))


def _values(request: MailRequest, facts: Facts, mailing: Mailing) -> dict[str, Any]:
    """What the templates can say. `title` is what a subject line names, `what` the same in a sentence."""
    subject, organization = facts.subject, line(mailing.organization)
    noun = facts.noun or UNTOLD.get(request.template, Change.noun)
    customer = mailing.customers.get(facts.customer or "")
    number = getattr(subject, "invoice_number", None) or mailing.numbers.get(facts.invoice or "")
    if isinstance(subject, Refund | Credit | Trouble):
        title = what = subject.title(customer, number)
        asked_for = f"a {what}"
    else:
        title = f"{brief(organization)}, {subject.title(mailing.plans) if subject else noun}"
        what = f"{noun} of {organization}" if noun == Change.noun else noun
        asked_for = f"the {noun} of {title}" if subject else f"a {what}"
    return {
        "mail": facts,
        "change": subject if isinstance(subject, Change) else None,
        "refund": subject if isinstance(subject, Refund) else None,
        "credit": subject if isinstance(subject, Credit) else None,
        "trouble": subject if isinstance(subject, Trouble) else None,
        "payee": line(customer) if customer else None,
        "asked_for": asked_for,
        "noun": noun,
        "title": title,
        "what": what,
        "operation": request.operation,
        "organization": organization,
        "roles": [ROLES[role] for role in request.roles],
        "names": mailing.names,
        "plans": mailing.plans,
        "numbers": mailing.numbers,
        "customers": mailing.customers,
    }


def _wrapped(text: str) -> str:
    """Sentences on lines that one can read; figures, quotes and addresses stay as they are."""
    return "\n".join(
        wrap if len(row) > MAX_UNWRAPPED and row[:1] not in (" ", "-") and "://" not in row else row
        for row in text.split("\n")
        for wrap in (fill(row, WIDTH, break_long_words=False, break_on_hyphens=False),)
    )


def _tidy(text: str) -> str:
    return SECRET.sub("[key removed]", re.sub(r"\n{3,}", "\n\n", text))


def _zone(name: str) -> ZoneInfo:
    """An organization's zone; UTC for one that this machine does not know: the mail gives UTC anyway."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
