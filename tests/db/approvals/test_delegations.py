"""Delegations: from a time until before another, once accepted, unless revoked."""

from datetime import timedelta
from typing import Any

import pytest

from db.approvals import delegations
from db.core.session import Database
from db.tables import Delegation

from ...support.builders import NOW, store, tenant
from ...support.money_rows import a_delegation

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


async def active(database: Database, organization: str, after: timedelta) -> list[str]:
    async with database.reading() as session:
        page = await delegations.paged(organization, at=NOW + after).page(session)
        return [row.id for row in reversed(page.rows)]


async def revoke(database: Database, delegation: str, by: str, after: timedelta) -> Delegation:
    async with database.transaction() as session:
        return await delegations.revoke(session, delegation, by=by, at=NOW + after)


@pytest.mark.parametrize(
    ("after", "holds"),
    [
        (-timedelta(microseconds=1), False),
        (0 * DAY, True),
        (DAY - timedelta(microseconds=1), True),
        (DAY, False),
    ],
    ids=["before it", "from its beginning", "until just before its end", "not at its end"],
)
async def test_a_delegation_holds_from_its_beginning_until_before_its_end(
    database: Database, after: timedelta, holds: bool
) -> None:
    acme = await tenant(database)
    delegation = a_delegation(acme.controller.person, acme.legal.person, ends_at=NOW + DAY)
    await store(database, delegation)

    assert await active(database, acme.id, after) == ([delegation.id] if holds else [])


async def test_the_active_ones_are_the_organizations_the_first_given_first(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    late = a_delegation(acme.controller.person, acme.legal.person, role="controller")
    early = a_delegation(acme.legal.person, acme.controller.person, starts_at=NOW - DAY, approval_id="apr_1")
    await store(database, late, early, a_delegation(other.controller.person, other.legal.person))

    assert await active(database, acme.id, HOUR) == [late.id, early.id]


async def test_revoking_ends_it_at_once_and_the_first_to_do_so_stays(database: Database) -> None:
    acme = await tenant(database)
    delegation = a_delegation(acme.controller.person, acme.legal.person)
    await store(database, delegation)

    await revoke(database, delegation.id, acme.controller.id, HOUR)
    again = await revoke(database, delegation.id, acme.legal.id, DAY)

    assert (again.revoked_by, again.revoked_at) == (acme.controller.id, NOW + HOUR)
    assert await active(database, acme.id, 2 * HOUR) == []


async def test_revoking_an_unknown_delegation_is_an_error(database: Database) -> None:
    with pytest.raises(LookupError, match="dlg_unknown"):
        await revoke(database, "dlg_unknown", "per_1", HOUR)


async def test_adding_a_delegation_again_answers_the_first(database: Database) -> None:
    acme = await tenant(database)
    delegation = a_delegation(acme.controller.person, acme.legal.person)
    async with database.transaction() as session:
        await delegations.add(session, delegation)
    again = a_delegation(acme.controller.person, acme.legal.person, id=delegation.id, reason="other")

    async with database.transaction() as session:
        kept = await delegations.add(session, again)

    assert kept.reason == delegation.reason


async def test_lists_and_single_delegations_stay_within_the_organization(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    mine = [a_delegation(acme.controller.person, acme.legal.person, id=f"dlg_{n}") for n in range(3)]
    theirs = a_delegation(other.controller.person, other.legal.person)
    await store(database, *mine, theirs)
    await revoke(database, mine[0].id, acme.controller.id, HOUR)

    async with database.reading() as session:
        first = await delegations.paged(acme.id).page(session, limit=2)
        rest = await delegations.paged(acme.id).page(session, limit=2, cursor=first.next_cursor)
        assert await delegations.get(session, acme.id, theirs.id) is None
        assert await delegations.get(session, other.id, theirs.id) is not None

    assert [row.id for row in first.rows] == ["dlg_2", "dlg_1"]
    assert ([row.id for row in rest.rows], rest.next_cursor) == (["dlg_0"], None)


# --- It takes both -----------------------------------------------------------------------------------------


async def answer(database: Database, delegation: str, *, accepts: bool, after: timedelta) -> Delegation:
    async with database.transaction() as session:
        return await delegations.answer(session, delegation, accepts=accepts, at=NOW + after)


async def test_nobody_is_a_delegate_before_they_agree(database: Database) -> None:
    acme = await tenant(database)
    delegation = a_delegation(acme.controller.person, acme.legal.person, accepted_at=None)
    await store(database, delegation)
    assert await active(database, acme.id, DAY) == []

    await answer(database, delegation.id, accepts=True, after=DAY)

    assert await active(database, acme.id, DAY) == [delegation.id]


@pytest.mark.parametrize("first", [True, False], ids=["accepted", "declined"])
async def test_the_first_answer_stays(database: Database, first: bool) -> None:
    acme = await tenant(database)
    delegation = a_delegation(acme.controller.person, acme.legal.person, accepted_at=None)
    await store(database, delegation)

    await answer(database, delegation.id, accepts=first, after=HOUR)
    kept = await answer(database, delegation.id, accepts=not first, after=2 * HOUR)

    assert (kept.accepted_at is not None, kept.declined_at is not None) == (first, not first)


@pytest.mark.parametrize(
    "fields",
    [{"revoked_at": NOW, "revoked_by": "per_1"}, {"ends_at": NOW + HOUR}],
    ids=["revoked", "over"],
)
async def test_what_is_revoked_or_over_is_not_agreed_to_any_more(
    database: Database, fields: dict[str, Any]
) -> None:
    acme = await tenant(database)
    delegation = a_delegation(acme.controller.person, acme.legal.person, accepted_at=None, **fields)
    await store(database, delegation)

    assert (await answer(database, delegation.id, accepts=True, after=HOUR)).accepted_at is None


async def test_one_that_was_declined_can_be_asked_for_again(database: Database) -> None:
    acme = await tenant(database)
    delegation = a_delegation(acme.controller.person, acme.legal.person, accepted_at=None)
    again = a_delegation(acme.controller.person, acme.legal.person, accepted_at=None)
    await store(database, delegation)
    async with database.reading() as session:
        found = await delegations.same(session, again)
    assert found is not None

    await answer(database, delegation.id, accepts=False, after=HOUR)

    async with database.reading() as session:
        assert await delegations.same(session, again) is None


async def test_those_that_have_begun_are_known_for_a_year_after_their_end_and_never_if_they_held_for_nobody(
    database: Database,
) -> None:
    acme = await tenant(database)
    give, take = acme.controller.person, acme.legal.person
    held = a_delegation(give, take, ends_at=NOW + DAY, revoked_at=NOW + HOUR)
    offered = a_delegation(give, take, accepted_at=None)
    later = a_delegation(give, take, starts_at=NOW + 9 * DAY, revoked_at=NOW + DAY)
    await store(database, held, offered, later)

    async def begun(after: timedelta) -> list[str]:
        async with database.reading() as session:
            return [row.id for row in await delegations.begun(session, acme.id, NOW + after)]

    assert await begun(0 * DAY) == await begun(300 * DAY) == [held.id]
    assert await begun(367 * DAY) == []
