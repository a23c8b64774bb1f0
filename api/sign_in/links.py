"""Sign-in links by mail: who gets one, and not too often."""

import math
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mail.messages import MailContext, MailRequest
from billing.policy.sign_in import SignInPolicy
from db.core import paces
from db.operations import outbox
from db.people import people
from db.sign_in import links
from db.tables import Person, PersonLink

from ..http.context import Context

HOUR = 3600.0
ASKS_FOR_ONE = 10
"""Links that one network asks for in an hour to one mail address, whether anybody has that or not."""


async def too_soon(context: Context, *, email: str, address: str) -> int:
    """How many seconds a network has to wait before it may ask for a link; 0: it may, and has.

    Counted alike for addresses that somebody has and that nobody has: it tells nobody which.
    """
    whom = context.hashes.hash(email)[-32:]
    for name, most in (
        (f"sign-in {address} {whom}", ASKS_FOR_ONE),
        (f"sign-in {address}", context.policy.sign_in.links_per_hour),
    ):
        async with context.database.statement() as session:
            if wait := await paces.take(session, name, cost=HOUR / most, burst=HOUR):
                return math.ceil(wait)
    return 0


async def mail_links(
    session: AsyncSession, policy: SignInPolicy, *, email: str, address: str, next: str | None, at: datetime
) -> None:
    """Mails a link for each organization that somebody with this address is in; none for who has enough
    unused ones in their mailbox."""
    for person in await links.people_at(session, email):
        await people.lock_organization(session, person.organization_id)
        if await links.open_of(session, person.id, at) >= policy.links_open:
            continue
        link = await links.issue(
            session,
            person,
            how="mail",
            by=person.id,
            at=at,
            expires_at=at + timedelta(minutes=policy.link_minutes),
            address=address,
            next=next,
        )
        await _mail(session, person, link, at)


async def _mail(session: AsyncSession, person: Person, link: PersonLink, at: datetime) -> None:
    request = MailRequest(
        organization=person.organization_id,
        operation="",
        key=link.id,
        template="sign_in",
        person=person.id,
        context=MailContext(sign_in=link.id, until=link.expires_at),
    )
    await outbox.mail(session, request, at=at)
