"""The list of events: recovery for webhooks that were missed."""

import uuid

import pytest
import stripe
from stripe import StripeClient

from sandbox.stripe.server.inprocess import StandIn


def test_events_are_filtered_by_types_and_by_time(stand_in: StandIn, stripe_client: StripeClient) -> None:
    since = stand_in.advance(60)
    made = stripe_client.v1.customers.create({"name": uuid.uuid4().hex})
    stripe_client.v1.customers.update(made.id, {"phone": "1"})
    stripe_client.v1.products.create({"name": "Noise"})
    find = stripe_client.v1.events.list

    wanted = ["customer.created", "customer.updated"]
    exact = find({"types": wanted, "created": {"gte": since}})
    pattern = find({"type": "customer.*", "created": {"gte": since}})

    assert [event.type for event in exact.data] == ["customer.updated", "customer.created"]
    assert [event.id for event in pattern.data] == [event.id for event in exact.data]
    assert find({"type": "customer.created", "created": {"gt": since + 3600}}).data == []


def test_an_event_is_retrieved_with_its_snapshot(stripe_client: StripeClient) -> None:
    made = stripe_client.v1.customers.create({"name": "Snapshot"})
    stripe_client.v1.customers.update(made.id, {"name": "Later"})
    [listed] = [
        event
        for event in stripe_client.v1.events.list({"type": "customer.created"}).data
        if event.to_dict()["data"]["object"]["id"] == made.id
    ]
    event = stripe_client.v1.events.retrieve(listed.id)

    assert event.to_dict()["data"]["object"]["name"] == "Snapshot"
    assert event.to_dict() == listed.to_dict()


def test_events_are_paged_through(stand_in: StandIn, stripe_client: StripeClient) -> None:
    since = stand_in.advance(60)
    made = [stripe_client.v1.products.create({"name": str(n)}).id for n in range(5)]
    page = stripe_client.v1.events.list({"created": {"gte": since}, "limit": 2})

    assert [e.to_dict()["data"]["object"]["id"] for e in page.auto_paging_iter()] == made[::-1]


def test_events_are_forgotten_after_thirty_days(stand_in: StandIn, stripe_client: StripeClient) -> None:
    stripe_client.v1.products.create({"name": "Old news"})
    [event] = stripe_client.v1.events.list({"limit": 1}).data
    stand_in.advance(30 * 24 * 3600 + 1)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.events.retrieve(event.id)

    assert refused.value.code == "resource_missing"
    assert stripe_client.v1.events.list({"type": "product.created"}).data == []


def test_no_more_than_twenty_types_are_listed_at_once(stripe_client: StripeClient) -> None:
    find = stripe_client.v1.events.list
    assert find({"types": ["customer.created"] * 20}).object == "list"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        find({"types": ["customer.created"] * 21})

    assert refused.value.param == "types"
