"""Why a customer can't open an invoice: from what is recorded of it to the one action that fixes it.

Pure. What has to be fixed first comes first: no new link helps where the address is blocked, and none
arrives where the mail address is wrong. Times are UTC.
"""

from collections.abc import Callable, Iterator
from typing import Literal

from pydantic import AwareDatetime

from ..core.operations import Message
from .access_facts import AccessFacts, LinkFact, MailFact, VisitFact

Code = Literal[
    "paid",
    "void",
    "not_finalized",
    "portal_down",
    "blocked_address",
    "no_address",
    "wrong_mail",
    "expired",
    "revoked",
    "replaced",
    "stripe_url_expired",
    "never_opened",
    "nothing_wrong",
]
MENDED_BY_LINK = frozenset({"expired", "replaced"})
"""What a new link by mail fixes, so that nobody has to decide on it."""


class FindingSource(Message):
    """A row that a finding rests on."""

    kind: Literal["visit", "mail", "link"]
    id: str
    at: AwareDatetime
    what: str


class Action(Message):
    """What fixes it: a request to our API, or to Stripe's."""

    where: Literal["plixo", "stripe"] = "plixo"
    method: Literal["GET", "POST", "DELETE"]
    path: str
    does: str


class Finding(Message):
    """One thing that keeps the customer out, or that nothing does; `action` None: there is nothing to do.

    `words` name no address of theirs: they go into histories and mails, while `evidence` stays here.
    """

    code: Code
    since: AwareDatetime | None
    words: str
    evidence: tuple[FindingSource, ...] = ()
    action: Action | None = None


class Diagnosis(Message):
    """The findings in the order in which to fix them: the first is the cause."""

    invoice: str
    at: AwareDatetime
    findings: tuple[Finding, ...]

    @property
    def cause(self) -> Finding:
        return self.findings[0]


def diagnose(facts: AccessFacts) -> Diagnosis:
    """What keeps the customer out, with its evidence. An invoice that nobody has to pay has one finding."""
    found = tuple(_over(facts)) or tuple(finding for rule in _RULES for finding in rule(facts))
    return Diagnosis(invoice=facts.invoice, at=facts.at, findings=found or (_nothing_wrong(facts),))


def fixed_by_link(diagnosis: Diagnosis, facts: AccessFacts) -> bool:
    """Whether a new link by mail fixes the cause, and has a chance to arrive."""
    return diagnosis.cause.code in MENDED_BY_LINK and facts.reachable


def _over(facts: AccessFacts) -> Iterator[Finding]:
    if facts.status == "paid":
        yield Finding(
            code="paid",
            since=facts.changed_at,
            words="The invoice is paid: its page has nothing to pay. For their books, send the PDF.",
            action=_ours("POST", facts, "pdf", "Fetches the invoice's PDF anew, to hand it on."),
        )
    elif facts.status == "void":
        yield Finding(
            code="void",
            since=facts.changed_at,
            words="The invoice is void: nobody has to pay it, and its page says so.",
        )
    elif facts.status == "draft":
        yield Finding(
            code="not_finalized",
            since=None,
            words="The invoice is a draft: it has no page before it is finalized in Stripe.",
            action=Action(
                where="stripe",
                method="POST",
                path=f"/v1/invoices/{facts.invoice}/finalize",
                does="Finalizes the invoice; then send its link.",
            ),
        )


def _portal_down(facts: AccessFacts) -> Iterator[Finding]:
    last = next(iter(facts.visits_by(facts.current)), None)
    failed = [last] if last is not None and last.outcome == "unavailable" else []
    if facts.portal_down_since is None and not failed:
        return
    yield Finding(
        code="portal_down",
        since=facts.portal_down_since or failed[0].at,
        words="The portal itself is, or just was, not available: nothing of this customer's is wrong.",
        evidence=tuple(map(_visit, failed)),
        action=Action(method="GET", path="/v1/incidents", does="Shows the incident and its runbook."),
    )


def _blocked(facts: AccessFacts) -> Iterator[Finding]:
    last = facts.last_visit
    if last is None or last.outcome != "blocked":
        return
    held = next((block for block in facts.blocked if block.address == last.address), None)
    if held is None:
        return  # it was let in since
    if held.rule is not None:
        words = "Their address is in a network that is blocked."
        action = Action(
            method="DELETE", path=f"/v1/portal-networks/{held.rule}", does="Takes the block away."
        )
    else:
        words = "Their address is in none of the networks that are allowed."
        action = Action(method="POST", path="/v1/portal-networks", does="Allows their network too.")
    refused = [one for one in facts.visits if (one.outcome, one.address) == ("blocked", last.address)]
    yield Finding(
        code="blocked_address",
        since=refused[-1].at,
        words=words,
        evidence=tuple(map(_visit, refused)),
        action=action,
    )


def _no_address(facts: AccessFacts) -> Iterator[Finding]:
    if facts.address is None:
        yield Finding(
            code="no_address",
            since=None,
            words="The customer has no mail address in Stripe: no link can be sent.",
            action=_address_in_stripe(facts),
        )


def _wrong_mail(facts: AccessFacts) -> Iterator[Finding]:
    if facts.address is None:
        return
    if facts.address == facts.bounced_address:
        bounced = [one for one in facts.mails if (one.state, one.address) == ("bounced", facts.address)]
        yield Finding(
            code="wrong_mail",
            since=facts.bounced_at,
            words="The mail server refused the customer's address, which is probably wrong.",
            evidence=tuple(map(_mail, bounced)),
            action=_address_in_stripe(facts, or_lift=True),
        )
        return
    current = facts.current
    last = next((mail for mail in facts.mails if current is not None and mail.link == current.id), None)
    if last is not None and last.address is not None and last.address != facts.address:
        yield Finding(
            code="wrong_mail",
            since=last.at,
            words="The last link went to an address that is no longer the customer's.",
            evidence=(_mail(last),),
            action=_resend(facts),
        )


def _expired(facts: AccessFacts) -> Iterator[Finding]:
    link = facts.live
    if link is not None and link.expires_at <= facts.at:
        yield Finding(
            code="expired",
            since=link.expires_at,
            words="Their link has expired.",
            evidence=(_link(link, link.expires_at, "expired"), *_visits(facts, link, "expired")),
            action=_resend(facts),
        )


def _revoked(facts: AccessFacts) -> Iterator[Finding]:
    newest = facts.links[0] if facts.links else None
    if facts.live is None and newest is not None and newest.end_reason == "revoked":
        assert newest.ended_at is not None
        yield Finding(
            code="revoked",
            since=newest.ended_at,
            words="Their link was revoked, and there is no other. Ask whoever did so before you send one.",
            evidence=(_link(newest, newest.ended_at, "revoked"), *_visits(facts, newest, "revoked")),
            action=_resend(facts),
        )


def _replaced(facts: AccessFacts) -> Iterator[Finding]:
    link, last = facts.live, facts.last_visit
    if link is None or link.expires_at <= facts.at or last is None or last.outcome != "replaced":
        return
    if last.at < link.created_at:
        return  # that was before this link, which they may well use
    older = (_visit(v) for v in facts.visits if v.outcome == "replaced" and v.at >= link.created_at)
    yield Finding(
        code="replaced",
        since=link.created_at,
        words="They use the link of an older mail, which a newer link has ended.",
        evidence=(*older, _link(link, link.created_at, "issued")),
        action=_resend(facts),
    )


def _stripe_url_expired(facts: AccessFacts) -> Iterator[Finding]:
    until = facts.pay_link_until
    if until is None or until > facts.at:
        return
    last = next(iter(facts.visits_by(facts.current)), None)
    if last is not None and last.outcome in ("opened", "paying") and last.at >= until:
        return  # the page reads Stripe's address anew
    yield Finding(
        code="stripe_url_expired",
        since=until,
        words="The last of Stripe's own addresses that was handed out is no longer good.",
        action=_ours("POST", facts, "pay-link", "Reads Stripe's address for this invoice anew."),
    )


def _never_opened(facts: AccessFacts) -> Iterator[Finding]:
    link = facts.live
    if not facts.links:
        words, since = "No link was ever sent for this invoice.", None
    elif link is not None and link.expires_at > facts.at and not link.opens and not facts.visits_by(link):
        words, since = "Nobody has tried their link: the mail may not have been seen.", link.created_at
    else:
        return
    mails = tuple(_mail(mail) for mail in facts.mails if link is None or mail.link == link.id)
    yield Finding(code="never_opened", since=since, words=words, evidence=mails, action=_resend(facts))


def _nothing_wrong(facts: AccessFacts) -> Finding:
    opened = tuple(_visits(facts, facts.current, "opened"))
    return Finding(
        code="nothing_wrong",
        since=None,
        words="Their link works. If they can't pay all the same, hand them Stripe's own address.",
        evidence=opened[:1],
        action=_ours("POST", facts, "pay-link", "Reads Stripe's address for this invoice anew."),
    )


_RULES: tuple[Callable[[AccessFacts], Iterator[Finding]], ...] = (
    _portal_down,
    _blocked,
    _no_address,
    _wrong_mail,
    _expired,
    _revoked,
    _replaced,
    _stripe_url_expired,
    _never_opened,
)


def _ours(method: Literal["GET", "POST"], facts: AccessFacts, what: str, does: str) -> Action:
    return Action(method=method, path=f"/v1/invoices/{facts.invoice}/{what}", does=does)


def _resend(facts: AccessFacts) -> Action:
    return _ours("POST", facts, "portal-links/resend", "Mails a link; any earlier one stops working.")


def _address_in_stripe(facts: AccessFacts, *, or_lift: bool = False) -> Action:
    lift = (
        f" If it is right, send PATCH /v1/customers/{facts.customer}/settings with bounced: false instead."
        if or_lift
        else ""
    )
    return Action(
        where="stripe",
        method="POST",
        path=f"/v1/customers/{facts.customer}",
        does=f"Sets the customer's mail address; then send a new link.{lift}",
    )


def _visits(facts: AccessFacts, link: LinkFact | None, outcome: str) -> Iterator[FindingSource]:
    return (_visit(visit) for visit in facts.visits_by(link) if visit.outcome == outcome)


def _visit(visit: VisitFact) -> FindingSource:
    return FindingSource(kind="visit", id=visit.id, at=visit.at, what=f"{visit.outcome} from {visit.address}")


def _mail(mail: MailFact) -> FindingSource:
    to = f" to {mail.address}" if mail.address else ""
    return FindingSource(kind="mail", id=mail.id, at=mail.at, what=f"{mail.state}{to}")


def _link(link: LinkFact, at: AwareDatetime, what: str) -> FindingSource:
    return FindingSource(kind="link", id=link.id, at=at, what=what)
