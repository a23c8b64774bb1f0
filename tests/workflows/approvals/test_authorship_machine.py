"""Every role with every action: nothing is done whose approver shaped it, nobody spends another's authority.

And the other way round: with the rule left out at any one place, the same scenarios find it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from sqlalchemy import or_
from sqlmodel import col
from temporalio import activity

from activities.money.commitments import Commitments
from api.operations import actions
from billing.approvals.authorship import Author
from billing.approvals.deciders import Deciders
from billing.money.messages import Commit, CommitmentResult
from db.approvals import deciders, delegations
from db.core.session import Database
from db.operations import operations
from db.tables import Delegation
from sandbox.stripe.server.inprocess import StandIn

from ...support.drawn import always, drawn, patience
from ...support.house import House, house, time_skipping
from .authorship_machine import Scene
from .authorship_steps import (
    AGAIN,
    ALWAYS,
    DELEGATED,
    LENT,
    MISMATCHED,
    NAMED,
    ON_ANOTHERS,
    TAKEN_OVER,
    UNDELEGATED,
    Scenario,
    scenarios,
)

FEW = 8
"""Scenarios that are drawn beside those that are always played."""

pytestmark = [pytest.mark.slow, patience(FEW)]

FOUND = r"decide on|the authority of|is barred by nobody|has tried again"
"""What the ledger says of a rule that is not kept."""


@asynccontextmanager
async def running(database: Database, stand_in: StandIn) -> AsyncIterator[House]:
    async with time_skipping() as environment, house(environment, database, stand_in) as home:
        yield home


@pytest.fixture
async def home(database: Database, stand_in: StandIn) -> AsyncIterator[House]:
    async with running(database, stand_in) as built:
        yield built


async def play(home: House, scenario: Scenario) -> None:
    """As an organization of its own."""
    scene = await Scene.begin(home)
    try:
        for step in scenario:
            await scene.play(step)
        await scene.check()
    except BaseException as failure:
        failure.add_note(scene.told(scenario))
        raise
    finally:
        await scene.operations.end()


@drawn(FEW)
@always(*ALWAYS)
@given(scenario=scenarios)
async def test_whoever_does_what_nobody_decides_on_what_they_shaped_nor_spends_anothers_authority(
    home: House, scenario: Scenario
) -> None:
    await play(home, scenario)


# --- The rule left out ------------------------------------------------------------------------------------


def without_revision(patch: pytest.MonkeyPatch) -> None:
    note = operations.add_author

    async def forget(session: Any, operation_id: str, author: Author) -> None:
        if author.how != "revised":
            await note(session, operation_id, author)

    patch.setattr(operations, "add_author", forget)


def on_the_requesters_authority(patch: pytest.MonkeyPatch) -> None:
    weigh = Commitments.commit_money

    @activity.defn(name="commit_money")
    async def as_requester(self, order: Commit) -> CommitmentResult:  # type: ignore[no-untyped-def]
        async with self._database.reading() as session:
            operation = await operations.get_any(session, order.operation)
        assert operation is not None
        return await weigh(self, order.model_copy(update={"person": operation.requested_by}))

    patch.setattr(Commitments, "commit_money", as_requester)


def without_delegates(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Deciders, "_delegates", frozenset[str]())


def without_former_delegates(patch: pytest.MonkeyPatch) -> None:
    pool = deciders.approver_pool

    async def only_now(*args: Any, **more: Any) -> Any:
        found = await pool(*args, **more)
        return type(found)(found.roles, found.delegations)

    patch.setattr(deciders, "approver_pool", only_now)


def without_consent(patch: pytest.MonkeyPatch) -> None:
    begun = delegations.has_begun

    def offered_too(at: Any) -> Any:
        return or_(begun(at), col(Delegation.accepted_at).is_(None))

    patch.setattr(delegations, "has_begun", offered_too)


def without_resolution(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(actions, "refusal_to_accept", lambda *_: None)


def without_retry(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Deciders, "refusal_to_retry", lambda *_: None)


@pytest.mark.parametrize(
    ("leave_out", "scenario"),
    [
        (without_revision, TAKEN_OVER),
        (on_the_requesters_authority, ON_ANOTHERS),
        (without_delegates, DELEGATED),
        (without_former_delegates, UNDELEGATED),
        (without_consent, NAMED),
        (without_resolution, MISMATCHED),
        (without_retry, AGAIN),
        (without_retry, LENT),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
async def test_the_scenarios_find_the_place_where_the_rule_is_left_out(
    database: Database,
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    leave_out: Callable[[pytest.MonkeyPatch], None],
    scenario: Scenario,
) -> None:
    leave_out(monkeypatch)
    async with running(database, stand_in) as home:
        with pytest.raises(AssertionError, match=FOUND):
            await play(home, scenario)
