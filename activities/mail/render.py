"""The words of mails: Jinja templates in `templates/`, compiled once."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from textwrap import fill
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import (
    BaseLoader,
    Environment,
    PackageLoader,
    StrictUndefined,
)

from billing.cancellations.cancellation import CancellationSubject
from billing.cases.case import CaseObject, CaseSubject
from billing.core.operations import Kind
from billing.core.text import with_article
from billing.incidents.words import IncidentSubject
from billing.mail.messages import MailRequest
from billing.money.credit import CreditSubject
from billing.money.refund import RefundSubject
from billing.money.waiver import WaiverSubject
from billing.operations.kinds import KINDS
from billing.plan_changes.subject import PlanChangeSubject
from billing.policy.phrases import ROLE_WORDS, capital, roles
from billing.portal.trouble import AccessTroubleSubject

from .filters import (
    amounts,
    brief,
    changed,
    columns,
    day,
    line,
    money,
    number,
    plan,
    quoted,
    reason,
    sentence,
    span,
    table,
    tax_name,
    when,
    who,
)
from .html import html_of
from .records import Mailing
from .titles import title_of

PLAIN = ".txt.j2"
WIDTH, MAX_UNWRAPPED = 100, 138
SUBJECT = "Subject: "
SECRET = re.compile(r"\b(?:pk_[0-9a-f]{12}_[0-9a-f]{64}|[prs]k_(?:live|test)_\w{8,}|whsec_\w{8,})")
"""Our API keys and Stripe's: people paste the strangest things into a reason."""

ID_WORDS = {
    "pi": "the payment",
    "ch": "the charge",
    "re": "the refund",
    "pyr": "the refund",
    "in": "the invoice",
    "cn": "the credit note",
    "cbtxn": "the credit",
    "cus": "the customer",
    "sub": "the subscription",
    "si": "the subscription",
    "price": "the price",
    "prod": "the plan",
    "op": "another request",
    "apr": "the approval",
    "ntc": "the notice",
    "per": "a colleague",
}
"""What is told in place of an id: no mail shows one but in the address that it links to. Problems and reasons
that other systems give name objects by ids, which tell people nothing."""
_PAGE = re.compile(r"(?<![\w/])/console/[\w/]*\w")
"""A page of the console that a problem names: a mail has its whole address."""
_ID = re.compile(rf"\b({'|'.join(ID_WORDS)})_[A-Za-z0-9_]+(?:-[0-9a-z_]+)*(?![A-Za-z0-9_])")


class MailText(NamedTuple):
    """A mail's words. What staff gets as HTML is made of the plain text and says the same."""

    subject: str
    plain: str
    html: str | None


class DecisionLink(NamedTuple):
    """What its reader decides by: the token in its address, which only this mail has, and until when."""

    token: str
    until: datetime


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
        site = public_url.rstrip("/")
        environment.globals["console"] = f"{site}/console"
        environment.filters["linked"] = lambda text: _PAGE.sub(lambda page: f"{site}{page[0]}", text)
        rules = (
            *(amounts, brief, capital, changed, columns, day, line, money, number, plan),
            *(quoted, reason, roles, sentence, span, table, tax_name, when, who, with_article),
        )
        for rule in rules:
            environment.filters[rule.__name__] = rule
        every = {name: environment.get_template(name) for name in environment.list_templates()}
        self._plain = {name.removesuffix(PLAIN): one for name, one in every.items() if name[0] != "_"}

    @property
    def names(self) -> tuple[str, ...]:
        """The templates that there are."""
        return tuple(sorted(self._plain))

    def render(
        self,
        request: MailRequest,
        mailing: Mailing,
        recipient: str,
        *,
        acting: bool = False,
        zone: str | None = None,
        link: DecisionLink | None = None,
    ) -> MailText:
        """The mail in words for one recipient, who may be `acting` for somebody else who is asked, and reads
        times in their `zone`, else in the organization's; they decide by the `link`, if there is one.

        Raises LookupError for an unknown template.
        """
        values = _values(request, mailing) | {"recipient": line(recipient), "acting": acting}
        values["link"] = link
        values["zone"] = zone_of(zone or mailing.zone)
        names = {**mailing.names, **mailing.customers, **mailing.numbers}
        text = _without_ids(_tidy(self._plain[request.template].render(values)), names)
        subject, _, plain = text.partition("\n")
        if not subject.startswith(SUBJECT):
            raise ValueError(f"the first line of {request.template} is no subject")
        subject, plain = subject.removeprefix(SUBJECT), _wrapped(plain.strip("\n")) + "\n"
        return MailText(subject, plain, html_of(subject, plain))


@cache
def shipped_texts(public_url: str) -> MailTexts:
    """The templates that the product ships, compiled once a process: that takes a tenth of a second."""
    return MailTexts(public_url)


def _values(request: MailRequest, mailing: Mailing) -> dict[str, Any]:
    """What the templates can say. Of a case, `refund`, `credit` or `change` is what was made in Stripe."""
    context, organization = request.context, line(mailing.organization)
    subject = context.subject
    customer = mailing.customers.get(context.customer or "")
    number = getattr(subject, "invoice_number", None) or mailing.numbers.get(context.invoice or "")
    case = subject if isinstance(subject, CaseSubject) else None
    made = case.object_kind if case else None
    is_credit = made in (CaseObject.CREDIT_NOTE, CaseObject.BALANCE_TRANSACTION)
    title = title_of(request, organization, customer, number, mailing.plans)
    return {
        "mail": context,
        "case": case,
        "change": subject if isinstance(subject, PlanChangeSubject) or (case and case.terms) else None,
        "refund": subject if isinstance(subject, RefundSubject) or made is CaseObject.REFUND else None,
        "credit": subject if isinstance(subject, CreditSubject) or is_credit else None,
        "given_away": case if case and not (case.terms or is_credit or made is CaseObject.REFUND) else None,
        "cancellation": subject if isinstance(subject, CancellationSubject) else None,
        "waiver": subject if isinstance(subject, WaiverSubject) else None,
        "trouble": subject if isinstance(subject, AccessTroubleSubject) else None,
        "incident": subject if isinstance(subject, IncidentSubject) else None,
        "payee": line(customer) if customer else None,
        **title._asdict(),
        "done": _done(subject, title.kind),
        "operation": request.operation,
        "organization": organization,
        "roles": [ROLE_WORDS[role] for role in request.roles],
        "names": mailing.names,
        "plans": mailing.plans,
        "numbers": mailing.numbers,
        "customers": mailing.customers,
        "token": mailing.token,
    }


def _done(subject: object, kind: Kind | None) -> str:
    """What happens where it is carried out: to nothing, where it is not."""
    if isinstance(subject, CancellationSubject) and subject.action == "take_back":
        return "changed"
    return KINDS[kind].done if kind else "done"


def _wrapped(text: str) -> str:
    """Sentences on lines that one can read; figures, quotes and addresses stay as they are."""
    return "\n".join(
        wrap if len(row) > MAX_UNWRAPPED and row[:1] not in (" ", "-") and "://" not in row else row
        for row in text.split("\n")
        for wrap in (fill(row, WIDTH, break_long_words=False, break_on_hyphens=False),)
    )


def _tidy(text: str) -> str:
    return SECRET.sub("[key removed]", re.sub(r"\n{3,}", "\n\n", text))


def zone_of(name: str) -> ZoneInfo:
    """An organization's zone; UTC for one that this machine does not know: the mail gives UTC anyway."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _without_ids(text: str, names: Mapping[str, str]) -> str:
    """The text with names in place of ids, as far as there are any; what people wrote, and addresses to
    follow, stay as they are.
    """
    return "\n".join(
        row if row.startswith("  >") or "://" in row else _ID.sub(lambda found: _word(found, names), row)
        for row in text.split("\n")
    )


def _word(found: re.Match[str], names: Mapping[str, str]) -> str:
    word = names.get(found[0]) or ID_WORDS[found[1]]
    return f"{word[:1].upper()}{word[1:]}" if found.start() == 0 else word
