"""What watches: it opens one incident of what is degraded, however many workers see it."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.incidents.mails import ControllersKnown
from activities.incidents.probes import Probes
from billing.incidents.states import Component
from db.core.session import Database
from db.incidents import incidents
from db.incidents.health_meter import HealthMeter
from db.stripe import budget
from db.tables import HealthCount, Incident, Outbox
from worker.watch.watch import Watch
from workflows.core import ids

from ...api.processes import NO_TEMPORAL
from ...support.builders import NOW, store, tenant
from ...support.incidents import POLICY, Answers, a_watch, counted, incidents_of


class Clock:
    """The test's time."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def no_temporal() -> Client:
    return await Client.connect(NO_TEMPORAL, lazy=True, data_converter=pydantic_data_converter)


@pytest.fixture
async def watch(database: Database, no_temporal: Client, answers: Answers, clock: Clock) -> Watch:
    return a_watch(database, no_temporal, answers.probes(), clock=clock)


async def looks(clock: Clock, number: int, *watches: Watch) -> None:
    for _ in range(number):
        await asyncio.gather(*(watch.look() for watch in watches))
        clock.at += timedelta(seconds=10)


async def test_of_several_workers_one_opens_the_incident_with_its_start_and_the_gate(
    database: Database, no_temporal: Client, answers: Answers, clock: Clock
) -> None:
    watches = [a_watch(database, no_temporal, answers.probes(), clock=clock) for _ in range(3)]
    answers.wrong[Component.STRIPE] = "stripe_unreachable"
    await looks(clock, 4, *watches)
    [incident] = await incidents_of(database, "stripe")
    assert (incident.cause, incident.recovered_at) == ("stripe_unreachable", None)
    assert (incident.first_fault_at, incident.opened_at) == (NOW, NOW + timedelta(seconds=20))
    [start] = await _starts(database)
    assert start.workflow_id == f"incident-{incident.id}"
    async with database.reading() as session:
        assert await budget.is_closed(session)
        assert await incidents.is_open(session, "stripe")


async def _starts(database: Database) -> list[Outbox]:
    async with database.reading() as session:
        return list(await session.exec(select(Outbox).where(Outbox.name == ids.INCIDENT)))


async def test_faults_that_other_processes_have_counted_open_it_too(
    database: Database, watch: Watch, clock: Clock
) -> None:
    await looks(clock, 1, watch)
    await counted(database, clock.at, ok=3, faults=6)
    await looks(clock, 1, watch)
    [incident] = await incidents_of(database, "stripe")
    assert incident.cause == "rate_limit"


async def test_stripe_is_asked_once_a_call_to_it_has_failed_and_until_it_answers(
    database: Database, no_temporal: Client, clock: Clock
) -> None:
    asked: list[str | None] = []
    answers: list[str | None] = [*["timeout"] * 2, None, None]

    async def stripe() -> str | None:
        asked.append(answers[len(asked)])
        return asked[-1]

    async def well() -> str | None:
        return None

    probes = dict.fromkeys(Component, well) | {Component.STRIPE: stripe}
    watch = a_watch(database, no_temporal, Probes(probes, trusted=frozenset({Component.STRIPE})), clock=clock)
    await counted(database, clock.at, ok=3)
    await looks(clock, 6, watch)
    assert asked == []
    await counted(database, clock.at, faults=1)
    await looks(clock, 2, watch)
    assert asked == ["timeout", "timeout"]
    clock.at += timedelta(minutes=5)  # no process has counted anything since
    await looks(clock, 3, watch)
    assert asked == ["timeout", "timeout", None]
    assert await incidents_of(database, "stripe") == []


async def test_while_one_is_open_or_only_recovered_no_other_is_opened(
    database: Database, watch: Watch, answers: Answers, clock: Clock
) -> None:
    earlier = Incident(id="inc_1", component="mail", opened_at=NOW, recovered_at=NOW)
    await store(database, earlier)
    answers.wrong[Component.MAIL] = "mail_server_unreachable"
    await looks(clock, 5, watch)
    assert [row.id for row in await incidents_of(database, "mail")] == ["inc_1"]
    async with database.reading() as session:
        assert not await incidents.is_open(session, "mail"), "it is its workflow's to say so"


async def test_what_was_cleared_meanwhile_has_to_be_found_anew(
    database: Database, watch: Watch, answers: Answers, clock: Clock
) -> None:
    answers.wrong[Component.MAIL] = "mail_server_unreachable"
    await looks(clock, 3, watch)
    [first] = await incidents_of(database, "mail")
    async with database.transaction() as session:
        row = await session.get_one(Incident, first.id)
        row.recovered_at = row.cleared_at = clock.at
    await looks(clock, 3, watch)
    assert len(await incidents_of(database, "mail")) == 1
    await looks(clock, 1, watch)
    assert len(await incidents_of(database, "mail")) == 2


async def test_a_portal_that_was_never_reached_from_here_is_not_called_down(
    database: Database, watch: Watch, answers: Answers, clock: Clock
) -> None:
    answers.wrong[Component.PORTAL] = "unreachable"
    await looks(clock, 4, watch)
    assert await incidents_of(database, "portal") == []
    del answers.wrong[Component.PORTAL]
    await looks(clock, 1, watch)
    answers.wrong[Component.PORTAL] = "unreachable"
    await looks(clock, 3, watch)
    assert len(await incidents_of(database, "portal")) == 1


# --- What only follows from another's being away ----------------------------------------------------------


async def at_the_portal(database: Database, clock: Clock, code: str) -> None:
    """As many customers as would open an incident were told to come back, just now."""
    await counted(database, clock.at, faults=POLICY.faults + 1, component="portal", code=code)


async def opened(database: Database) -> list[str]:
    async with database.reading() as session:
        return sorted([row.component for row in await incidents.open_ones(session)])


async def test_faults_at_the_portal_that_follow_from_stripes_open_none_until_stripe_works_again(
    database: Database, watch: Watch, answers: Answers, clock: Clock
) -> None:
    """Those too that came before Stripe's incident was open."""
    answers.wrong[Component.STRIPE] = "timeout"
    await looks(clock, 1, watch)
    await at_the_portal(database, clock, "stripe_unavailable")
    await looks(clock, 1, watch)
    assert await opened(database) == []
    await looks(clock, 1, watch)
    assert await opened(database) == ["stripe"]
    await at_the_portal(database, clock, "stripe_unavailable")
    await looks(clock, 1, watch)
    assert await opened(database) == ["stripe"]

    del answers.wrong[Component.STRIPE]
    [stripes] = await incidents_of(database, "stripe")
    async with database.transaction() as session:
        (await session.get_one(Incident, stripes.id)).recovered_at = clock.at
    # What it was is not counted afterwards.
    await looks(clock, 8, watch)
    assert len(await incidents_of(database, "portal")) == 0
    await at_the_portal(database, clock, "stripe_unavailable")
    await looks(clock, 1, watch)
    [portals] = await incidents_of(database, "portal")
    assert portals.cause == "stripe_unavailable"


async def test_an_incident_of_stripes_that_another_worker_has_found_counts_too(
    database: Database, watch: Watch, clock: Clock
) -> None:
    await store(database, Incident(id="inc_1", component="stripe", opened_at=NOW))
    await at_the_portal(database, clock, "stripe_unavailable")
    await looks(clock, 1, watch)
    assert await opened(database) == ["stripe"]


async def test_what_else_fails_at_the_portal_meanwhile_opens_its_incident(
    database: Database, watch: Watch, answers: Answers, clock: Clock
) -> None:
    answers.wrong[Component.STRIPE] = "timeout"
    await looks(clock, 3, watch)
    await at_the_portal(database, clock, "internal_error")
    await looks(clock, 1, watch)
    assert await opened(database) == ["portal", "stripe"]


async def test_a_database_that_was_away_leaves_no_incident_of_stripes_or_the_portals_behind(
    database: Database, watch: Watch, answers: Answers, clock: Clock
) -> None:
    """Without it Stripe can't be asked; and when it is back, it is told of all who were sent away."""

    async def looked(number: int) -> None:
        for _ in range(number):
            with suppress(RuntimeError):  # the database's begins at Temporal, which is away here
                await watch.look()
            clock.at += timedelta(seconds=10)

    answers.wrong = {Component.DATABASE: "unreachable", Component.STRIPE: "budget_used_up"}
    await looked(4)
    await at_the_portal(database, clock, "records_away")
    answers.wrong = {}
    await looked(8)
    assert await opened(database) == []
    await at_the_portal(database, clock, "records_away")
    await looks(clock, 1, watch)
    assert await opened(database) == ["portal"], "it is away for the API alone"


async def test_it_remembers_the_controllers_and_forgets_old_counts(
    database: Database, no_temporal: Client, answers: Answers, clock: Clock
) -> None:
    acme = await tenant(database)
    await counted(database, clock.at - timedelta(days=3), faults=1)
    known = ControllersKnown()
    await a_watch(database, no_temporal, answers.probes(), clock=clock, known=known).learn()
    told = [acme.controller.id, acme.finance.id]
    assert sorted(one.id for one in known.mailings[acme.id].recipients) == sorted(told)
    async with database.reading() as session:
        assert (await session.exec(select(HealthCount))).all() == []


async def test_its_loop_outlives_a_database_and_a_temporal_that_are_away(no_temporal: Client) -> None:
    """The database's incident begins at Temporal, which is away too: it goes on trying, and counting."""
    away = Database("postgresql://nobody@127.0.0.1:9/none")
    looked: asyncio.Queue[Component] = asyncio.Queue()

    async def unreachable() -> str | None:
        looked.put_nowait(Component.DATABASE)
        return "unreachable"

    meter = HealthMeter()
    meter.ok(Component.MAIL)
    probes = Probes(dict.fromkeys(Component, unreachable))
    hasty = POLICY.model_copy(update={"probe_every_seconds": 1, "probe_failures": 1})
    watch = a_watch(away, no_temporal, probes, clock=lambda: datetime.now(UTC), meter=meter, policy=hasty)
    running = asyncio.create_task(watch.run())
    for _ in range(2 * len(Component)):
        await asyncio.wait_for(looked.get(), 10)
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await away.dispose()
