"""Thousands of operations that one incident holds: whether all of them go on, in which histories of it.

Refunds, asked for while the stand-in answers 502. It recovers, the product's own incident releases them, and
a person clears it at once: who is still held then goes on all the same.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx
from sqlmodel import col, func, select

from billing.core.operations import Kind, Role, State
from billing.incidents.states import Component
from db.core.clock import utc_now
from db.incidents import holds, incidents
from db.stripe import budget
from db.stripe import events as stripe_events
from db.tables import Hold, Operation
from workflows.core import ids

from .options import Options
from .reports import Report, Target, figure
from .stage.organizations import Organization, payment_of, provision
from .stage.stage import Stage, on_stage

ORGANIZATIONS = 20
OF_A_PAYMENT = 10
"""Refunds of one payment, a dollar each: within the requester's authority over all of them."""
ASKED_AT_ONCE = 20
GATE_WITHIN = 600.0
"""Seconds until the incident has closed the gate, or opened it again."""
STANDSTILL = 600.0
"""Seconds in which nothing more is held, or goes on: then nothing will."""
LOOK_EVERY = 0.5


@dataclass(frozen=True)
class Resumed:
    """Seconds until all were held; from the open gate until all had gone on, and until all had ended."""

    held: int
    until_held: float
    until_resumed: float
    until_ended: float
    ended: dict[str, int]
    """Refunds by their state."""
    histories: int
    """Of the incident's workflow."""
    longest: int
    """Events of the longest of them."""


class StandsStill(Exception):
    """Some are left that no longer go on."""


def run(options: Options) -> Report:
    async def work(stage: Stage) -> Report:
        return _report(stage, await _measure(stage, options.held))

    return on_stage(work, options)


async def _measure(stage: Stage, wanted: int) -> Resumed:
    await stage.control("webhooks", {"mode": "drop"})
    organizations = await provision(stage, ORGANIZATIONS)
    payments = await _payments(stage, organizations, -(-wanted // OF_A_PAYMENT))
    later = utc_now() + timedelta(days=1)
    async with stage.records.transaction() as session:  # or the worker would ask Stripe for what is dropped
        await stripe_events.checked(session, complete_until=later, at=later, missed=0)
    async with stage.product(), stage.client() as http:
        await stage.control("faults", {"fault": "bad_gateway", "times": None})
        await _until(lambda: _gate(stage, closed=True))
        began = time.perf_counter()
        await _ask(http, payments, wanted)
        await _moving(lambda: _held(stage), wanted)
        until_held = time.perf_counter() - began
        (await stage.stand_in.delete("/_sandbox/faults")).raise_for_status()
        await _until(lambda: _gate(stage, closed=False))
        began = time.perf_counter()
        incident = await _clear(stage, http, organizations[0])
        await _moving(lambda: _gone_on(stage), wanted)
        until_resumed = time.perf_counter() - began
        await _moving(lambda: _ended(stage), wanted)
        until_ended = time.perf_counter() - began
        histories, longest = await _histories(stage, incident)
        return Resumed(
            wanted, until_held, until_resumed, until_ended, await _states(stage), histories, longest
        )


# --- Until everything is held -------------------------------------------------------------------------


async def _payments(
    stage: Stage, organizations: list[Organization], number: int
) -> list[tuple[Organization, str]]:
    room = asyncio.Semaphore(ASKED_AT_ONCE)

    async def one(organization: Organization) -> tuple[Organization, str]:
        async with room:
            return organization, await payment_of(stage, organization)

    return await asyncio.gather(*(one(organizations[index % ORGANIZATIONS]) for index in range(number)))


async def _ask(http: httpx.AsyncClient, payments: list[tuple[Organization, str]], wanted: int) -> None:
    numbers = iter(range(wanted))

    async def one_after_another() -> None:
        for number in numbers:
            organization, payment = payments[number // OF_A_PAYMENT]
            answer = await http.post(
                "/v1/refunds",
                json={
                    "payment_intent": payment,
                    "amount_minor": 100,
                    "currency": "usd",
                    "reason": "duplicate",
                    "note": "Charged twice.",
                },
                headers=organization.headers(Role.BILLING_ADMIN) | {"Idempotency-Key": f"held-{number}"},
            )
            answer.raise_for_status()

    async with asyncio.TaskGroup() as hands:
        for _ in range(ASKED_AT_ONCE):
            hands.create_task(one_after_another())


async def _clear(stage: Stage, http: httpx.AsyncClient, organization: Organization) -> str:
    """A person writes what was done; gives the incident's id."""
    async with stage.records.reading() as session:
        [incident] = [
            one.id for one in await incidents.open_ones(session) if one.component == Component.STRIPE
        ]
    answer = await http.post(
        f"/v1/incidents/{incident}/resolve",
        json={"note": "Stripe's status page says that it is over."},
        headers=organization.headers(Role.CONTROLLER),
    )
    answer.raise_for_status()
    return incident


# --- What there is ------------------------------------------------------------------------------------


async def _gate(stage: Stage, *, closed: bool) -> bool:
    async with stage.records.reading() as session:
        return await budget.is_closed(session) == closed


async def _held(stage: Stage) -> int:
    async with stage.records.reading() as session:
        return await holds.count(session, Component.STRIPE)


async def _gone_on(stage: Stage) -> int:
    """Operations that were held and no longer are."""
    async with stage.records.reading() as session:
        of_operations = select(func.count(col(Hold.operation_id).distinct()))
        ever = (await session.exec(of_operations)).one()
        still = (await session.exec(of_operations.where(col(Hold.resumed_at).is_(None)))).one()
    return ever - still


async def _ended(stage: Stage) -> int:
    return sum(number for state, number in (await _states(stage)).items() if State(state).final)


async def _states(stage: Stage) -> dict[str, int]:
    async with stage.records.reading() as session:
        query = select(Operation.state, func.count()).where(Operation.kind == Kind.REFUND)
        return dict((await session.exec(query.group_by(Operation.state))).all())


async def _histories(stage: Stage, incident: str) -> tuple[int, int]:
    workflow = ids.incident_workflow(incident, Component.STRIPE)
    lengths = []
    async for execution in stage.temporal.list_workflows(f"WorkflowId = '{workflow}'"):
        handle = stage.temporal.get_workflow_handle(workflow, run_id=execution.run_id)
        lengths.append((await handle.describe()).history_length)
    return len(lengths), max(lengths)


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Raises TimeoutError when it does not come true."""
    async with asyncio.timeout(GATE_WITHIN):
        while not await condition():  # noqa: ASYNC110 - other processes make it true
            await asyncio.sleep(LOOK_EVERY)


async def _moving(counted: Callable[[], Awaitable[int]], wanted: int) -> None:
    """Until so many are counted. Raises StandsStill when it is no more for long."""
    most, since = -1, time.monotonic()
    while (found := await counted()) < wanted:
        if found > most:
            most, since = found, time.monotonic()
        elif time.monotonic() - since > STANDSTILL:
            raise StandsStill(f"{found:,} of {wanted:,} for {STANDSTILL:g} s")
        await asyncio.sleep(LOOK_EVERY)


def _report(stage: Stage, found: Resumed) -> Report:
    completed = found.ended.get(State.COMPLETED, 0)
    return Report(
        name="held",
        title=f"{found.held:,} refunds that an incident held (records on {stage.database})",
        columns=("", "measured"),
        rows=[
            ("until all were asked for and held", f"{found.until_held:.0f} s"),
            ("from the open gate until all had gone on", f"{found.until_resumed:.0f} s"),
            ("until all had ended", f"{found.until_ended:.0f} s"),
            ("ended, a second", figure(found.held / found.until_ended)),
            ("histories of the incident", str(found.histories)),
        ],
        targets=[
            Target(what="completed, of those held", measured=completed, sense="≥", wanted=found.held),
            Target(
                what="events of the incident's longest history",
                measured=found.longest,
                sense="≤",
                wanted=5_000,
            ),
        ],
        notes=[
            f"{OF_A_PAYMENT} of a dollar each of one payment, of {ORGANIZATIONS} organizations. The incident "
            "is cleared as soon as Stripe works again, while nearly all are still held.",
            "Stripe takes 2,000 requests a second; the product lets 16 go on at a time, each second.",
        ],
        facts={"ended": found.ended, "histories": found.histories, "longest_history": found.longest},
    )
