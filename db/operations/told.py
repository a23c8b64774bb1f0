"""Who was told of what waits for them, so that they can be told how it ended."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.statements import insert_into
from ..tables import ToldPerson


async def note(
    session: AsyncSession,
    people: Iterable[str],
    *,
    about: str,
    operation: str,
    organization: str,
    template: str,
    at: datetime,
) -> None:
    """These people are being told; of whoever was told before, the first time stays."""
    rows = [
        {
            "about": about,
            "person_id": person,
            "operation_id": operation,
            "organization_id": organization,
            "template": template,
            "told_at": at,
        }
        for person in people
    ]
    if rows:
        await session.exec(insert_into(session, ToldPerson).values(rows).on_conflict_do_nothing())


async def of(session: AsyncSession, about: Collection[str]) -> set[str]:
    """The people who were told of any of these."""
    found = await session.exec(select(ToldPerson.person_id).where(col(ToldPerson.about).in_(about)))
    return set(found)


async def of_operation(session: AsyncSession, operation: str) -> dict[str, set[str]]:
    """The people who were told of anything of the operation, by what that was."""
    found = await session.exec(
        select(ToldPerson.about, ToldPerson.person_id).where(ToldPerson.operation_id == operation)
    )
    people: dict[str, set[str]] = {}
    for about, person in found:
        people.setdefault(about, set()).add(person)
    return people
