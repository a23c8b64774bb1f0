"""Webhook endpoints and event destinations: objects that are told of events, each in its own way."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import stripe
from stripe import StripeClient

from sandbox.stripe.server.inprocess import StandIn

from .receiver import Receiver, receiving

ACACIA = "2025-02-24.acacia"


@pytest.fixture
def endpoint(stand_in: StandIn) -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


@pytest.fixture
def other(stand_in: StandIn) -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


@pytest.fixture(autouse=True)
def _none_is_left(stripe_client: StripeClient) -> Iterator[None]:
    yield
    for one in stripe_client.v1.webhook_endpoints.list({"limit": 100}).data:
        stripe_client.v1.webhook_endpoints.delete(one.id)
    for destination in stripe_client.v2.core.event_destinations.list().data:
        stripe_client.v2.core.event_destinations.delete(destination.id)


def told(receiver: Receiver, secret: str, count: int = 1) -> list[Any]:
    """The events that came, each verified by this secret."""
    with receiver.changed:
        assert receiver.changed.wait_for(lambda: len(receiver.deliveries) >= count, 30)
        taken = list(receiver.deliveries)
    for body, signature in taken:
        stripe.WebhookSignature.verify_header(body.decode(), signature, secret)
    return [json.loads(body) for body, _ in taken]


def test_the_secret_is_shown_once(stripe_client: StripeClient, endpoint: Receiver) -> None:
    given: Any = {"url": endpoint.url, "enabled_events": ["*"], "description": "All", "metadata": {"a": "1"}}
    made = stripe_client.v1.webhook_endpoints.create(given)
    read = stripe_client.v1.webhook_endpoints.retrieve(made.id)
    listed = stripe_client.v1.webhook_endpoints.list().data
    assert made.secret is not None
    assert made.secret.startswith("whsec_")
    assert "secret" not in read.to_dict()
    assert [one.to_dict() for one in listed] == [read.to_dict()]
    assert (read.status, read.api_version, read.description) == ("enabled", None, "All")


def test_each_endpoint_is_told_what_it_wants_by_its_own_secret(
    stripe_client: StripeClient, endpoint: Receiver, other: Receiver
) -> None:
    create = stripe_client.v1.webhook_endpoints.create
    everything = create({"url": endpoint.url, "enabled_events": ["*"]})
    updates = create({"url": other.url, "enabled_events": ["product.updated"]})
    product = stripe_client.v1.products.create({"name": "Told"})
    stripe_client.v1.products.update(product.id, {"name": "Told again"})
    first = told(endpoint, str(everything.secret), 2)
    second = told(other, str(updates.secret))
    assert {event["type"] for event in first} == {"product.created", "product.updated"}
    assert [event["type"] for event in second] == ["product.updated"]


def test_an_event_counts_the_endpoints_that_it_waits_for(
    stand_in: StandIn, stripe_client: StripeClient, endpoint: Receiver, other: Receiver
) -> None:
    stand_in.webhooks(mode="hold")
    for one in (endpoint, other):
        stripe_client.v1.webhook_endpoints.create({"url": one.url, "enabled_events": ["product.created"]})
    stripe_client.v1.products.create({"name": "Waiting"})
    event = stripe_client.v1.events.list({"limit": 1}).data[0]
    undelivered = stripe_client.v1.events.list({"limit": 1, "delivery_success": False}).data[0]
    stand_in.webhooks(mode="normal")
    stand_in.wait_until_delivered()
    assert (event.pending_webhooks, undelivered.id) == (2, event.id)
    assert stripe_client.v1.events.retrieve(event.id).pending_webhooks == 0


def test_an_endpoint_is_told_in_its_own_version(stripe_client: StripeClient, endpoint: Receiver) -> None:
    made = stripe_client.v1.webhook_endpoints.create(
        {"url": endpoint.url, "enabled_events": ["promotion_code.created"], "api_version": ACACIA}
    )
    coupon = stripe_client.v1.coupons.create({"percent_off": 10, "duration": "once"})
    promotion: Any = {"type": "coupon", "coupon": coupon.id}
    stripe_client.v1.promotion_codes.create({"promotion": promotion})
    event = told(endpoint, str(made.secret))[0]
    assert event["api_version"] == ACACIA
    assert event["data"]["object"]["coupon"]["id"] == coupon.id


def test_what_changed_is_told_in_the_version_too(stripe_client: StripeClient, endpoint: Receiver) -> None:
    customer = stripe_client.v1.customers.create(
        {
            "name": "Periodic",
            "payment_method": "pm_card_visa",
            "invoice_settings": {"default_payment_method": "pm_card_visa"},
        }
    )
    price = stripe_client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 900,
            "product_data": {"name": "Periodic"},
            "recurring": {"interval": "month"},
        }
    )
    subscription = stripe_client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": price.id}]}
    )
    made = stripe_client.v1.webhook_endpoints.create(
        {"url": endpoint.url, "enabled_events": ["customer.subscription.updated"], "api_version": ACACIA}
    )
    item = subscription["items"].data[0]
    change: Any = {"items": [{"id": item.id, "quantity": 3}], "trial_end": item.current_period_end + 86400}
    stripe_client.v1.subscriptions.update(subscription.id, change)
    data = told(endpoint, str(made.secret))[0]["data"]
    former = data["previous_attributes"]
    assert data["object"]["current_period_end"] == item.current_period_end + 86400
    assert former["current_period_end"] == item.current_period_end
    assert [one["quantity"] for one in former["items"]["data"]] == [1]
    assert "current_period_end" not in former["items"]["data"][0]


def test_an_endpoint_that_is_off_or_gone_is_told_nothing(
    stand_in: StandIn, stripe_client: StripeClient, endpoint: Receiver, other: Receiver
) -> None:
    endpoints = stripe_client.v1.webhook_endpoints
    off = endpoints.create({"url": endpoint.url, "enabled_events": ["*"]})
    gone = endpoints.create({"url": other.url, "enabled_events": ["*"]})
    assert endpoints.update(off.id, {"disabled": True}).status == "disabled"
    stand_in.webhooks(mode="hold")
    stripe_client.v1.products.create({"name": "Unheard"})
    assert endpoints.delete(gone.id).deleted
    stand_in.webhooks(mode="normal")
    stand_in.wait_until_delivered()
    assert (endpoint.deliveries, other.deliveries) == ([], [])
    assert endpoints.update(off.id, {"disabled": False}).status == "enabled"
    stripe_client.v1.products.create({"name": "Heard"})
    assert told(endpoint, str(off.secret))[0]["data"]["object"]["name"] == "Heard"


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"url": "example.com", "enabled_events": ["*"]}, "url"),
        ({"url": "https://example.com", "enabled_events": ["product.exploded"]}, "enabled_events[0]"),
        ({"url": "https://example.com", "enabled_events": ["*"], "api_version": "1999"}, "api_version"),
        ({"url": "https://example.com", "enabled_events": ["*"], "connect": True}, "connect"),
    ],
)
def test_what_an_endpoint_can_not_be_is_refused(stripe_client: StripeClient, given: Any, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.webhook_endpoints.create(given)
    assert refused.value.param == param


def test_there_are_at_most_sixteen(stripe_client: StripeClient) -> None:
    given: Any = {"url": "http://127.0.0.1:9/", "enabled_events": ["charge.failed"]}
    for _ in range(16):
        stripe_client.v1.webhook_endpoints.create(given)
    with pytest.raises(stripe.InvalidRequestError, match="maximum of 16"):
        stripe_client.v1.webhook_endpoints.create(given)


def destination(client: StripeClient, url: str, **more: Any) -> stripe.v2.core.EventDestination:
    given: Any = {
        "name": "Thin",
        "type": "webhook_endpoint",
        "event_payload": "thin",
        "enabled_events": ["v1.customer.created"],
        "webhook_endpoint": {"url": url},
        "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
        **more,
    }
    return client.v2.core.event_destinations.create(given)


def secret_of(made: stripe.v2.core.EventDestination) -> str:
    assert made.webhook_endpoint is not None
    return str(made.webhook_endpoint.signing_secret)


def test_a_thin_event_names_its_object_and_the_sdk_fetches_both(
    stripe_client: StripeClient, endpoint: Receiver
) -> None:
    made = destination(stripe_client, endpoint.url)
    customer = stripe_client.v1.customers.create({"name": "Thin"}, {"idempotency_key": "thin-1"})
    told(endpoint, secret_of(made))
    body, signature = endpoint.deliveries[0]
    notification: Any = stripe_client.parse_event_notification(body, signature, secret_of(made))
    assert notification.type == "v1.customer.created"
    assert (notification.related_object.id, notification.related_object.url) == (
        customer.id,
        f"/v1/customers/{customer.id}",
    )
    assert notification.reason.request.idempotency_key == "thin-1"
    assert notification.fetch_related_object().name == "Thin"
    event = notification.fetch_event()
    assert event.id == notification.id
    snapshot = stripe_client.v1.events.list({"type": "customer.created", "limit": 1}).data[0]
    assert event.snapshot_event == snapshot.id


def test_a_destination_shows_its_address_when_asked_and_its_secret_never_again(
    stripe_client: StripeClient, endpoint: Receiver
) -> None:
    destinations = stripe_client.v2.core.event_destinations
    made = destination(stripe_client, endpoint.url, description="First")
    plain = destinations.retrieve(made.id)
    shown = destinations.retrieve(made.id, {"include": ["webhook_endpoint.url"]})
    changed = destinations.update(made.id, {"name": "Renamed", "metadata": {"a": "1"}})
    assert plain.webhook_endpoint is None
    assert shown.webhook_endpoint is not None
    assert shown.webhook_endpoint.url == endpoint.url
    assert "signing_secret" not in shown.webhook_endpoint.to_dict()
    facts = changed.to_dict()
    assert (facts["name"], facts["description"], facts["metadata"]) == ("Renamed", "First", {"a": "1"})
    assert [one.id for one in destinations.list().data] == [made.id]


def test_a_destination_is_pinged_alone_and_can_be_switched_off(
    stand_in: StandIn, stripe_client: StripeClient, endpoint: Receiver, other: Receiver
) -> None:
    destinations = stripe_client.v2.core.event_destinations
    made, second = destination(stripe_client, endpoint.url), destination(stripe_client, other.url)
    destinations.ping(made.id)
    event = told(endpoint, secret_of(made))[0]
    assert event["type"] == "v2.core.event_destination.ping"
    assert event["related_object"]["id"] == made.id
    assert destinations.disable(second.id).status == "disabled"
    stripe_client.v1.customers.create({"name": "Unheard"})
    told(endpoint, secret_of(made), 2)
    stand_in.wait_until_delivered()
    assert other.deliveries == []
    assert destinations.enable(second.id).status == "enabled"
    types = {one.type for one in stripe_client.v1.events.list({"limit": 100}).data}
    assert not any(type.startswith("v2.") for type in types)


def test_a_destination_of_snapshots_has_a_version(stripe_client: StripeClient, endpoint: Receiver) -> None:
    made = destination(
        stripe_client,
        endpoint.url,
        event_payload="snapshot",
        enabled_events=["product.created"],
        snapshot_api_version=ACACIA,
    )
    stripe_client.v1.products.create({"name": "Snapshot"})
    event = told(endpoint, secret_of(made))[0]
    assert (event["object"], event["api_version"]) == ("event", ACACIA)


def test_thin_events_are_listed_by_object_and_page_by_page(stripe_client: StripeClient) -> None:
    customer = stripe_client.v1.customers.create({"name": "Listed"})
    for name in ("One", "Two", "Three"):
        stripe_client.v1.customers.update(customer.id, {"name": name})
    events = stripe_client.v2.core.events
    first = events.list({"object_id": customer.id, "limit": 3})
    assert [event.type for event in first.data] == ["v1.customer.updated"] * 3
    assert len(list(events.list({"object_id": customer.id}).data)) == 4
    updates = events.list({"object_id": customer.id, "types": ["v1.customer.created"]})
    assert [event.type for event in updates.data] == ["v1.customer.created"]
    assert events.list({"object_id": customer.id, "created": {"lt": "2020-01-01T00:00:00Z"}}).data == []
    everything = [event.id for event in events.list({"limit": 2}).auto_paging_iter()]
    assert len(everything) == len(set(everything)) >= 4


def test_a_thin_event_of_a_discount_names_the_address_of_whose_it_is(
    stand_in: StandIn, stripe_client: StripeClient
) -> None:
    coupon = stripe_client.v1.coupons.create({"percent_off": 10, "duration": "forever"})
    customer = stripe_client.v1.customers.create({"name": "Listed"})
    stand_in.control("discounts", {"customer": customer.id, "coupon": coupon.id})
    listed = stripe_client.v2.core.events.list({"types": ["v1.customer.discount.created"], "limit": 1})
    related = listed.data[0].related_object
    assert related is not None
    assert (related.type, related.url) == ("discount", f"/v1/customers/{customer.id}/discount")
