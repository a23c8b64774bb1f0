"""People whom a provider of single sign-on vouches for."""

from sqlalchemy import and_, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..tables import Person


async def people_of(session: AsyncSession, subject: str, email: str | None) -> list[Person]:
    """The active people with a role whom the provider calls `subject`, at most one an organization.

    Whose row names no subject is found by the address that the provider has verified; whose row names one,
    by that alone, so that an address which has passed to somebody else lets nobody in.
    """
    mine = col(Person.subject) == subject
    if email is not None:
        mine = or_(mine, and_(col(Person.subject).is_(None), col(Person.email) == email))
    found = await session.exec(
        select(Person)
        .where(mine, col(Person.active))
        .order_by(col(Person.organization_id), col(Person.subject).is_(None), col(Person.id))
    )
    people: dict[str, Person] = {}
    for person in found:
        if person.roles:
            people.setdefault(person.organization_id, person)
    return list(people.values())
