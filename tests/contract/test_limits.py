"""Refusals for load: requests a second, and one writer at a time for each object."""

import asyncio

import httpx
import pytest
import stripe
from stripe import StripeClient

from sandbox.stripe.server.inprocess import StandIn


def test_requests_over_the_limit_are_refused_with_the_reason(stand_in: StandIn, raw: httpx.Client) -> None:
    stand_in.control("limits", {"per_second": 1})
    answers = [raw.get("/v1/customers", params={"limit": 1}) for _ in range(20)]
    refused = [answer for answer in answers if answer.status_code == 429]

    assert answers[0].status_code == 200
    assert refused
    assert {answer.headers["stripe-rate-limited-reason"] for answer in refused} == {"global-rate"}
    assert {answer.json()["error"]["code"] for answer in refused} == {"rate_limit"}


def test_a_rate_limited_key_is_not_used_up(stand_in: StandIn, raw: httpx.Client) -> None:
    stand_in.control("limits", {"per_second": 1})
    for number in range(100):
        headers = {"Idempotency-Key": f"limited-{number}"}
        refused = raw.post("/v1/customers", data={"name": "A"}, headers=headers)
        if refused.status_code == 429:
            break
    stand_in.control("limits", {"per_second": None})
    served = raw.post("/v1/customers", data={"name": "B"}, headers=headers)

    assert refused.status_code == 429
    assert served.status_code == 200


async def _held_up_update(
    stand_in: StandIn, client: StripeClient, customer: str, delay_ms: int
) -> asyncio.Task[stripe.Customer]:
    """An update of the customer that has arrived and is being held up."""
    stand_in.fault("delay", method="POST", path=f"/{customer}$", delay_ms=delay_ms)
    seen = stand_in.last_request()
    update = client.v1.customers.update_async(customer, {"name": "Slow"})
    task = asyncio.create_task(update)
    await asyncio.to_thread(stand_in.wait_for_request, seen)
    return task


async def test_a_second_writer_of_the_same_object_gets_a_lock_timeout(
    stand_in: StandIn, stripe_client: StripeClient, customer: stripe.Customer
) -> None:
    stand_in.control("limits", {"lock_wait_ms": 50})
    slow = await _held_up_update(stand_in, stripe_client, customer.id, 500)

    with pytest.raises(stripe.RateLimitError) as refused:
        await stripe_client.v1.customers.update_async(customer.id, {"name": "Second"})
    other = await stripe_client.v1.customers.create_async({"name": "Another object"})
    read = await stripe_client.v1.customers.retrieve_async(customer.id)

    assert refused.value.error is not None
    assert refused.value.error.code == "lock_timeout"
    assert other.name == "Another object"
    assert read.name == "Contract test"
    assert (await slow).name == "Slow"


async def test_a_second_writer_waits_a_little_for_its_turn(
    stand_in: StandIn, stripe_client: StripeClient, customer: stripe.Customer
) -> None:
    stand_in.control("limits", {"lock_wait_ms": 20_000})
    slow = await _held_up_update(stand_in, stripe_client, customer.id, 200)
    second = await stripe_client.v1.customers.update_async(customer.id, {"name": "Second"})

    assert (await slow).name == "Slow"
    assert second.name == "Second"
    assert (await stripe_client.v1.customers.retrieve_async(customer.id)).name == "Second"
