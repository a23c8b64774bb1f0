"""Notices changes of an organization's own subscription that were made in Stripe itself.

The mirror's reading before and the new one are compared under a lock, so that each change is noticed once.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import CANCELED, CaseFound, CaseObject
from billing.core.hashing import digest
from billing.plan_changes.subject import Terms

from ..core.clock import utc_now
from ..core.pending import reads
from ..core.statements import is_sqlite
from ..operations import intents, operations
from ..stripe.ours import subscription_enders
from ..tables import Intent, Operation, Organization
from . import cases
from .cases import CaseRules

TERMS = ("plan", "price", "seats", "interval", "others")
EFFECT = "plixo_effect"
"""The effect of ours that last changed it, by its metadata."""
WAS = "was"
"""In the mirror alone: what it was before its last change, and until when we had it so."""

SKEW = timedelta(minutes=1)
"""By how much the clocks of two workers may differ."""

Document = Mapping[str, Any]


class MirroredSubscription(NamedTuple):
    """What our mirror has of an organization's subscription."""

    organization: str
    subscription: str
    document: dict[str, Any] | None
    synced_at: datetime | None


async def lock(session: AsyncSession, organization_id: str) -> MirroredSubscription | None:
    """What is mirrored, which nobody else changes before this transaction ends; None for no organization."""
    wanted = select(
        Organization.id,
        Organization.stripe_subscription,
        Organization.subscription,
        Organization.synced_at,
    ).where(Organization.id == organization_id)
    if not is_sqlite(session):
        # Not FOR UPDATE: that would also wait for whoever inserts a row that refers to the organization.
        wanted = wanted.with_for_update(key_share=True)
    found = (await session.exec(wanted, execution_options=reads(Organization))).first()
    return MirroredSubscription(*found) if found else None


def remembering(
    before: MirroredSubscription, document: dict[str, Any], synced_at: datetime
) -> dict[str, Any] | None:
    """The document with what it was before; None for a reading that a change has overtaken.

    Of two that ask Stripe at about the same time the later one may be answered first, and with what was:
    stored after the other it would undo the change here, and look like a second one.
    """
    held = before.document
    if held is None or EFFECT not in held or EFFECT not in document:
        return document
    known: dict[str, Any] | None = held.get(WAS)
    if _identity(document) == _identity(held):
        return document | {WAS: known} if known else document
    is_former = known is not None and known["identity"] == _identity(document)
    if known and is_former and synced_at < datetime.fromisoformat(known["until"]):
        return None
    until = utc_now().isoformat()
    return document | {WAS: {"identity": _identity(held), "until": until}}


async def notice(
    session: AsyncSession, rules: CaseRules, before: MirroredSubscription, document: Document, at: datetime
) -> None:
    """Opens a case when the terms have changed, or the subscription has ended, without any of us."""
    held = before.document
    if held is None or "plan" not in held:  # what was never readable
        return
    await _notice_plan_to_end(session, rules, before, held, document, at)
    was = await _of_our_making(session, before, held, document)
    if was is None:
        return
    found = CaseFound(
        object_kind=CaseObject.SUBSCRIPTION,
        object=before.subscription,
        from_=was,
        to=_terms(document),
        status=document["status"],
    )
    change = digest([_identity(held), _identity(document), document["period_start"], held.get(WAS)])
    await cases.open_case(
        session,
        rules,
        before.organization,
        found,
        at,
        object_id=f"{before.subscription}:{change[:16]}",
    )


async def _notice_plan_to_end(
    session: AsyncSession,
    rules: CaseRules,
    before: MirroredSubscription,
    held: Document,
    document: Document,
    at: datetime,
) -> None:
    """Opens a case when the subscription was set to end, or to end at another time, without any of us."""
    ends_at, asked_at = document.get("cancel_at"), document.get("canceled_at")
    if ends_at is None or document.get("status") == CANCELED:
        return
    if (ends_at, asked_at) == (held.get("cancel_at"), held.get("canceled_at")):
        return
    if await _set_by_us(session, before, held, document):
        return
    found = CaseFound(
        object_kind=CaseObject.CANCELLATION,
        object=before.subscription,
        ends_at=datetime.fromtimestamp(ends_at, UTC),
        status=document["status"],
    )
    object_id = f"{before.subscription}:{asked_at}:{ends_at}"
    await cases.open_case(session, rules, before.organization, found, at, object_id=object_id)


async def _set_by_us(
    session: AsyncSession, before: MirroredSubscription, held: Document, document: Document
) -> bool:
    """Whether the effect that last changed the subscription is one of ours that set it to end."""
    intent = await _last_changed(session, before.organization, document.get(EFFECT), before.synced_at)
    return (
        intent is not None
        and document.get(EFFECT) != held.get(EFFECT)
        and bool(intent.params.get("cancel_at_period_end") or intent.params.get("cancel_at"))
    )


async def _of_our_making(
    session: AsyncSession, mirrored: MirroredSubscription, before: Document, after: Document
) -> Terms | None:
    """What it was as far as we have made it; None where that is what it is now."""
    was, now, organization = _terms(before), _terms(after), mirrored.organization
    ours = await _made_by(session, organization, after.get(EFFECT), mirrored.synced_at)
    if after.get("status") == CANCELED and before.get("status") != CANCELED:
        known = _ended_as_planned(before, after) or await subscription_enders(
            session, organization, mirrored.subscription
        )
        return None if known else was
    if EFFECT not in before:  # from before we kept that: which effect was the last one is not known
        expected = {was, ours}
    elif ours is not None and after.get(EFFECT) != before[EFFECT]:
        expected, was = {ours}, ours
    else:
        expected = {was}
    if now in expected or await _planned(session, organization, before, after):
        return None
    return was


def _ended_as_planned(before: Document, after: Document) -> bool:
    """Whether it was set to end by then: that was noticed, or asked for here."""
    planned, ended = before.get("cancel_at"), after.get("ended_at")
    return planned is not None and ended is not None and ended >= planned


async def _made_by(
    session: AsyncSession, organization: str, effect: str | None, since: datetime | None
) -> Terms | None:
    """The terms that an effect of ours set; None when it is none of ours."""
    intent = await _last_changed(session, organization, effect, since)
    if intent is None:
        return None
    if intent.effect != "subscription.update":
        return None
    operation = await operations.get_any(session, intent.operation_id)
    subject = (operation.subject if operation else None) or {}
    return _of(subject, "from" if intent.step == "revert" else "to")


async def _last_changed(
    session: AsyncSession, organization: str, effect: str | None, since: datetime | None
) -> Intent | None:
    """The intent of the effect that the subscription names; None when it is none of ours, or was done before
    `since`, when Stripe was last read: its mark was put there again by somebody who changed something else.
    """
    intent = await session.get(Intent, effect) if effect else None
    if intent is None or intent.organization_id != organization or intent.state == intents.REFUSED:
        return None
    # One that waited for its payment: Stripe put the mark there when that came.
    waited = "pending_until" in (intent.result or {})
    closed = intent.closed_at
    if since is not None and closed is not None and closed < since - SKEW and not waited:
        return None
    return intent


async def _planned(session: AsyncSession, organization: str, before: Document, after: Document) -> bool:
    """Whether a schedule of ours has brought it there: that leaves no mark on the subscription."""
    schedules = {one for one in (before.get("schedule"), after.get("schedule")) if one}
    found = await session.exec(
        select(Operation)
        .join(Intent, col(Intent.operation_id) == col(Operation.id))
        .where(
            Intent.organization_id == organization,
            col(Intent.effect).in_(("schedule.create", "schedule.update")),
            col(Intent.stripe_id).in_(schedules),
        )
    )
    planned = list(found)
    for waiting in await operations.open_plan_changes(session, organization):
        if any(
            one.effect == "schedule.update" and one.state != intents.REFUSED
            for one in await intents.of_operation(session, waiting.id)
        ):
            planned.append(waiting)
    return any(
        _of(one.subject or {}, "to") == _terms(after)
        and (one.subject or {})["period_end"] <= after["period_start"]
        for one in planned
    )


def _identity(document: Document) -> list[Any]:
    """What tells one state of a subscription from the next."""
    ended = document.get("status") == CANCELED
    return [*(document.get(name) for name in TERMS), document.get(EFFECT), ended]


def _terms(document: Document) -> Terms:
    return Terms.model_validate({name: document[name] for name in TERMS})


def _of(subject: Document, side: str) -> Terms | None:
    told = subject.get(side)
    return Terms.model_validate(told) if told else None
