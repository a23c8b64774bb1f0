"""Who was told of what waits for them, so that they can be told how it ended."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import cast

from sqlalchemy import Table, inspect, literal
from sqlalchemy import select as select_columns
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.pending import reads
from ..core.postgres.late_begin import LAST
from ..core.statements import insert_into
from ..tables import Approval, Notice, Person, ToldPerson

_TABLE = cast(Table, inspect(ToldPerson).local_table)

_WAITING = ("open", "escalated")
"""The states of an approval or a notice that still asks for something."""


async def note(
    session: AsyncSession,
    people: Iterable[str],
    *,
    about: str,
    operation: str,
    organization: str,
    template: str,
    at: datetime,
    last: bool = False,
) -> None:
    """These people are being told; of whoever was told before, the first time stays. With `last` it is the
    last thing that the transaction writes."""
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
        await session.exec(
            insert_into(session, ToldPerson).values(rows).on_conflict_do_nothing(),
            execution_options=LAST if last else {},
        )


async def note_if_waiting(
    session: AsyncSession,
    people: Collection[str],
    *,
    about: str,
    operation: str,
    organization: str,
    template: str,
    at: datetime,
    last: bool = False,
) -> bool:
    """As `note`, while the approval or notice that they are told of waits; False where it doesn't any more,
    or for nobody.

    It is locked for the statement: whoever closes it later finds them, and tells them how it ended.
    """
    asked: type[Notice] | type[Approval] = Notice if about.startswith("ntc_") else Approval
    values = {
        "about": literal(about),
        "person_id": col(Person.id),
        "operation_id": literal(operation),
        "organization_id": literal(organization),
        "template": literal(template),
        "told_at": literal(at, _TABLE.c.told_at.type),
    }
    waiting = (
        select_columns(*values.values())
        .select_from(asked)
        .join(Person, col(Person.id).in_(people))
        .where(col(asked.id) == about, col(asked.state).in_(_WAITING))
        .with_for_update(of=asked, key_share=True)
    )
    told = await session.exec(
        insert_into(session, ToldPerson)
        .from_select(list(values), waiting)
        # Whoever was told before is among those who are found.
        .on_conflict_do_update(index_elements=["about", "person_id"], set_={"about": about})
        .returning(col(ToldPerson.person_id)),
        execution_options=LAST if last else {},
    )
    return told.first() is not None


async def of(session: AsyncSession, about: Collection[str]) -> set[str]:
    """The people who were told of any of these."""
    wanted = select(ToldPerson.person_id).where(col(ToldPerson.about).in_(about))
    found = await session.exec(wanted, execution_options=reads(ToldPerson))
    return set(found)


async def of_operation(session: AsyncSession, operation: str) -> dict[str, set[str]]:
    """The people who were told of anything of the operation, by what that was."""
    found = await session.exec(
        select(ToldPerson.about, ToldPerson.person_id).where(ToldPerson.operation_id == operation),
        execution_options=reads(ToldPerson),
    )
    people: dict[str, set[str]] = {}
    for about, person in found:
        people.setdefault(about, set()).add(person)
    return people
