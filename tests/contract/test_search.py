"""Search: Stripe's query language over seven kinds of objects, and how late it is."""

from typing import Any

import httpx
import pytest
import stripe

from .billing import Business


def names(found: Any) -> list[str]:
    return [one.name for one in found.data]


@pytest.fixture
def people(business: Business) -> Business:
    for index, (name, email, metadata) in enumerate(
        [
            ("Ada Lovelace", "ada@example.com", {"order": "6735", "tier": "gold"}),
            ("Grace Hopper", "grace@example.com", {"order": "6736"}),
            ("Alan Turing", "alan@example.org", {}),
        ]
    ):
        business.at(1775001600 + index * 60)
        business.v1.customers.create({"name": name, "email": email, "metadata": metadata})
    return business


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("email:'ada@example.com'", ["Ada Lovelace"]),
        ('email:"ADA@example.com"', ["Ada Lovelace"]),
        ("email~'example.com'", ["Grace Hopper", "Ada Lovelace"]),
        ("-email~'example.com'", ["Alan Turing"]),
        ("name~'tur' OR name~'hop'", ["Alan Turing", "Grace Hopper"]),
        ("metadata['order']:'6735'", ["Ada Lovelace"]),
        ("metadata['order']:null", ["Alan Turing"]),
        ("-metadata['order']:null AND created>1775001600", ["Grace Hopper"]),
        ("created>=1775001660 created<1775001720", ["Grace Hopper"]),
        ("created:1775001720", ["Alan Turing"]),
        ("phone:null", ["Alan Turing", "Grace Hopper", "Ada Lovelace"]),
        ("name:'Ada'", []),
    ],
)
def test_a_query_finds_what_it_says(people: Business, query: str, expected: list[str]) -> None:
    assert names(people.v1.customers.search({"query": query})) == expected


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("email", "unable to parse"),
        ("email:'a' AND", "unable to parse"),
        ("AND email:'a'", "unable to parse"),
        ("(email:'a')", "unable to parse"),
        (" ", "unable to parse"),
        ("email:'a' AND name:'b' OR name:'c'", "cannot combine AND and OR"),
        ("colour:'blue'", "Field `colour` is an unsupported search field for resource `customers`"),
        ("name~'ab'", "at least 3 characters"),
        ("created~'177'", "of a string field"),
        ("name>'a'", "does not support the operator"),
        ("created>'yesterday'", "takes a number"),
    ],
)
def test_a_query_that_is_none_is_refused(people: Business, query: str, says: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=says) as refused:
        people.v1.customers.search({"query": query})
    assert (refused.value.http_status, refused.value.param) == (400, "query")


def test_each_kind_is_searched_by_its_own_fields(business: Business) -> None:
    subscription = business.subscribe(1000)
    invoice = business.invoice(subscription.latest_invoice)
    v1, customer = business.v1, subscription.customer
    found = {
        "subscriptions": v1.subscriptions.search({"query": "status:'active'"}),
        "invoices": v1.invoices.search({"query": f"subscription:'{subscription.id}' AND total>999"}),
        "prices": v1.prices.search({"query": "active:'true' AND currency:'usd'"}),
        "products": v1.products.search({"query": "name~'silver'"}),
        "charges": v1.charges.search({"query": f"customer:'{customer}' amount:1000 refunded:'false'"}),
        "payment_intents": v1.payment_intents.search({"query": "status:'succeeded'"}),
    }
    assert {kind: len(answer.data) for kind, answer in found.items()} == dict.fromkeys(found, 1)
    assert found["invoices"].data[0].id == invoice.id
    assert found["charges"].data[0].payment_method_details.card.last4 == "4242"


def test_pages_follow_each_other(people: Business) -> None:
    first = people.v1.customers.search({"query": "email~'example'", "limit": 2, "expand": ["total_count"]})
    second = people.v1.customers.search({"query": "email~'example'", "limit": 2, "page": first.next_page})
    everything = people.v1.customers.search({"query": "email~'example'", "limit": 1}).auto_paging_iter()
    assert (first.object, first.has_more, first.total_count) == ("search_result", True, 3)
    assert names(first) + names(second) == ["Alan Turing", "Grace Hopper", "Ada Lovelace"]
    assert (second.has_more, second.next_page) == (False, None)
    assert len(list(everything)) == 3


def test_what_was_just_made_is_found_a_while_later(people: Business) -> None:
    people.stand_in.control("search", {"delay_seconds": 60})
    try:
        at_once = names(people.v1.customers.search({"query": "name:'Alan Turing'"}))
        older = names(people.v1.customers.search({"query": "name:'Grace Hopper'"}))
        people.at(1775001600 + 180)
        later = names(people.v1.customers.search({"query": "name:'Alan Turing'"}))
    finally:
        people.stand_in.control("search", {"delay_seconds": 0})
    assert (at_once, older, later) == ([], ["Grace Hopper"], ["Alan Turing"])


def test_search_has_a_limit_of_its_own(business: Business) -> None:
    business.stand_in.control("limits", {"per_endpoint": 25})
    headers = {"Authorization": "Bearer sk_test_limits"}
    with httpx.Client(base_url=business.stand_in.url, headers=headers, trust_env=False) as client:
        answers = [client.get("/v1/prices/search", params={"query": "active:'true'"}) for _ in range(24)]
        lists = client.get("/v1/prices")
    business.stand_in.control("limits", {"per_endpoint": None})
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 1
    assert refused[0].headers["stripe-rate-limited-reason"] == "endpoint-rate"
    assert lists.status_code == 200
