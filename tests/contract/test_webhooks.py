"""Webhooks: signed, delivered at least once, and unruly when told to be."""

import json
from collections.abc import Iterator

import pytest
import stripe
from stripe import StripeClient

from sandbox.stripe.server.inprocess import StandIn

from .receiver import SECRET, Receiver, receiving


@pytest.fixture
def receiver(stand_in: StandIn) -> Iterator[Receiver]:
    """An endpoint that the stand-in is pointed at."""
    with receiving() as listening:
        stand_in.webhooks(url=listening.url, secret=SECRET)
        yield listening
        stand_in.webhooks(url=None)


def names(events: list[stripe.Event]) -> list[str]:
    return [event.to_dict()["data"]["object"]["name"] for event in events]


def create(client: StripeClient, *wanted: str) -> None:
    for name in wanted:
        client.v1.products.create({"name": name})


def test_an_event_is_signed_and_holds_a_snapshot(stripe_client: StripeClient, receiver: Receiver) -> None:
    made = stripe_client.v1.products.create({"name": "Snapshot"}, {"idempotency_key": "snapshot-1"})
    stripe_client.v1.products.update(made.id, {"name": "Changed"})
    events = receiver.wait_until(lambda events: len(events) == 2)
    created = next(event.to_dict() for event in events if event.type == "product.created")
    updated = next(event.to_dict() for event in events if event.type == "product.updated")

    assert created["api_version"] == "2026-10-28.endive"
    assert created["livemode"] is False
    assert created["pending_webhooks"] == 1
    assert created["request"]["idempotency_key"] == "snapshot-1"
    assert created["request"]["id"].startswith("req_")
    assert created["data"]["object"]["name"] == "Snapshot"
    assert updated["data"]["object"]["name"] == "Changed"
    assert updated["data"]["previous_attributes"]["name"] == "Snapshot"


def test_a_tampered_body_or_another_secret_does_not_verify(
    stripe_client: StripeClient, receiver: Receiver
) -> None:
    create(stripe_client, "Signed")
    receiver.wait_until(lambda events: len(events) == 1)
    body, signature = receiver.deliveries[0]

    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body.replace(b"Signed", b"Forged"), signature, SECRET)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature, "whsec_other")
    stripe.WebhookSignature.verify_header(body.decode(), signature, SECRET, tolerance=300)


def test_a_delivery_that_fails_is_repeated_with_the_same_event(
    stripe_client: StripeClient, receiver: Receiver
) -> None:
    receiver.statuses = [500, 503]
    create(stripe_client, "Stubborn")
    events = receiver.wait_until(lambda events: len(events) == 3)

    assert len({event.id for event in events}) == 1


def test_an_event_waits_as_pending_until_it_is_delivered(
    stand_in: StandIn, stripe_client: StripeClient, receiver: Receiver
) -> None:
    stand_in.webhooks(mode="hold")
    create(stripe_client, "Pending")
    waiting = stripe_client.v1.events.list({"limit": 1, "delivery_success": False}).data
    stand_in.webhooks(mode="normal")
    delivered = receiver.wait_until(lambda events: len(events) == 1)

    assert [event.pending_webhooks for event in waiting] == [1]
    assert waiting[0].id == delivered[0].id


def test_duplicate_delivers_every_event_twice(
    stand_in: StandIn, stripe_client: StripeClient, receiver: Receiver
) -> None:
    stand_in.webhooks(mode="duplicate")
    create(stripe_client, "Twice")
    first, second = receiver.wait_until(lambda events: len(events) == 2)

    assert first.id == second.id
    assert receiver.deliveries[0][0] == receiver.deliveries[1][0]


def test_reorder_delivers_later_events_first(
    stand_in: StandIn, stripe_client: StripeClient, receiver: Receiver
) -> None:
    stand_in.webhooks(mode="hold")
    create(stripe_client, "One", "Two", "Three")
    stand_in.webhooks(mode="reorder")
    events = receiver.wait_until(lambda events: len(events) == 3)

    assert names(events) == ["Three", "Two", "One"]


def test_hold_keeps_events_until_the_mode_is_normal(
    stand_in: StandIn, stripe_client: StripeClient, receiver: Receiver
) -> None:
    stand_in.webhooks(mode="hold")
    create(stripe_client, "Held", "Held too")

    assert stand_in.webhooks()["pending"] == 2
    assert receiver.deliveries == []
    stand_in.webhooks(mode="normal")
    assert set(names(receiver.wait_until(lambda events: len(events) == 2))) == {"Held", "Held too"}


def test_drop_delivers_nothing_but_the_event_can_be_listed(
    stand_in: StandIn, stripe_client: StripeClient, receiver: Receiver
) -> None:
    stand_in.webhooks(mode="drop")
    create(stripe_client, "Lost")
    stand_in.webhooks(mode="normal")
    create(stripe_client, "Found")
    delivered = receiver.wait_until(lambda events: len(events) == 1)
    listed = stripe_client.v1.events.list({"type": "product.created", "limit": 2}).data

    assert names(delivered) == ["Found"]
    assert names(listed) == ["Found", "Lost"]


def test_only_the_types_asked_for_are_delivered(
    stand_in: StandIn, stripe_client: StripeClient, receiver: Receiver
) -> None:
    stand_in.webhooks(events=["customer.created"])
    create(stripe_client, "Not asked for")
    stripe_client.v1.customers.create({"name": "Asked for"})
    stand_in.wait_until_delivered()

    assert [event.type for event in receiver.events()] == ["customer.created"]


def test_a_refused_or_rolled_back_request_tells_nothing(
    stand_in: StandIn, stripe_client: StripeClient, receiver: Receiver
) -> None:
    with pytest.raises(stripe.CardError):
        stripe_client.v1.customers.create({"name": "Declined", "payment_method": "pm_card_chargeDeclined"})
    create(stripe_client, "After")
    events = receiver.wait_until(lambda events: bool(events))

    assert names(events) == ["After"]
    assert json.loads(receiver.deliveries[0][0])["type"] == "product.created"


def test_a_mode_that_does_not_exist_is_refused(stand_in: StandIn) -> None:
    with pytest.raises(ValueError, match=r"400 .*mode"):
        stand_in.control("webhooks", {"mode": "sideways"})
