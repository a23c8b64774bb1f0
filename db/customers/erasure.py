"""A customer's personal data is erased from the records: who they are, and where they were written to and
came from.

Amounts, ids and what people decided stay, so that evidence holds: it names a customer by nothing but their id
in Stripe. What people wrote can't be changed; it is told where that names them.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Text, and_, cast, delete, false, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.events import EventCode
from billing.core.text import folded

from ..core import timeline
from ..core.statements import insert_if_new
from ..tables import (
    Approval,
    CommentRow,
    Customer,
    CustomerErasure,
    CustomerMail,
    CustomerSettings,
    Decision,
    DifferenceRow,
    DisputeRow,
    Invoice,
    InvoicePdf,
    NoteRow,
    Operation,
    Outbox,
    PaymentPromise,
    PortalAccess,
    PortalLink,
    PortalNetwork,
    ReminderPause,
)

NOWHERE = ""
"""In place of an address."""
NAMING = ("promise_broken", "dispute")
"""Templates of mails to people in whose rows of the outbox a customer's name stands."""
CAME_BACK = "customer_mail_bounced"
"""Likewise, of a mail to the customer themselves."""
SHORTEST_NAME = 3
"""Letters; what is shorter is found in any text."""


class ErasureOutcome(NamedTuple):
    """`mentions` are operations in which people wrote the customer's name or mail address."""

    erasure: CustomerErasure
    mentions: Sequence[str]


async def of(session: AsyncSession, customer_id: str) -> CustomerErasure | None:
    """That the customer was erased, if they were."""
    return await session.get(CustomerErasure, customer_id)


async def is_erased(session: AsyncSession, customer_id: str) -> bool:
    return await of(session, customer_id) is not None


async def is_erased_for_now(session: AsyncSession, customer_id: str) -> bool:
    """Likewise; and where it says no, whoever erases them waits until this transaction ends, and then ends
    what it has made."""
    found = await session.exec(
        select(Customer.erased_at).where(Customer.id == customer_id).with_for_update(key_share=True)
    )
    return found.first() is not None


async def every(session: AsyncSession) -> list[CustomerErasure]:
    """Of all organizations, the oldest first."""
    found = await session.exec(
        select(CustomerErasure).order_by(col(CustomerErasure.erased_at), col(CustomerErasure.customer_id))
    )
    return list(found)


async def erase(session: AsyncSession, wanted: CustomerErasure) -> ErasureOutcome:
    """Erase, once: who does so again gets the first erasure. Raises LookupError for an unknown customer."""
    id_, at, by = wanted.customer_id, wanted.erased_at, wanted.erased_by
    customer = await session.get(Customer, id_, with_for_update={"key_share": True}, populate_existing=True)
    if customer is None or customer.organization_id != wanted.organization_id:
        raise LookupError(f"no customer {id_}")
    mentions = [one async for one in _mentions(session, customer)]
    stored = await insert_if_new(session, wanted)
    if stored is None:
        earlier = await of(session, id_)
        assert earlier is not None, "whoever stored it first has committed"
        return ErasureOutcome(earlier, mentions)
    await session.exec(
        update(Customer)
        .where(col(Customer.id) == id_)
        .values(name=None, email=None, language=None, country=None, folded=folded(id_), erased_at=at)
        .execution_options(synchronize_session="fetch")
    )
    await _forget_how_to_write(session, wanted)
    await _close_their_pages(session, id_, by=by, at=at)
    await _forget_what_differed(session, id_)
    await _forget_in_mails(session, id_)
    operations = await session.exec(select(Operation.id).where(Operation.customer_id == id_))
    for operation in sorted(operations):
        await timeline.append(
            session,
            operation,
            key="customer_erased",
            event=EventCode.CUSTOMER_ERASED,
            actor=by,
            at=at,
            detail={"customer": id_},
        )
    return ErasureOutcome(stored, mentions)


async def erase_again(session: AsyncSession, wanted: CustomerErasure) -> bool:
    """After a restore: erase what an erasure since the backup had, though the customer may not be known yet.
    False where it is erased already."""
    if await is_erased(session, wanted.customer_id):
        return False
    unknown = Customer(
        id=wanted.customer_id,
        organization_id=wanted.organization_id,
        created_at=wanted.erased_at,
        synced_at=datetime.fromtimestamp(0, wanted.erased_at.tzinfo),
    )
    await insert_if_new(session, unknown)
    await erase(session, wanted)
    return True


async def _forget_how_to_write(session: AsyncSession, wanted: CustomerErasure) -> None:
    id_, at = wanted.customer_id, wanted.erased_at
    settings = await session.get(CustomerSettings, id_, populate_existing=True)
    settings = settings or CustomerSettings(
        customer_id=id_, organization_id=wanted.organization_id, updated_at=at, updated_by=wanted.erased_by
    )
    settings.language = settings.zone = settings.country = settings.subdivision = None
    settings.approval_cycle_days = None
    settings.bounced_at = settings.bounced_address = settings.bounce_code = None
    settings.opted_out_at = settings.opted_out_at or at
    settings.opted_out_by = settings.opted_out_by or wanted.erased_by
    settings.updated_at, settings.updated_by = at, wanted.erased_by
    session.add(settings)
    await session.flush()
    theirs = _of(CustomerMail, id_)
    await session.exec(
        update(CustomerMail)
        .where(theirs, col(CustomerMail.state).in_(("held", "due")))
        .values(state="skipped", reason="opted_out", decided_at=at, settled_at=at)
        .execution_options(synchronize_session=False)
    )
    await session.exec(
        update(CustomerMail).where(theirs).values(address=None).execution_options(synchronize_session=False)
    )
    invoices = select(Invoice.id).where(Invoice.customer_id == id_)
    for forgotten in (
        delete(ReminderPause).where(col(ReminderPause.invoice_id).in_(invoices)),
        delete(InvoicePdf).where(col(InvoicePdf.invoice_id).in_(invoices)),
    ):
        await session.exec(forgotten.execution_options(synchronize_session=False))


async def _close_their_pages(session: AsyncSession, id_: str, *, by: str, at: datetime) -> None:
    """Their links end; from where, and with what, they were opened is forgotten."""
    await session.exec(
        update(PortalLink)
        .where(_of(PortalLink, id_), col(PortalLink.ended_at).is_(None))
        .values(ended_at=at, ended_by=by, end_reason="revoked")
        .execution_options(synchronize_session=False)
    )
    await session.exec(
        update(PortalLink)
        .where(_of(PortalLink, id_))
        .values(end_note=None)
        .execution_options(synchronize_session=False)
    )
    await session.exec(
        update(PortalAccess)
        .where(_of(PortalAccess, id_))
        .values(address=NOWHERE, agent=None)
        .execution_options(synchronize_session=False)
    )
    await session.exec(
        update(PortalNetwork)
        .where(_of(PortalNetwork, id_), col(PortalNetwork.removed_at).is_(None))
        .values(removed_at=at, removed_by=by)
        .execution_options(synchronize_session=False)
    )
    await session.exec(
        update(PortalNetwork)
        .where(_of(PortalNetwork, id_))
        .values(network=NOWHERE, reason=NOWHERE)
        .execution_options(synchronize_session=False)
    )


async def _forget_what_differed(session: AsyncSession, id_: str) -> None:
    """What our mirror once had otherwise of them."""
    found = await session.exec(
        select(DifferenceRow).where(DifferenceRow.object_kind == "customer", DifferenceRow.object_id == id_)
    )
    for row in found:
        row.fields = [
            one | {"ours": None, "stripe": None} if one["name"] in Customer.PERSONAL else one
            for one in row.fields
        ]
        session.add(row)
    await session.flush()


async def _forget_in_mails(session: AsyncSession, id_: str) -> None:
    """What they said to a promise, and who they are in mails to people about a promise, a dispute or a mail
    that came back: any other mail names them only as it is sent."""
    promises = set(await session.exec(select(PaymentPromise.id).where(_of(PaymentPromise, id_))))
    disputes = set(await session.exec(select(DisputeRow.id).where(DisputeRow.customer_id == id_)))
    await session.exec(
        update(PaymentPromise)
        .where(_of(PaymentPromise, id_))
        .values(word=None)
        .execution_options(synchronize_session=False)
    )
    about = [cast(Outbox.payload, Text).contains(one) for one in sorted(promises | disputes)]
    mails = select(CustomerMail.id).where(_of(CustomerMail, id_))
    came_back = and_(col(Outbox.name) == CAME_BACK, col(Outbox.payload)["key"].as_string().in_(mails))
    found = await session.exec(
        select(Outbox).where(or_(came_back, and_(col(Outbox.name).in_(NAMING), or_(false(), *about))))
    )
    for row in found:
        row.payload = _unnamed(row.payload, id_)
        session.add(row)
    await session.flush()


def _unnamed(payload: Mapping[str, Any], id_: str) -> dict[str, Any]:
    """A mail, or a post of one, without the customer's name and what they said."""
    if "mail" in payload:
        return {**payload, "mail": _unnamed(payload["mail"], id_)}
    context = dict(payload["context"])
    if context.get("why"):
        context["why"] = f"{id_}: {context['why'].rpartition(': ')[2]}"  # a name may have a colon, too
    if context.get("promise"):
        context["promise"] = context["promise"] | {"customer": None, "word": None}
    if context.get("dispute"):
        context["dispute"] = context["dispute"] | {"customer": None}
    return {**payload, "context": context}


async def _mentions(session: AsyncSession, customer: Customer) -> AsyncIterator[str]:
    """The operations about the customer in which somebody wrote their name or mail address."""
    names = [folded(one) for one in (customer.name, customer.email) if one and len(one) >= SHORTEST_NAME]
    if not names:
        return
    found = await session.exec(select(Operation).where(Operation.customer_id == customer.id))
    for operation in sorted(found, key=lambda row: row.id):
        of = operation.id
        decided = (
            select(Decision.comment)
            .join(Approval, col(Approval.id) == Decision.approval_id)
            .where(Approval.operation_id == of)
        )
        texts = [json.dumps(operation.request, ensure_ascii=False)]
        for written in (
            select(NoteRow.text).where(NoteRow.operation_id == of),
            select(CommentRow.text).where(CommentRow.operation_id == of),
            select(Approval.reason).where(Approval.operation_id == of),
            decided,
        ):
            texts += [text for text in await session.exec(written) if text]
        if names_one_of(names, "\n".join(texts)):
            yield of


def names_one_of(names: Sequence[str], text: str) -> bool:
    """Whether the text has one of the folded names in it."""
    plain = folded(text)
    return any(name in plain for name in names)


def _of(
    table: type[CustomerMail | PaymentPromise | PortalLink | PortalAccess | PortalNetwork], customer_id: str
) -> ColumnElement[bool]:
    return col(table.customer_id) == customer_id
