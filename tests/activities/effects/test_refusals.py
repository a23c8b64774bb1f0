"""Effects that Stripe refuses: nothing is changed, the reason is kept, and nothing is tried for ever."""

import pytest
from temporalio.exceptions import ApplicationError

from billing.core.operations import Problem

from .effecting import Job, Killed, dying


async def test_a_declined_card_changes_nothing_and_stays_declined(job: Job) -> None:
    await job.shop.use_card(job.tenant, "pm_card_chargeCustomerFail")
    effect = await job.upgrade()

    declined = await job.attempt(effect)

    assert (declined.outcome, declined.declined) == ("refused", True)
    assert declined.problem == Problem(code="card_declined", message="Your card was declined.")
    await job.check_untouched()
    [_, event] = await job.events()
    assert (event.code, event.detail["code"]) == ("refused_by_stripe", "card_declined")

    await job.shop.use_card(job.tenant, "pm_card_visa")
    seen = job.seen()
    assert await job.attempt(effect) == declined
    assert job.shop.stand_in.requests(seen) == []
    await job.check_untouched()


async def test_a_person_may_try_again_after_a_refusal_under_a_new_version(job: Job) -> None:
    await job.shop.use_card(job.tenant, "pm_card_chargeCustomerFail")
    await job.attempt(await job.upgrade())
    await job.shop.use_card(job.tenant, "pm_card_visa")

    again = await job.attempt(await job.upgrade(version=2))

    assert (again.outcome, again.key) == ("done", f"{job.tenant.id}:{job.operation.id}:apply:2")
    assert await job.charges() == [(6000, "paid")]
    told = [event.code for event in await job.events() if event.code != "asked_of_stripe"]
    assert told == ["refused_by_stripe", "changed_in_stripe"]


async def test_a_decline_whose_answer_was_lost_is_still_a_decline(job: Job) -> None:
    await job.shop.use_card(job.tenant, "pm_card_chargeCustomerFail")
    effect = await job.upgrade()
    job.shop.stand_in.fault("drop_after", method="POST", path=effect.target)
    await job.fails(effect)

    declined = await job.attempt(effect)

    assert (declined.outcome, declined.declined) == ("refused", True)
    assert [line["replayed"] for line in job.sent(effect)] == [False, True]
    await job.check_untouched()


async def test_wrong_parameters_are_refused_with_stripes_reason(job: Job) -> None:
    upgrade = await job.upgrade()
    effect = upgrade.model_copy(
        update={"params": upgrade.params | {"items": [{"id": "si_none", "quantity": 1}]}}
    )

    refused = await job.attempt(effect)

    assert (refused.outcome, refused.declined) == ("refused", False)
    assert refused.problem is not None
    assert refused.problem.code == "resource_missing"
    intent = await job.intent(effect)
    assert (intent.state, intent.error) == (
        "refused",
        refused.problem.model_dump() | {"declined": False},
    )
    await job.check_untouched()


async def test_what_is_not_there_any_more_is_refused_not_tried_for_ever(job: Job) -> None:
    effect = (await job.upgrade()).model_copy(update={"target": "sub_none"})
    with pytest.raises(Killed):
        await job.attempt(effect, kinds=dying(effect.kind, after=False))

    refused = await job.attempt(effect)

    assert refused.problem == Problem(code="resource_missing", message="No such subscription: 'sub_none'")


async def test_other_parameters_for_the_same_step_are_never_sent(job: Job) -> None:
    effect = await job.upgrade()
    with pytest.raises(Killed):
        await job.attempt(effect, kinds=dying(effect.kind, after=False))
    changed = effect.model_copy(update={"params": effect.params | {"proration_behavior": "none"}})
    seen = job.seen()

    with pytest.raises(ApplicationError, match="another request needs another step or version") as refused:
        await job.attempt(changed)

    assert (refused.value.type, refused.value.non_retryable) == ("intent_changed", True)
    assert job.shop.stand_in.requests(seen) == []
    await job.attempt(effect)
    await job.check_upgraded_once(effect)
