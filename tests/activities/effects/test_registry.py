"""Each kind of effect: what it does in Stripe, and how it is recognised there afterwards."""

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from billing.plan_changes.phases import made_phase
from billing.plan_changes.report import ScheduledPlanChange
from billing.stripe.effects import Effect
from db.core import timeline
from db.operations import intents, operations
from db.tables import Operation

from ...support.builders import NOW, an_operation, store
from .effecting import Job

FAULTS = [None, "drop_before", "drop_after", "error_after"]


async def schedule_of(job: Job) -> dict[str, Any]:
    """The schedule that the subscription is under."""
    schedule = (await job.subscription())["schedule"]
    found = await job.shop.client.v1.subscription_schedules.retrieve_async(schedule)
    return found.to_dict()


def create(job: Job) -> Effect:
    return job.effect("schedule.create", job.tenant.organization.stripe_subscription, step="schedule")


async def plan(job: Job, schedule: str) -> Effect:
    """From Starter to Growth at the end of the period."""
    item = await job.item()
    phases = [
        {
            "items": [{"price": job.shop.price["starter", "month"], "quantity": 6}],
            "start_date": item["current_period_start"],
            "end_date": item["current_period_end"],
            "proration_behavior": "none",
        },
        {
            "items": [{"price": job.shop.price["growth", "month"], "quantity": 6}],
            "duration": {"interval": "month", "interval_count": 1},
            "proration_behavior": "none",
        },
    ]
    params = {"end_behavior": "release", "proration_behavior": "none", "phases": phases}
    return job.effect("schedule.update", schedule, params, step="phases")


async def scheduled(job: Job) -> str:
    """Puts the subscription under a schedule; its id."""
    performed = await job.attempt(create(job))
    assert performed.stripe_id is not None
    return performed.stripe_id


async def perform(job: Job, effect: Effect, fault: str | None) -> None:
    """Once, or twice when the first answer is lost; in any case it is executed once."""
    if fault is not None:
        job.shop.stand_in.fault(fault, method="POST", path="^/v1/subscription_schedules")
        await job.fails(effect)
    performed = await job.attempt(effect)
    assert performed.outcome == "done"
    lost = fault == "drop_before"
    assert [line["executed"] for line in job.sent(effect)] == ([False, True] if lost else [True])
    assert (await job.intent(effect)).read_back == (fault in ("drop_after", "error_after"))


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_schedule_is_made_of_the_subscription_once(job: Job, fault: str | None) -> None:
    effect = create(job)

    await perform(job, effect, fault)

    item, schedule = await job.item(), await schedule_of(job)
    assert [(phase["start_date"], phase["end_date"]) for phase in schedule["phases"]] == [
        (item["current_period_start"], item["current_period_end"])
    ]
    intent = await job.intent(effect)
    [phase] = schedule["phases"]
    assert (intent.stripe_id, intent.result) == (
        schedule["id"],
        made_phase(phase).model_dump(mode="json"),
    )


@pytest.mark.parametrize("phases", [1, 2])
@pytest.mark.parametrize("killed", [False, True], ids=["at once", "after a lost connection"])
async def test_a_schedule_that_somebody_else_made_is_not_taken_for_ours(
    job: Job, killed: bool, phases: int
) -> None:
    subscription: Any = {"from_subscription": job.tenant.organization.stripe_subscription}
    schedules = job.shop.client.v1.subscription_schedules
    theirs = await schedules.create_async(subscription)
    if phases == 2:
        planned: Any = (await plan(job, theirs.id)).params
        await schedules.update_async(theirs.id, planned)
    effect = create(job)
    if killed:
        job.shop.stand_in.fault("drop_before", method="POST", path="^/v1/subscription_schedules")
        await job.fails(effect)

    refused = await job.attempt(effect)

    assert (refused.outcome, refused.declined) == ("refused", False)
    assert refused.problem is not None
    assert theirs.id in refused.problem.message
    assert len((await schedule_of(job))["phases"]) == phases


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_schedule_gets_its_phases_once(job: Job, fault: str | None) -> None:
    effect = await plan(job, await scheduled(job))

    await perform(job, effect, fault)

    schedule, item = await schedule_of(job), await job.item()
    now, then = schedule["phases"]
    assert now["items"][0]["price"] == job.shop.price["starter", "month"]
    assert (then["items"][0]["price"], then["items"][0]["quantity"]) == (
        job.shop.price["growth", "month"],
        6,
    )
    assert now["end_date"] == then["start_date"] == item["current_period_end"]
    assert schedule["metadata"] == {"plixo_operation": job.operation.id, "plixo_effect": effect.key}


async def waiting_change(job: Job, schedule: str, stage: str = "scheduled") -> Operation:
    """Another plan change, which waits by that schedule."""
    waiting = an_operation(
        job.tenant,
        state="running",
        stage=stage,
        kind="plan_change",
        closed_at=NOW if stage == "done" else None,
        replaces="another" if stage != "done" else "",
        result=ScheduledPlanChange(schedule=schedule, effective_at=1).document(),
    )
    await store(job.database, waiting)
    return waiting


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_change_that_waits_ends_once_as_its_schedule_is_rewritten(
    job: Job, fault: str | None
) -> None:
    schedule = await scheduled(job)
    waiting = await waiting_change(job, schedule)
    effect = (await plan(job, schedule)).model_copy(update={"replaces": waiting.id})

    await perform(job, effect, fault)

    async with job.database.reading() as session:
        ended = await operations.get_fresh(session, waiting.id)
        told = [event.code for event in await timeline.read(session, waiting.id)]
        here = [event.code for event in await timeline.read(session, job.operation.id)]
    assert (ended.state, ended.result and ended.result["replaced_by"]) == ("cancelled", job.operation.id)
    assert (told.count("plan_change_replaced"), here.count("took_its_place")) == (1, 1)
    assert (await job.intent(effect)).result == {"phases": effect.params["phases"]}


@pytest.mark.parametrize("stage", ["done", "applying"])
async def test_nothing_is_begun_where_what_it_would_replace_does_not_wait(job: Job, stage: str) -> None:
    schedule = await scheduled(job)
    waiting = await waiting_change(job, schedule, stage)
    effect = (await plan(job, schedule)).model_copy(update={"replaces": waiting.id})

    with pytest.raises(ApplicationError) as refused:
        await job.attempt(effect)

    assert (refused.value.type, refused.value.non_retryable) == ("waiting_change_over", True)
    assert job.sent(effect) == []
    async with job.database.reading() as session:
        assert [one.step for one in await intents.of_operation(session, job.operation.id)] == ["schedule"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_schedule_is_released_once(job: Job, fault: str | None) -> None:
    schedule = await scheduled(job)
    await job.attempt(await plan(job, schedule))
    effect = job.effect("schedule.release", schedule, step="release")

    await perform(job, effect, fault)

    assert (await job.subscription())["schedule"] is None
    found = await job.shop.client.v1.subscription_schedules.retrieve_async(schedule)
    assert (found.status, found.released_subscription) == (
        "released",
        job.tenant.organization.stripe_subscription,
    )
    assert (await job.item())["price"]["id"] == job.shop.price["starter", "month"]


async def test_a_schedule_that_has_ended_meanwhile_refuses_to_be_released(job: Job) -> None:
    schedule = await scheduled(job)
    await job.shop.client.v1.subscriptions.cancel_async(job.tenant.organization.stripe_subscription)

    refused = await job.attempt(job.effect("schedule.release", schedule, step="release"))

    assert (refused.outcome, refused.declined) == ("refused", False)


async def test_every_effect_of_an_operation_has_an_intent_and_an_event_of_its_own(job: Job) -> None:
    schedule = await scheduled(job)
    await job.attempt(await plan(job, schedule))
    await job.attempt(job.effect("schedule.release", schedule, step="release"))

    events = [event for event in await job.events() if event.code == "changed_in_stripe"]
    assert [(event.key, event.detail["kind"]) for event in events] == [
        ("effect:schedule:1", "schedule.create"),
        ("effect:phases:1", "schedule.update"),
        ("effect:release:1", "schedule.release"),
    ]
    assert {event.detail["object"] for event in events} == {schedule}
