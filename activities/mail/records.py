"""What the records know for a mail: who gets it, who is named in it, who has it already."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.events import EventCode
from billing.core.hashing import digest
from billing.core.operations import SYSTEM, Role
from billing.mail.messages import MailRequest
from db.core import timeline
from db.core.pending import store_later
from db.core.record_hashes import wrote
from db.mail import chat_webhooks
from db.operations import outbox, told
from db.people.people import may_have
from db.tables import Customer, Invoice, Mail, Organization, Person, PlanRow

TOLD_IN_CHAT = frozenset({"review_requested", "review_escalated"})
"""Mails of an operation that are posted to the organization's chats too."""


@dataclass(frozen=True)
class Mailing:
    """One request's recipients, and what their mails say of the organization and its people."""

    organization: str
    zone: str
    names: dict[str, str]
    """By person id: the recipients' and those of the people who are named."""
    recipients: tuple[Person, ...]
    sent: frozenset[str]
    """Message-IDs of this operation that the mail server took from an earlier attempt."""
    customers: Mapping[str, str] = field(default_factory=dict)
    """Their names by id, as far as our mirror has them."""
    numbers: Mapping[str, str] = field(default_factory=dict)
    """Of invoices, by id."""
    plans: Mapping[str, str] = field(default_factory=dict)
    """Their names, by short name."""
    has_chats: bool = True
    """Whether the organization may have chats to be told in."""
    head: timeline.Head | None = None
    """The last event of the operation's timeline, as far as it was looked for."""
    token: str | None = None
    """What the mail's sign-in link carries, made for this attempt: neither kept nor logged."""


async def find(session: AsyncSession, request: MailRequest) -> Mailing | None:
    """Everything; None when nobody is to get the mail and nobody is named."""
    [found] = await find_all(session, [request])
    return found


async def find_all(session: AsyncSession, requests: Sequence[MailRequest]) -> list[Mailing | None]:
    """As `find`, for mails of one operation, in one look."""
    of, asked = requests[0], [request.context for request in requests]
    assert all((one.organization, one.operation) == (of.organization, of.operation) for one in requests)
    people = {person for one in requests for person in _by_name(one)}
    values = {
        "organization": of.organization,
        "operation": of.operation,
        "people": sorted(people | {person for context in asked for person in context.people}),
        "plans": sorted({plan for context in asked for plan in context.plans}),
    }
    roles = tuple(sorted({role for one in requests for role in one.roles}))
    rows = (await session.exec(_query(roles), params=values)).all()
    if not rows:
        return [None] * len(requests)
    everybody = {row[0].id: row[0] for row in rows}
    customers = {one for context in asked for one in context.customers}
    invoices = {one for context in asked for one in context.invoices}
    found = Mailing(
        organization=rows[0][1],
        zone=rows[0][2],
        names={person.id: person.name for person in everybody.values()},
        recipients=(),
        sent=frozenset(row[3] for row in rows if row[3]),
        customers=await _named(session, Customer.id, Customer.name, of, customers),
        numbers=await _named(session, Invoice.id, Invoice.number, of, invoices),
        plans={row[4]: row[5] for row in rows if row[5]},
        has_chats=rows[0][6],
        head=timeline.Head(*rows[0][7:]) if rows[0][7] is not None else None,
    )
    return [
        replace(found, recipients=tuple(one for one in everybody.values() if _is_recipient(one, request)))
        for request in requests
    ]


async def _named(
    session: AsyncSession, id_: Any, name: Any, request: MailRequest, ids: Collection[str]
) -> dict[str, str]:
    """Names of the organization's own, by id; of others there are none."""
    if not ids:
        return {}
    rows = await session.exec(
        select(id_, name).where(
            col(id_).in_(ids), col(id_.class_.organization_id) == request.organization, col(name).is_not(None)
        )
    )
    return {key: str(value) for key, value in rows}


@lru_cache(maxsize=64)
def _query(roles: tuple[Role, ...]) -> Any:
    """Built once for each set of roles: building takes longer than running it."""
    chats = chat_webhooks.live_of(bindparam("organization"))
    return (
        select(Person, Organization.name, Organization.zone, Mail.message_id)
        .add_columns(col(PlanRow.plan), col(PlanRow.document)["name"].as_string())
        .add_columns(chats.exists(), *timeline.head_of(bindparam("operation")))
        .join(Organization, col(Organization.id) == col(Person.organization_id))
        .outerjoin(
            Mail,
            (col(Mail.recipient) == col(Person.id)) & (col(Mail.operation_id) == bindparam("operation")),
        )
        .outerjoin(PlanRow, col(PlanRow.plan).in_(bindparam("plans", expanding=True)))
        .where(
            col(Person.organization_id) == bindparam("organization"),
            or_(col(Person.id).in_(bindparam("people", expanding=True)), *map(may_have, roles)),
        )
        .order_by(col(Person.created_at), col(Person.id))
    )


def _by_name(request: MailRequest) -> tuple[str, ...]:
    return (*request.people, *([request.person] if request.person else []))


def _is_recipient(person: Person, request: MailRequest) -> bool:
    """Somebody who has left gets no mail any more, not even about their own requests."""
    if not person.active or person.id in request.excluding:
        return False
    return person.id in _by_name(request) or not set(request.roles).isdisjoint(person.roles)


async def begin(session: AsyncSession, request: MailRequest, mailing: Mailing, at: datetime) -> bool:
    """Note who is told, before they are. False where what they would be asked for is closed already."""
    people = [person.id for person in mailing.recipients]
    in_chats = mailing.has_chats and request.template in TOLD_IN_CHAT
    chats = await chat_webhooks.to_tell(session, [request]) if in_chats else []
    told_of: dict[str, Any] = {
        "operation": request.operation,
        "organization": request.organization,
        "template": request.template,
        "at": at,
        "last": not chats,
    }
    if request.about is None:
        await told.note(session, people, about=request.operation, **told_of)
    elif not await told.note_if_waiting(session, people, about=request.about, **told_of):
        return False
    for post in chats:
        await outbox.post(session, post, at=at)
    return True


async def note_sent(
    session: AsyncSession, request: MailRequest, mailing: Mailing, taken: Mapping[str, str], at: datetime
) -> None:
    """Remember which mails the mail server took, by their Message-IDs, and tell so on the timeline. The
    transaction fails where one of them was remembered already.

    The recipient is kept as a person id, without the address.
    """
    if not taken:
        return
    if mailing.head is not None:
        timeline.learn_head(session, request.operation, *mailing.head)
    for person in mailing.recipients:
        timeline.learn_person(session, person.id, person.name, person.roles)
    new = sorted(taken)
    for message_id in new:
        mail = Mail(
            message_id=message_id,
            operation_id=request.operation,
            template=request.template,
            recipient=taken[message_id],
            sent_at=at,
        )
        await store_later(session, mail)
        wrote(session, request.operation, mail)
    await timeline.append(
        session,
        request.operation,
        key=f"mailed:{request.key}:{digest(new)[:16]}",
        event=EventCode.MAIL_SENT,
        actor=SYSTEM,
        at=at,
        detail={"template": request.template, "to": [taken[one] for one in new]},
    )


async def known(session: AsyncSession, message_ids: Collection[str]) -> set[str]:
    """Which of these mails were remembered already."""
    found = await session.exec(select(Mail.message_id).where(col(Mail.message_id).in_(message_ids)))
    return set(found)


async def note_refused(
    session: AsyncSession, request: MailRequest, person_id: str, code: int | None, at: datetime
) -> None:
    """Tell on the timeline that somebody can't be reached by mail, once for each mail."""
    await timeline.append(
        session,
        request.operation,
        key=f"mail refused:{request.key}:{person_id}",
        event=EventCode.MAIL_REFUSED,
        actor=SYSTEM,
        at=at,
        detail={"person": person_id, "template": request.template, "smtp_code": code},
    )
