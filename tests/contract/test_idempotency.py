"""Idempotency keys: one execution, its answer replayed for a day."""

import asyncio
import socket
import uuid
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
import stripe
from stripe import StripeClient

from sandbox.stripe.server.inprocess import StandIn


@pytest.fixture
def key() -> str:
    return f"contract:{uuid.uuid4()}"


def test_a_repeated_request_is_answered_with_the_first_answer(raw: httpx.Client, key: str) -> None:
    form = {"name": "Once", "metadata[test]": key}
    first = raw.post("/v1/customers", data=form, headers={"Idempotency-Key": key})
    again = raw.post("/v1/customers", data=form, headers={"Idempotency-Key": key})

    assert first.status_code == again.status_code == 200
    assert again.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] == first.headers["request-id"]
    assert again.headers["idempotency-key"] == key


def test_the_order_of_parameters_does_not_matter(raw: httpx.Client, key: str) -> None:
    headers = {"Idempotency-Key": key}
    first = raw.post("/v1/customers", content="name=A&phone=1", headers=headers | _FORM)
    again = raw.post("/v1/customers", content="phone=1&name=A", headers=headers | _FORM)

    assert again.json()["id"] == first.json()["id"]


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_a_key_of_other_parameters_is_refused(stripe_client: StripeClient, key: str) -> None:
    stripe_client.v1.customers.create({"name": "First"}, {"idempotency_key": key})

    with pytest.raises(stripe.IdempotencyError) as refused:
        stripe_client.v1.customers.create({"name": "Second"}, {"idempotency_key": key})

    assert refused.value.http_status == 400
    assert refused.value.code is None
    assert refused.value.error is not None
    assert refused.value.error.type == "idempotency_error"
    assert refused.value.error.message is not None
    assert refused.value.error.message.startswith(
        "Keys for idempotent requests can only be used with the same parameters they were first used with."
    )
    assert key in refused.value.error.message


def test_a_key_of_another_endpoint_is_refused(stripe_client: StripeClient, key: str) -> None:
    stripe_client.v1.customers.create({"name": "First"}, {"idempotency_key": key})

    with pytest.raises(stripe.IdempotencyError):
        stripe_client.v1.products.create({"name": "First"}, {"idempotency_key": key})


def test_refused_parameters_are_not_kept_under_the_key(raw: httpx.Client, key: str) -> None:
    headers = {"Idempotency-Key": key}
    refused = raw.post("/v1/customers", data={"nonsense": "1"}, headers=headers)
    corrected = raw.post("/v1/customers", data={"name": "Corrected"}, headers=headers)

    assert refused.status_code == 400
    assert corrected.status_code == 200
    assert "idempotent-replayed" not in corrected.headers


def test_a_declined_card_is_kept_under_the_key(
    stripe_client: StripeClient, customer: stripe.Customer, raw: httpx.Client, key: str
) -> None:
    path = "/v1/payment_methods/pm_card_chargeDeclined/attach"
    form, headers = {"customer": customer.id}, {"Idempotency-Key": key}
    first = raw.post(path, data=form, headers=headers)
    again = raw.post(path, data=form, headers=headers)

    assert (first.status_code, again.status_code) == (402, 402)
    assert again.headers["idempotent-replayed"] == "true"


def test_a_get_takes_no_notice_of_a_key(raw: httpx.Client, customer: stripe.Customer, key: str) -> None:
    headers = {"Idempotency-Key": key}
    raw.get(f"/v1/customers/{customer.id}", headers=headers)
    answer = raw.get("/v1/customers", params={"limit": 1}, headers=headers)

    assert answer.status_code == 200


def test_a_key_longer_than_255_characters_is_refused(raw: httpx.Client) -> None:
    answer = raw.post("/v1/customers", data={"name": "A"}, headers={"Idempotency-Key": "k" * 256})

    assert answer.status_code == 400


async def test_a_key_in_use_is_a_conflict(stand_in: StandIn, stripe_client: StripeClient, key: str) -> None:
    stand_in.fault("delay", method="POST", path="^/v1/customers$", delay_ms=400)
    seen = stand_in.last_request()
    first = asyncio.create_task(
        stripe_client.v1.customers.create_async({"name": "Slow"}, {"idempotency_key": key})
    )
    await asyncio.to_thread(stand_in.wait_for_request, seen)

    with pytest.raises(stripe.APIError) as refused:
        await stripe_client.v1.customers.create_async({"name": "Slow"}, {"idempotency_key": key})

    assert refused.value.http_status == 409
    assert refused.value.error is not None
    assert refused.value.error.type == "idempotency_error"
    assert refused.value.error.code == "idempotency_key_in_use"
    created = await first
    replayed = await stripe_client.v1.customers.create_async({"name": "Slow"}, {"idempotency_key": key})
    assert replayed.id == created.id


def test_a_500_of_an_executed_request_is_replayed(
    stand_in: StandIn, stripe_client: StripeClient, key: str
) -> None:
    stand_in.fault("error_after", method="POST", path="^/v1/customers$")
    email = f"{uuid.uuid4().hex}@example.com"

    for _ in range(2):
        with pytest.raises(stripe.APIError) as failed:
            stripe_client.v1.customers.create({"email": email}, {"idempotency_key": key})
        assert failed.value.http_status == 500

    assert len(stripe_client.v1.customers.list({"email": email}).data) == 1
    lines = [line for line in stand_in.requests() if line["idempotency_key"] == key]
    assert [(line["executed"], line["replayed"]) for line in lines] == [(True, False), (False, True)]


def test_keys_are_forgotten_after_a_day_of_the_stand_ins_clock(
    stand_in: StandIn, stripe_client: StripeClient, key: str
) -> None:
    options: stripe.RequestOptions = {"idempotency_key": key}
    first = stripe_client.v1.customers.create({"name": "Daily"}, options)
    stand_in.advance(24 * 3600 - 60)
    same_day = stripe_client.v1.customers.create({"name": "Daily"}, options)
    stand_in.advance(120)
    next_day = stripe_client.v1.customers.create({"name": "Daily"}, options)

    assert same_day.id == first.id
    assert next_day.id != first.id


@pytest.mark.parametrize("sent", [0, len("name=Orchard")])
def test_a_request_that_breaks_off_is_not_executed_and_uses_up_no_key(
    stand_in: StandIn, raw: httpx.Client, key: str, sent: int
) -> None:
    form = {"name": "Orchard", "email": "billing@example.com"}
    body = urlencode(form).encode()
    head = (
        f"POST /v1/customers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sk_test_plixo\r\n"
        f"Idempotency-Key: {key}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    server = urlsplit(stand_in.url)
    with socket.create_connection((server.hostname or "", server.port or 0), timeout=10) as connection:
        connection.sendall(head + body[:sent])
        connection.shutdown(socket.SHUT_WR)
        connection.recv(4096)

    answer = raw.post("/v1/customers", data=form, headers={"Idempotency-Key": key})
    assert answer.status_code == 200
    assert answer.json()["email"] == "billing@example.com"
    assert "idempotent-replayed" not in answer.headers
