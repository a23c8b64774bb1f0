"""The check of answers against the SDK's annotations finds what is wrong with them."""

from typing import Any

import httpx
import pytest

from sandbox.stripe.core.conformance import check


@pytest.fixture
def price(raw: httpx.Client) -> dict[str, Any]:
    """A price that conforms, with its product expanded."""
    form = {
        "currency": "usd",
        "unit_amount": "100",
        "product_data[name]": "Checked",
        "recurring[interval]": "month",
        "expand[]": "product",
    }
    made: dict[str, Any] = raw.post("/v1/prices", data=form).json()
    return made


def found(answer: Any) -> list[tuple[str, str]]:
    return [(violation["path"], violation["kind"]) for violation in check(answer)]


def test_a_good_object_has_no_violations(price: dict[str, Any]) -> None:
    assert found(price) == []
    assert found({"object": "list", "data": [price], "has_more": False, "url": "/v1/prices"}) == []


def test_absent_and_null_required_fields_are_told_apart(price: dict[str, Any]) -> None:
    del price["active"]
    price["currency"] = None

    assert found(price) == [("price.active", "missing"), ("price.currency", "null")]


def test_wrong_types_and_enum_values_are_found(price: dict[str, Any]) -> None:
    price["unit_amount"] = "100"
    price["unit_amount_decimal"] = 100
    price["livemode"] = 0
    price["type"] = "sometimes"
    price["object"] = "price"

    assert set(found(price)) == {
        ("price.unit_amount", "type"),
        ("price.unit_amount_decimal", "type"),
        ("price.livemode", "type"),
        ("price.type", "enum"),
    }


def test_nested_and_expanded_objects_are_checked(price: dict[str, Any]) -> None:
    price["recurring"]["interval"] = "fortnight"
    price["recurring"]["colour"] = "red"
    del price["product"]["name"]

    assert set(found(price)) == {
        ("price.recurring.interval", "enum"),
        ("price.recurring.colour", "unknown_field"),
        ("price.product.name", "missing"),
    }


def test_elements_of_lists_and_snapshots_of_events_are_checked(price: dict[str, Any]) -> None:
    price["active"] = "yes"
    listed = {"object": "list", "data": [price], "has_more": False, "url": "/v1/prices"}
    event = {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1,
        "data": {"object": price},
        "livemode": False,
        "pending_webhooks": 0,
        "request": None,
        "type": "price.created",
    }

    assert found(listed) == [("list.data[0].active", "type")]
    assert found(event) == [("event.data.object.active", "type")]


def test_what_the_sdk_does_not_know_is_found(price: dict[str, Any]) -> None:
    price["current_period_end"] = 1

    assert found(price) == [("price.current_period_end", "unknown_field")]
    assert found({"object": "spaceship", "id": "x"}) == [("spaceship", "unknown_object")]
