"""What each of Stripe's errors means, as the pinned SDK raises it."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import stripe

from activities.stripe.client import stripe_client
from activities.stripe.failures import Failure, translate
from billing.core.operations import Problem

from ...support.shop import Shop

CUSTOMERS = {"method": "POST", "path": "^/v1/customers$"}


async def failure_of(client: stripe.StripeClient, params: Any = None, **options: Any) -> Failure:
    """How the refusal of a new customer is translated."""
    asked: Any = params or {"name": "Acme"}
    key: Any = {"idempotency_key": uuid4().hex} | options
    with pytest.raises(stripe.StripeError) as refused:
        await client.v1.customers.create_async(asked, key)
    return translate(refused.value)


async def failure_by(shop: Shop, fault: str, **more: Any) -> Failure:
    shop.stand_in.fault(fault, **CUSTOMERS, **more)
    return await failure_of(shop.client)


def check_spread(wait: timedelta | None, seconds: int) -> None:
    """At least as long as was said, and at random a little longer: nobody comes back with all others."""
    assert wait is not None
    assert seconds <= wait.total_seconds() <= seconds * 1.25


# --- Definite refusals ------------------------------------------------------------------------------------


async def test_a_wrong_parameter_is_a_refusal_with_stripes_code(shop: Shop) -> None:
    failure = await failure_of(shop.client, {"colour": "red"})

    assert (failure.verdict, failure.declined, failure.retry_after) == ("refusal", False, None)
    assert failure.problem == Problem(code="parameter_unknown", message="Received unknown parameter: colour")
    assert failure.request_id is not None


async def test_what_does_not_exist_is_a_refusal(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await shop.client.v1.customers.retrieve_async("cus_none")

    failure = translate(refused.value)

    assert (refused.value.http_status, failure.verdict) == (404, "refusal")
    assert failure.problem == Problem(code="resource_missing", message="No such customer: 'cus_none'")


async def test_a_key_of_other_parameters_is_a_refusal_although_it_has_no_code(shop: Shop) -> None:
    key = uuid4().hex
    await shop.client.v1.customers.create_async({"name": "Acme"}, {"idempotency_key": key})

    failure = await failure_of(shop.client, {"name": "Other"}, idempotency_key=key)

    assert (failure.verdict, failure.problem.code, failure.declined) == ("refusal", "stripe_refused", False)


async def test_a_declined_card_is_a_refusal_that_says_so(shop: Shop) -> None:
    failure = await failure_by(shop, "decline")

    assert (failure.verdict, failure.declined) == ("refusal", True)
    assert failure.problem == Problem(code="card_declined", message="Your card was declined.")


# --- Later: not executed ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("header", "seconds"), [(None, 2), (7, 7)], ids=["by itself", "by Retry-After"])
async def test_a_rate_limit_is_for_later(shop: Shop, header: int | None, seconds: int) -> None:
    failure = await failure_by(shop, "rate_limit", retry_after=header)

    assert (failure.verdict, failure.problem.code) == ("later", "rate_limit")
    check_spread(failure.retry_after, seconds)


@pytest.mark.parametrize(("header", "seconds"), [(None, 1), (5, 5)], ids=["by itself", "by Retry-After"])
async def test_a_locked_object_is_for_later(shop: Shop, header: int | None, seconds: int) -> None:
    failure = await failure_by(shop, "lock_timeout", retry_after=header)

    assert (failure.verdict, failure.problem.code) == ("later", "lock_timeout")
    check_spread(failure.retry_after, seconds)
    assert failure.request_id is None


async def test_a_wrong_key_waits_for_an_operator_to_mend_it(shop: Shop) -> None:
    wrong = stripe_client("pk_test_not_a_secret_key", shop.stand_in.url)

    failure = await failure_of(wrong)

    assert (failure.verdict, failure.problem.code) == ("later", "stripe_credentials")
    check_spread(failure.retry_after, 30)


async def test_a_key_without_the_permission_waits_for_an_operator_and_names_it(shop: Shop) -> None:
    key = "rk_test_failures"
    shop.stand_in.control("keys", {"key": key, "permissions": ["customer_read"]})
    failure = await failure_of(stripe_client(key, shop.stand_in.url))
    shop.stand_in.control("keys", {"key": key, "permissions": None})

    assert (failure.verdict, failure.problem.code) == ("later", "stripe_permission_missing")
    assert "rak_customer_write" in failure.problem.message
    assert failure.retry_after is not None


@pytest.mark.parametrize("status", [403, 400])
async def test_what_stripe_wants_approved_itself_is_a_refusal_and_is_not_sent_again(
    shop: Shop, status: int
) -> None:
    shop.stand_in.control("switches", {"approval_refusal": status})
    failure = await failure_by(shop, "needs_approval")
    shop.stand_in.control("switches", {"approval_refusal": 403})
    assert (failure.verdict, failure.problem.code) == ("refusal", "approval_required")
    assert failure.retry_after is None


# --- Unknown: perhaps executed ----------------------------------------------------------------------------


async def test_a_key_in_use_is_unknown_although_the_sdk_knows_no_code(shop: Shop) -> None:
    failure = await failure_by(shop, "key_in_use")

    assert (failure.verdict, failure.problem.code) == ("unknown", "idempotency_key_in_use")
    assert failure.retry_after is None


@pytest.mark.parametrize("fault", ["error_before", "error_after"])
@pytest.mark.parametrize("status", [500, 503])
async def test_an_error_of_stripes_own_is_unknown(shop: Shop, fault: str, status: int) -> None:
    failure = await failure_by(shop, fault, status=status)

    assert (failure.verdict, failure.problem.code) == ("unknown", "stripe_unreachable")
    assert failure.retry_after is None


async def test_an_error_of_stripes_own_may_say_when_to_come_back(shop: Shop) -> None:
    failure = await failure_by(shop, "error_before", status=503, retry_after=11)

    assert failure.verdict == "unknown"
    check_spread(failure.retry_after, 11)


async def test_a_gateways_page_is_unknown(shop: Shop) -> None:
    failure = await failure_by(shop, "bad_gateway")

    assert (failure.verdict, failure.problem.code) == ("unknown", "stripe_unreachable")


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
async def test_a_lost_connection_is_unknown(shop: Shop, fault: str) -> None:
    failure = await failure_by(shop, fault)

    assert (failure.verdict, failure.problem.code) == ("unknown", "stripe_unreachable")
    assert failure.request_id is None


async def test_no_answer_in_time_is_unknown(shop: Shop) -> None:
    impatient = stripe.StripeClient(
        "sk_test_plixo",
        base_addresses={"api": shop.stand_in.url},
        max_network_retries=0,
        http_client=stripe.HTTPXClient(timeout=0.1),
    )
    shop.stand_in.fault("delay", delay_ms=400, **CUSTOMERS)

    failure = await failure_of(impatient)

    assert (failure.verdict, failure.problem.code) == ("unknown", "stripe_unreachable")


async def test_nobody_there_is_unknown() -> None:
    nobody = stripe_client("sk_test_plixo", "http://127.0.0.1:9")

    assert (await failure_of(nobody)).verdict == "unknown"


# --- As Temporal is told ----------------------------------------------------------------------------------


async def test_what_is_for_later_is_tried_again_after_that_long(shop: Shop) -> None:
    error = (await failure_by(shop, "rate_limit", retry_after=7)).as_retry()

    assert (error.type, error.non_retryable) == ("rate_limit", False)
    check_spread(error.next_retry_delay, 7)


async def test_a_refusal_is_final(shop: Shop) -> None:
    error = (await failure_of(shop.client, {"colour": "red"})).as_refusal()

    assert (error.type, error.non_retryable) == ("parameter_unknown", True)
    assert error.message == "Received unknown parameter: colour"
