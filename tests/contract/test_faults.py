"""Scripted misbehaviour of the stand-in, as the SDK sees it, and what it leaves behind."""

import asyncio
import time
import uuid

import httpx
import pytest
import stripe
from stripe import StripeClient

from sandbox.stripe.server.inprocess import StandIn

CREATE = {"method": "POST", "path": "^/v1/customers$"}


@pytest.fixture
def email() -> str:
    return f"{uuid.uuid4().hex}@example.com"


def made(client: StripeClient, email: str) -> int:
    """How many customers of that address there are."""
    return len(client.v1.customers.list({"email": email}).data)


@pytest.mark.parametrize(
    "reason",
    ["global-rate", "endpoint-rate", "global-concurrency", "endpoint-concurrency", "resource-specific"],
)
def test_a_rate_limit_tells_its_reason_and_executes_nothing(
    stand_in: StandIn, stripe_client: StripeClient, email: str, reason: str
) -> None:
    stand_in.fault("rate_limit", reason=reason, retry_after=7, **CREATE)
    with pytest.raises(stripe.RateLimitError) as refused:
        stripe_client.v1.customers.create({"email": email})

    assert refused.value.http_status == 429
    assert refused.value.code is None
    assert refused.value.error is not None
    assert refused.value.error.code == "rate_limit"
    assert refused.value.headers is not None
    assert refused.value.headers["stripe-rate-limited-reason"] == reason
    assert refused.value.headers["retry-after"] == "7"
    assert made(stripe_client, email) == 0


def test_a_lock_timeout_has_no_request_id_and_may_be_retried(
    stand_in: StandIn, stripe_client: StripeClient, email: str
) -> None:
    stand_in.fault("lock_timeout", **CREATE)
    with pytest.raises(stripe.RateLimitError) as refused:
        stripe_client.v1.customers.create({"email": email})

    assert refused.value.error is not None
    assert refused.value.error.code == "lock_timeout"
    assert refused.value.headers is not None
    assert refused.value.headers["stripe-should-retry"] == "true"
    assert "request-id" not in refused.value.headers
    assert "stripe-rate-limited-reason" not in refused.value.headers
    assert made(stripe_client, email) == 0


def test_a_key_in_use_can_be_scripted(stand_in: StandIn, stripe_client: StripeClient, email: str) -> None:
    stand_in.fault("key_in_use", **CREATE)
    with pytest.raises(stripe.APIError) as refused:
        stripe_client.v1.customers.create({"email": email})

    assert refused.value.http_status == 409
    assert refused.value.error is not None
    assert refused.value.error.code == "idempotency_key_in_use"
    assert made(stripe_client, email) == 0


def test_an_error_before_executing_is_not_kept_under_the_key(
    stand_in: StandIn, stripe_client: StripeClient, email: str
) -> None:
    stand_in.fault("error_before", **CREATE)
    options: stripe.RequestOptions = {"idempotency_key": f"before:{email}"}
    with pytest.raises(stripe.APIError) as failed:
        stripe_client.v1.customers.create({"email": email}, options)

    assert failed.value.http_status == 500
    assert made(stripe_client, email) == 0
    stripe_client.v1.customers.create({"email": email}, options)
    assert made(stripe_client, email) == 1


def test_an_error_after_executing_leaves_the_effect(
    stand_in: StandIn, stripe_client: StripeClient, email: str
) -> None:
    stand_in.fault("error_after", status=503, **CREATE)
    with pytest.raises(stripe.APIError) as failed:
        stripe_client.v1.customers.create({"email": email})

    assert failed.value.http_status == 503
    assert made(stripe_client, email) == 1


def test_a_connection_dropped_before_executing_leaves_nothing(
    stand_in: StandIn, stripe_client: StripeClient, email: str
) -> None:
    stand_in.fault("drop_before", **CREATE)
    with pytest.raises(stripe.APIConnectionError) as lost:
        stripe_client.v1.customers.create({"email": email})

    assert lost.value.http_status is None
    assert made(stripe_client, email) == 0


def test_a_connection_dropped_after_executing_leaves_the_effect_and_its_answer(
    stand_in: StandIn, stripe_client: StripeClient, email: str
) -> None:
    stand_in.fault("drop_after", **CREATE)
    options: stripe.RequestOptions = {"idempotency_key": f"after:{email}"}
    with pytest.raises(stripe.APIConnectionError):
        stripe_client.v1.customers.create({"email": email}, options)

    assert made(stripe_client, email) == 1
    replayed = stripe_client.v1.customers.create({"email": email}, options)
    assert replayed.email == email
    assert made(stripe_client, email) == 1


def test_a_bad_gateway_answers_html(stand_in: StandIn, stripe_client: StripeClient, email: str) -> None:
    stand_in.fault("bad_gateway", **CREATE)
    with pytest.raises(stripe.APIError) as failed:
        stripe_client.v1.customers.create({"email": email})

    assert failed.value.http_status == 502
    assert failed.value.error is None
    assert made(stripe_client, email) == 0


def test_a_decline_is_a_card_error_kept_under_the_key(
    stand_in: StandIn, stripe_client: StripeClient, email: str
) -> None:
    stand_in.fault("decline", **CREATE)
    options: stripe.RequestOptions = {"idempotency_key": f"decline:{email}"}
    for _ in range(2):
        with pytest.raises(stripe.CardError) as refused:
            stripe_client.v1.customers.create({"email": email}, options)
        assert (refused.value.http_status, refused.value.code) == (402, "card_declined")

    assert made(stripe_client, email) == 0
    stripe_client.v1.customers.create({"email": email})
    assert made(stripe_client, email) == 1


async def test_others_are_served_while_one_request_is_held_up(
    stand_in: StandIn, stripe_client: StripeClient, email: str
) -> None:
    stand_in.fault("delay", delay_ms=400, **CREATE)
    seen = stand_in.last_request()
    slow = asyncio.create_task(stripe_client.v1.customers.create_async({"email": email}))
    await asyncio.to_thread(stand_in.wait_for_request, seen)
    before = await stripe_client.v1.customers.list_async({"email": email})
    waiting = not slow.done()
    created = await slow

    assert waiting
    assert before.data == []
    assert created.email == email
    held_up = stand_in.requests(seen)[0]
    assert (held_up["fault"], held_up["status"], held_up["executed"]) == ("delay", 200, True)


def test_a_request_that_its_client_gave_up_is_executed_late(
    stand_in: StandIn, stripe_client: StripeClient, raw: httpx.Client, email: str
) -> None:
    stand_in.fault("delay", delay_ms=300, **CREATE)
    with pytest.raises(httpx.ReadTimeout):
        raw.post("/v1/customers", data={"email": email}, timeout=0.1)

    assert made(stripe_client, email) == 0
    deadline = time.monotonic() + 10
    while not made(stripe_client, email) and time.monotonic() < deadline:
        pass
    assert made(stripe_client, email) == 1


def test_faults_pass_the_first_matches_and_run_out(
    stand_in: StandIn, stripe_client: StripeClient, raw: httpx.Client, email: str
) -> None:
    stand_in.fault("error_before", after=1, times=2, **CREATE)
    statuses = [raw.post("/v1/customers", data={"email": email}).status_code for _ in range(5)]

    assert statuses == [200, 500, 500, 200, 200]
    assert made(stripe_client, email) == 3


def test_faults_are_taken_in_order_and_other_requests_are_spared(
    stand_in: StandIn, raw: httpx.Client, email: str
) -> None:
    stand_in.fault("error_before", **CREATE)
    stand_in.fault("bad_gateway", times=None, path="/v1/cust")
    spared = raw.get("/v1/products", params={"limit": 1}).status_code
    posted = [raw.post("/v1/customers", data={"email": email}).status_code for _ in range(2)]
    read = raw.get("/v1/customers").status_code
    stand_in.clear_faults()

    assert (spared, posted, read) == (200, [500, 502], 502)
    assert raw.get("/v1/customers").status_code == 200


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"fault": "earthquake"}, "fault"),
        ({"fault": "delay", "path": "("}, "path"),
        ({"fault": "delay", "times": 0}, "times"),
        ({"fault": "delay", "colour": "red"}, "colour"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    stand_in: StandIn, asked: dict[str, object], named: str
) -> None:
    with pytest.raises(ValueError, match=f"400 .*{named}"):
        stand_in.control("faults", asked)

    assert stand_in.control("faults") == {"faults": []}


def test_the_request_log_tells_what_happened(stand_in: StandIn, raw: httpx.Client, email: str) -> None:
    seen = stand_in.last_request()
    headers = {"Idempotency-Key": f"log:{email}"}
    stand_in.fault("drop_before", **CREATE)
    with pytest.raises(httpx.RemoteProtocolError):
        raw.post("/v1/customers", data={"email": email}, headers=headers)
    answers = [raw.post("/v1/customers", data={"email": email}, headers=headers) for _ in range(2)]

    lines = stand_in.requests(seen)
    assert [line["seq"] for line in lines] == [seen + 1, seen + 2, seen + 3]
    assert {(line["method"], line["path"]) for line in lines} == {("POST", "/v1/customers")}
    assert {line["idempotency_key"] for line in lines} == {f"log:{email}"}
    assert [line["status"] for line in lines] == [None, 200, 200]
    assert [line["fault"] for line in lines] == ["drop_before", None, None]
    assert [line["executed"] for line in lines] == [False, True, False]
    assert [line["replayed"] for line in lines] == [False, False, True]
    assert lines[1]["request_id"] == answers[0].headers["request-id"]
