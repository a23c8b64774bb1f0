"""The stand-in as a process with --data: a kill -9 loses nothing that was answered."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from .receiver import SECRET, receiving

HEADERS = {"Authorization": "Bearer sk_test_restart"}

pytestmark = pytest.mark.crash


@contextmanager
def process(data: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """A running stand-in and a client of it; killed without warning at the end."""
    command = [sys.executable, "-m", "sandbox.stripe", "--port", "0", "--check", "--data", str(data), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            address = running.stdout.readline().split()[-1]
            with httpx.Client(base_url=address, headers=HEADERS, timeout=30) as client:
                yield running, client
        finally:
            running.send_signal(signal.SIGKILL)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "stripe.journal"


def test_objects_keys_and_clock_survive_a_kill(data: Path) -> None:
    key = {"Idempotency-Key": "restart-1"}
    with process(data) as (_, client):
        first = client.post("/v1/customers", data={"name": "Survivor"}, headers=key)
        client.post(
            "/v1/products",
            data={
                "name": "Survivor",
                "default_price_data[currency]": "usd",
                "default_price_data[unit_amount]": "5",
            },
        )
        gone = client.post("/v1/customers", data={"name": "Gone"}).json()["id"]
        client.delete(f"/v1/customers/{gone}")
        client.post("/_sandbox/clock", json={"advance_seconds": 3600})
        offset = client.get("/_sandbox/clock").json()["offset"]
        events = client.get("/v1/events").json()["data"]

    with process(data) as (_, client):
        again = client.post("/v1/customers", data={"name": "Survivor"}, headers=key)
        other = client.post("/v1/customers", data={"name": "Other"}, headers=key)

        assert again.headers["idempotent-replayed"] == "true"
        assert again.json() == first.json()
        assert again.headers["request-id"] == first.headers["request-id"]
        assert other.json()["error"]["type"] == "idempotency_error"
        assert [c["id"] for c in client.get("/v1/customers").json()["data"]] == [first.json()["id"]]
        assert client.get(f"/v1/customers/{gone}").json() == {
            "id": gone,
            "object": "customer",
            "deleted": True,
        }
        assert client.get("/v1/events").json()["data"] == events
        assert client.get("/_sandbox/clock").json()["offset"] == offset == 3600


def test_a_schedule_that_was_made_before_a_kill_starts_its_subscription_after_it(data: Path) -> None:
    with process(data) as (_, client):
        customer = client.post("/v1/customers", data={"name": "Later"}).json()["id"]
        product = client.post("/v1/products", data={"name": "Silver"}).json()["id"]
        start = client.get("/_sandbox/clock").json()["now"] + 86_400
        made = client.post(
            "/v1/subscription_schedules",
            data={
                "customer": customer,
                "start_date": start,
                "phases[0][items][0][price_data][currency]": "usd",
                "phases[0][items][0][price_data][product]": product,
                "phases[0][items][0][price_data][unit_amount]": "500",
                "phases[0][items][0][price_data][recurring][interval]": "month",
                "phases[0][duration][interval]": "month",
            },
        ).json()
        assert made["status"] == "not_started"

    with process(data) as (_, client):
        client.post("/_sandbox/clock", json={"advance_seconds": 86_400})
        begun = client.get(f"/v1/subscription_schedules/{made['id']}").json()
        subscription = client.get(f"/v1/subscriptions/{begun['subscription']}").json()
    assert (begun["status"], begun["phases"]) == ("active", made["phases"])
    assert (subscription["start_date"], subscription["status"]) == (start, "active")


def test_an_effect_whose_answer_was_dropped_survives_a_kill_and_is_not_repeated(data: Path) -> None:
    key = {"Idempotency-Key": "restart-2"}
    with process(data) as (_, client):
        client.post("/_sandbox/faults", json={"fault": "drop_after", "path": "/v1/customers"})
        with pytest.raises(httpx.RemoteProtocolError):
            client.post("/v1/customers", data={"name": "Once"}, headers=key)

    with process(data) as (_, client):
        replayed = client.post("/v1/customers", data={"name": "Once"}, headers=key)

        assert replayed.headers["idempotent-replayed"] == "true"
        assert len(client.get("/v1/customers").json()["data"]) == 1


def test_money_back_survives_a_kill_and_a_pending_refund_goes_on(data: Path) -> None:
    with process(data) as (_, client):
        customer = client.post("/v1/customers", data={"name": "Refunded"}).json()["id"]
        intent = client.post(
            "/v1/payment_intents",
            data={
                "amount": "1000",
                "currency": "usd",
                "customer": customer,
                "payment_method": "pm_card_pendingRefund",
                "confirm": "true",
            },
        ).json()
        made = client.post("/v1/refunds", data={"payment_intent": intent["id"], "amount": "400"}).json()
        credit = {"amount": "-250", "currency": "usd"}
        given = client.post(f"/v1/customers/{customer}/balance_transactions", data=credit).json()

    with process(data) as (_, client):
        assert client.get(f"/v1/refunds/{made['id']}").json() == made
        assert client.get(f"/v1/charges/{made['charge']}").json()["amount_refunded"] == 400
        listed = client.get(f"/v1/customers/{customer}/balance_transactions").json()["data"]
        assert listed == [given]
        client.post("/_sandbox/clock", json={"advance_seconds": 61})
        assert client.get(f"/v1/refunds/{made['id']}").json()["status"] == "succeeded"


def test_payments_that_wait_survive_a_kill_and_go_on(data: Path) -> None:
    def pay(client: httpx.Client, method: str) -> Any:
        given = {"amount": "1000", "currency": "usd", "payment_method": method, "confirm": "true"}
        return client.post("/v1/payment_intents", data=given).json()

    with process(data) as (_, client):
        asked = pay(client, "pm_card_authenticationRequired")
        debited = pay(client, "pm_usBankAccount_success")
        disputed = pay(client, "pm_card_createDispute")["id"]
        [dispute] = client.get("/v1/disputes", params={"payment_intent": disputed}).json()["data"]
        given = {"payment_method": "pm_card_authenticationRequiredOnSetup", "confirm": "true"}
        setup = client.post("/v1/setup_intents", data=given).json()

    with process(data) as (_, client):
        for intent in (asked, setup):
            path = f"/v1/{intent['object']}s/{intent['id']}"
            known = client.get(path).json()
            assert known == intent
            client.post("/_sandbox/authentications", json={"intent": intent["id"], "passes": True})
            assert client.get(path).json()["status"] == "succeeded"
        assert client.get(f"/v1/disputes/{dispute['id']}").json() == dispute
        client.post("/_sandbox/clock", json={"advance_seconds": 9 * 86_400})
        assert client.get(f"/v1/payment_intents/{debited['id']}").json()["status"] == "succeeded"
        assert client.get(f"/v1/disputes/{dispute['id']}").json()["status"] == "lost"


def test_pending_webhooks_are_delivered_after_a_kill(data: Path) -> None:
    with receiving() as receiver:
        with process(data, "--webhook-url", receiver.url, "--webhook-secret", SECRET) as (_, client):
            client.post("/_sandbox/webhooks", json={"mode": "hold"})
            created = client.post("/v1/customers", data={"name": "Announced late"}).json()

        assert receiver.deliveries == []
        with process(data) as (_, client):
            client.post("/_sandbox/webhooks", json={"mode": "normal"})
            events = receiver.wait_until(lambda events: bool(events))

        assert [event.type for event in events] == ["customer.created"]
        assert events[0].to_dict()["data"]["object"]["id"] == created["id"]


def test_an_endpoint_keeps_its_secret_and_what_is_on_the_way_to_it(data: Path) -> None:
    with receiving() as receiver:
        with process(data) as (_, client):
            given = {"url": receiver.url, "enabled_events[]": "customer.created"}
            made = client.post("/v1/webhook_endpoints", data=given).json()
            secret = made.pop("secret")
            client.post("/_sandbox/webhooks", json={"mode": "hold"})
            client.post("/v1/customers", data={"name": "Announced late"})

        with process(data) as (_, client):
            assert client.get(f"/v1/webhook_endpoints/{made['id']}").json() == made
            client.post("/_sandbox/webhooks", json={"mode": "normal"})
            with receiver.changed:
                assert receiver.changed.wait_for(lambda: bool(receiver.deliveries), 30)
            body, signature = receiver.deliveries[0]
            stripe.WebhookSignature.verify_header(body.decode(), signature, secret)


def test_destinations_thin_events_tax_ids_and_sources_survive_a_kill(data: Path) -> None:
    given = {
        "name": "Thin",
        "type": "webhook_endpoint",
        "event_payload": "thin",
        "enabled_events": ["v1.customer.created"],
        "webhook_endpoint": {"url": "http://127.0.0.1:9/none"},
    }
    with process(data) as (_, client):
        made = client.post("/v2/core/event_destinations", json=given).json()
        tax_id = client.post("/v1/tax_ids", data={"type": "us_ein", "value": "12-3456789"}).json()
        customer = client.post("/v1/customers", data={"source": "tok_visa", "name": "Kept"}).json()
        ping = client.post(f"/v2/core/event_destinations/{made['id']}/ping").json()
        thin = client.get("/v2/core/events").json()["data"]

    with process(data) as (_, client):
        assert client.get(f"/v2/core/event_destinations/{made['id']}").json() == made
        assert client.get(f"/v1/tax_ids/{tax_id['id']}").json() == tax_id
        assert client.get(f"/v1/customers/{customer['id']}").json() == customer
        assert client.get("/v1/customers/search", params={"query": "name:'kept'"}).json()["data"] == [
            customer
        ]
        assert client.get(f"/v2/core/events/{ping['id']}").json() == ping
        assert client.get("/v2/core/events").json()["data"] == thin


def test_a_line_that_a_kill_cut_short_is_left_out(data: Path) -> None:
    with process(data) as (_, client):
        kept = client.post("/v1/customers", data={"name": "Kept"}).json()["id"]
    with data.open("ab") as journal:
        journal.write(b'[["object:customer","cus_half",{"id":"cus_ha')

    with process(data) as (_, client):
        assert [c["id"] for c in client.get("/v1/customers").json()["data"]] == [kept]
        assert client.post("/v1/customers", data={"name": "Next"}).status_code == 200
    with process(data) as (_, client):
        assert len(client.get("/v1/customers").json()["data"]) == 2


def test_reset_empties_the_file_too(data: Path) -> None:
    with process(data) as (_, client):
        client.post("/v1/customers", data={"name": "Forgotten"})
        client.post("/_sandbox/reset")

    with process(data) as (_, client):
        assert client.get("/v1/customers").json()["data"] == []
        assert client.get("/v1/events").json()["data"] == []


def test_a_second_stand_in_on_the_same_file_refuses_to_start(data: Path) -> None:
    with process(data):
        command = [sys.executable, "-m", "sandbox.stripe", "--port", "0", "--data", str(data)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert second.returncode == 1
    assert "is used by another stand-in" in second.stderr
