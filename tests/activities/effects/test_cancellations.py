"""The end of a subscription: once, whatever happens on the way, and only by our own doing."""

import pytest

from billing.core.operations import Problem
from billing.stripe.effects import Effect
from db.core.session import Database

from ...support.shop import Shop
from .effecting import Job, Killed, a_job, dying
from .test_faults import EXECUTED, NOT_EXECUTED

PARAMS = {
    "invoice_now": True,
    "prorate": True,
    "cancellation_details": {"comment": "We move to our own system.", "feedback": "switched_service"},
}


@pytest.fixture
async def job(shop: Shop, database: Database) -> Job:
    return await a_job(shop, database)


@pytest.fixture
def end(job: Job) -> Effect:
    subscription = job.tenant.organization.stripe_subscription
    return job.effect("subscription.cancel", subscription, PARAMS, step="cancel")


async def check_ended_once(job: Job, end: Effect, *, read_back: bool) -> None:
    subscription = await job.subscription()
    assert subscription["status"] == "canceled"
    assert subscription["cancellation_details"]["feedback"] == "switched_service"
    intent = await job.intent(end)
    assert (intent.state, intent.stripe_id, intent.read_back) == ("done", end.target, read_back)
    assert (intent.result or {})["status"] == "canceled"
    assert [event.code for event in await job.events()] == ["asked_of_stripe", "changed_in_stripe"]
    ended = [
        line
        for line in job.shop.changes()
        if line["method"] == "DELETE" and line["path"].endswith(end.target)
    ]
    assert len(ended) == 1, "the credit is given once"


async def test_it_is_done_and_closed(job: Job, end: Effect) -> None:
    assert (await job.attempt(end)).outcome == "done"
    await check_ended_once(job, end, read_back=False)


@pytest.mark.parametrize("fault", EXECUTED)
async def test_one_whose_answer_was_lost_is_read_back(job: Job, end: Effect, fault: str) -> None:
    job.shop.stand_in.fault(fault, method="DELETE", path=end.target)
    await job.fails(end)
    await job.attempt(end)
    await check_ended_once(job, end, read_back=True)


@pytest.mark.parametrize("fault", NOT_EXECUTED)
async def test_what_was_not_executed_is_sent_again(job: Job, end: Effect, fault: str) -> None:
    job.shop.stand_in.fault(fault, method="DELETE", path=end.target)
    await job.fails(end)
    await job.attempt(end)
    assert (await job.subscription())["status"] == "canceled"
    assert not (await job.intent(end)).read_back


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
async def test_a_worker_that_is_killed_leaves_it_done_once(job: Job, end: Effect, after: bool) -> None:
    with pytest.raises(Killed):
        await job.attempt(end, kinds=dying(end.kind, after=after))
    await job.attempt(end)
    await check_ended_once(job, end, read_back=after)


@pytest.mark.parametrize("begun", [False, True], ids=["before it was asked for", "after an attempt"])
async def test_what_somebody_else_did_is_not_taken_for_ours(job: Job, end: Effect, begun: bool) -> None:
    if begun:
        job.shop.stand_in.fault("drop_before", method="DELETE", path=end.target)
        await job.fails(end)
    await job.shop.client.v1.subscriptions.cancel_async(end.target)
    refused = await job.attempt(end)
    assert (refused.outcome, refused.stripe_id) == ("refused", None)
    assert isinstance(refused.problem, Problem)


@pytest.mark.parametrize("fault", EXECUTED)
async def test_a_planned_end_and_its_taking_back_are_read_back_by_their_mark(job: Job, fault: str) -> None:
    subscription = job.tenant.organization.stripe_subscription
    plan = job.effect(
        "subscription.cancel_at_period_end", subscription, {"cancel_at_period_end": True}, step="cancel"
    )
    keep = job.effect("subscription.keep", subscription, {"cancel_at_period_end": False}, step="keep")
    for effect, ends in ((plan, True), (keep, False)):
        job.shop.stand_in.fault(fault, method="POST", path=subscription)
        await job.fails(effect)
        await job.attempt(effect)
        assert (await job.intent(effect)).state == "done"
        assert (await job.subscription())["cancel_at_period_end"] is ends
