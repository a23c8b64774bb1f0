"""The words of mails: Jinja templates in `mails/`, compiled once."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import (
    BaseLoader,
    Environment,
    PackageLoader,
    StrictUndefined,
    Template,
    select_autoescape,
)

from billing.messages import MailRequest

from .mail_facts import Facts
from .mail_records import Mailing
from .mail_subjects import Change, Credit, Refund, Trouble
from .mail_words import brief, columns, line, money, quoted, sentence, span, table, when, who

PLAIN, HTML = ".txt.j2", ".html.j2"
SUBJECT = "Subject: "
PATHS = {Change.noun: "plan-changes", Refund.noun: "refunds", Credit.noun: "credits"}
"""Where the API has each kind of operation."""
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
        for rule in (brief, columns, line, money, quoted, sentence, span, table, when, who):
            environment.filters[rule.__name__] = rule
        names = [name for name in environment.list_templates() if not name.startswith("_")]
        self._plain = _compile(environment, names, PLAIN)
        self._html = _compile(environment, names, HTML)

    @property
    def names(self) -> tuple[str, ...]:
        """The templates that there are."""
        return tuple(sorted(self._plain))

    def render(
        self, request: MailRequest, facts: Facts, mailing: Mailing, recipient: str, *, acting: bool = False
    ) -> MailText:
        """The mail in words for one recipient, who may be `acting` for somebody else who is asked.

        Raises LookupError for an unknown template.
        """
        values = _values(request, facts, mailing) | {"recipient": line(recipient), "acting": acting}
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


def _values(request: MailRequest, facts: Facts, mailing: Mailing) -> dict[str, Any]:
    """What the templates can say. `title` is what a subject line names, `what` the same in a sentence."""
    subject, organization = facts.subject, line(mailing.organization)
    noun = facts.noun or UNTOLD.get(request.template, Change.noun)
    customer = line(mailing.customer) if mailing.customer else None
    if isinstance(subject, Refund | Credit | Trouble):
        title = what = subject.title(customer)
    else:
        title = f"{brief(organization)}, {subject.title if subject else noun}"
        what = f"{noun} of {organization}" if noun == Change.noun else noun
    return {
        "mail": facts,
        "change": subject if isinstance(subject, Change) else None,
        "refund": subject if isinstance(subject, Refund) else None,
        "credit": subject if isinstance(subject, Credit) else None,
        "trouble": subject if isinstance(subject, Trouble) else None,
        "payee": subject.payee(customer) if isinstance(subject, Refund | Credit | Trouble) else None,
        "noun": noun,
        "title": title,
        "what": what,
        "path": PATHS.get(noun),
        "operation": request.operation,
        "organization": organization,
        "roles": [role.replace("_", " ") for role in request.roles],
        "zone": _zone(mailing.zone),
        "names": mailing.names,
    }


def _compile(environment: Environment, names: Iterable[str], ending: str) -> dict[str, Template]:
    return {
        name.removesuffix(ending): environment.get_template(name) for name in names if name.endswith(ending)
    }


def _tidy(text: str) -> str:
    return SECRET.sub("[key removed]", re.sub(r"\n{3,}", "\n\n", text))


def _zone(name: str) -> ZoneInfo:
    """An organization's zone; UTC for one that this machine does not know: the mail gives UTC anyway."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
