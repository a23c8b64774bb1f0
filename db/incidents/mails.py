"""Mails about incidents, which belong to no operation: the outbox knows who was told of what, and when."""

from datetime import datetime
from typing import NamedTuple

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mail.messages import MailRequest

from ..operations import outbox
from ..tables import Outbox


class MailedRole(NamedTuple):
    """Everybody with the role was written to."""

    role: str
    template: str
    at: datetime


def mail_key(incident_id: str, what: str) -> str:
    """Of the mail that tells an organization this of the incident."""
    return f"{incident_id}:{what}"


async def told(session: AsyncSession, incident_id: str, organization_id: str) -> list[MailedRole]:
    """Who of an organization was told of the incident, in order."""
    of_it = MailRequest(
        organization=organization_id, operation="", key=mail_key(incident_id, ""), template=""
    )
    found = await session.exec(
        select(Outbox)
        .where(Outbox.action == outbox.MAIL, col(Outbox.workflow_id).startswith(of_it.id, autoescape=True))
        .order_by(col(Outbox.created_at), col(Outbox.id))
    )
    return [
        MailedRole(role=role, template=row.payload["template"], at=row.created_at)
        for row in found
        for role in row.payload["roles"]
    ]
