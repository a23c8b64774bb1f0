"""Stripe and the network at their worst: every attempt that fails is tried again, and one effect is left."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.exceptions import ApplicationError

from db.core.session import Database

from ...support.shop import Shop
from .effecting import Job, a_job

EXECUTED = ["drop_after", "error_after"]
NOT_EXECUTED = ["drop_before", "error_before", "bad_gateway", "rate_limit", "lock_timeout", "key_in_use"]


@pytest.mark.parametrize("fault", EXECUTED)
async def test_an_effect_whose_answer_was_lost_is_read_back(job: Job, fault: str) -> None:
    effect = await job.upgrade()
    job.shop.stand_in.fault(fault, method="POST", path=effect.target)
    await job.fails(effect)
    assert (await job.intent(effect)).state == "open"

    await job.attempt(effect)

    assert len(job.sent(effect)) == 1
    assert (await job.intent(effect)).read_back
    await job.check_upgraded_once(effect)


@pytest.mark.parametrize("fault", NOT_EXECUTED)
async def test_what_was_not_executed_is_sent_again_under_the_same_key(job: Job, fault: str) -> None:
    effect = await job.upgrade()
    job.shop.stand_in.fault(fault, method="POST", path=effect.target)
    await job.fails(effect)
    await job.check_untouched()

    await job.attempt(effect)

    assert [line["executed"] for line in job.sent(effect)] == [False, True]
    assert not (await job.intent(effect)).read_back
    await job.check_upgraded_once(effect)


@pytest.mark.parametrize("fault", ["drop_before", "error_before", "bad_gateway", "rate_limit"])
async def test_nothing_is_sent_before_stripe_could_be_read(job: Job, fault: str) -> None:
    effect = await job.upgrade()
    job.shop.stand_in.fault("drop_after", method="POST", path=effect.target)
    job.shop.stand_in.fault(fault, method="GET", path=effect.target)
    await job.fails(effect)
    await job.fails(effect)
    assert len(job.sent(effect)) == 1

    await job.attempt(effect)

    await job.check_upgraded_once(effect)


async def test_an_answer_that_comes_too_late_is_not_waited_for_and_not_repeated(job: Job) -> None:
    effect = await job.upgrade()
    impatient = stripe.StripeClient(
        "sk_test_plixo",
        base_addresses={"api": job.shop.stand_in.url},
        max_network_retries=0,
        http_client=stripe.HTTPXClient(timeout=0.3),
    )
    job.shop.stand_in.fault("delay", method="POST", path=effect.target, delay_ms=1000)
    failed = await job.fails(effect, client=impatient)
    assert failed.type == "stripe_unreachable"

    # Meanwhile the key is in use and the object locked; each attempt is refused for that, or reads it back.
    async with asyncio.timeout(30):
        while (await job.intent(effect)).state == "open":
            try:
                await job.attempt(effect)
            except ApplicationError as error:
                if error.type not in ("idempotency_key_in_use", "lock_timeout"):
                    raise

    await job.check_upgraded_once(effect)


@pytest.mark.parametrize(
    ("fault", "more", "code", "wait"),
    [
        ("rate_limit", {"retry_after": 7}, "rate_limit", timedelta(seconds=7)),
        ("lock_timeout", {}, "lock_timeout", timedelta(seconds=1)),
        ("error_before", {"retry_after": 9}, "stripe_unreachable", timedelta(seconds=9)),
        ("key_in_use", {}, "idempotency_key_in_use", None),
    ],
)
async def test_temporal_is_told_when_to_try_again(
    job: Job, fault: str, more: dict[str, Any], code: str, wait: timedelta | None
) -> None:
    effect = await job.upgrade()
    job.shop.stand_in.fault(fault, method="POST", path=effect.target, **more)

    failed = await job.fails(effect)

    assert failed.type == code
    if wait is None:
        assert failed.next_retry_delay is None
    else:
        assert failed.next_retry_delay is not None
        assert wait <= failed.next_retry_delay <= wait * 1.25


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(faults=st.lists(st.sampled_from([*EXECUTED, *NOT_EXECUTED, "delay"]), max_size=4))
async def test_whatever_goes_wrong_in_whatever_order_there_is_one_effect(
    shop: Shop, database: Database, faults: list[str]
) -> None:
    job = await a_job(shop, database)
    effect = await job.upgrade()
    for fault in faults:
        shop.stand_in.fault(fault, path=f"/v1/subscriptions/{effect.target}$")

    performed = await job.attempts(effect, len(faults) + 1)

    shop.stand_in.clear_faults()
    assert performed.outcome == "done"
    await job.check_upgraded_once(effect)
