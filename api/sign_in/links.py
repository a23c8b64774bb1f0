"""Sign-in links by mail: who gets one, and not too often."""

from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mail.messages import MailContext, MailRequest
from billing.policy.sign_in import SignInPolicy
from db.operations import outbox
from db.people import people
from db.sign_in import links
from db.tables import Person, PersonLink

ASKS_WITHIN = timedelta(hours=1)


async def mail_links(
    session: AsyncSession, policy: SignInPolicy, *, email: str, address: str, next: str | None, at: datetime
) -> None:
    """Mails a link for each organization that somebody with this address is in;
    none for who has enough unused ones in their mailbox, nor for a network that asked for too many.
    """
    for person in await links.people_at(session, email):
        await people.lock_organization(session, person.organization_id)
        asked = await links.asked_from(session, address, at - ASKS_WITHIN)
        if asked >= policy.links_per_hour or await links.open_of(session, person.id, at) >= policy.links_open:
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
