"""Lists, their cursors, and `expand[]`."""

import uuid

import httpx
import pytest
import stripe
from stripe import StripeClient

from sandbox.stripe.server.inprocess import StandIn


@pytest.fixture(scope="module")
def product(stripe_client: StripeClient) -> stripe.Product:
    return stripe_client.v1.products.create({"name": "Listed"})


@pytest.fixture(scope="module")
def prices(stripe_client: StripeClient, product: stripe.Product) -> list[str]:
    """The ids of twelve prices of a product, newest first."""
    made = [
        stripe_client.v1.prices.create({"currency": "usd", "unit_amount": n, "product": product.id}).id
        for n in range(1, 13)
    ]
    return made[::-1]


def ids(page: stripe.ListObject[stripe.Price]) -> list[str]:
    return [price.id for price in page.data]


def test_a_list_gives_ten_newest_first(
    stripe_client: StripeClient, product: stripe.Product, prices: list[str]
) -> None:
    page = stripe_client.v1.prices.list({"product": product.id})

    assert ids(page) == prices[:10]
    assert page.has_more is True
    assert page.url == "/v1/prices"


def test_cursors_go_forward_and_back(
    stripe_client: StripeClient, product: stripe.Product, prices: list[str]
) -> None:
    list_ = stripe_client.v1.prices.list
    after = list_({"product": product.id, "limit": 5, "starting_after": prices[4]})
    last = list_({"product": product.id, "limit": 5, "starting_after": prices[9]})
    before = list_({"product": product.id, "limit": 3, "ending_before": prices[5]})
    first = list_({"product": product.id, "limit": 3, "ending_before": prices[2]})

    assert (ids(after), after.has_more) == (prices[5:10], True)
    assert (ids(last), last.has_more) == (prices[10:], False)
    assert (ids(before), before.has_more) == (prices[2:5], True)
    assert (ids(first), first.has_more) == (prices[:2], False)


def test_the_sdk_pages_through_everything(
    stripe_client: StripeClient, product: stripe.Product, prices: list[str]
) -> None:
    page = stripe_client.v1.prices.list({"product": product.id, "limit": 5})

    assert [price.id for price in page.auto_paging_iter()] == prices


@pytest.mark.parametrize("limit", ["0", "101", "-1"])
def test_a_limit_outside_1_to_100_is_refused(raw: httpx.Client, limit: str) -> None:
    answer = raw.get("/v1/prices", params={"limit": limit})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "limit"


def test_an_unknown_cursor_is_resource_missing(raw: httpx.Client) -> None:
    answer = raw.get("/v1/prices", params={"starting_after": "price_nothing"})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "resource_missing"
    assert answer.json()["error"]["param"] == "starting_after"


def test_created_filters_take_a_second_or_a_range(stand_in: StandIn, stripe_client: StripeClient) -> None:
    stand_in.advance(10)
    email = f"{uuid.uuid4().hex}@example.com"
    created = stripe_client.v1.customers.create({"email": email}).created
    find = stripe_client.v1.customers.list

    assert len(find({"email": email, "created": created}).data) == 1
    assert len(find({"email": email, "created": {"gte": created, "lte": created}}).data) == 1
    assert find({"email": email, "created": {"gt": created}}).data == []
    assert find({"email": email, "created": {"lt": created}}).data == []


def test_expand_replaces_an_id_by_its_object(
    stripe_client: StripeClient, product: stripe.Product, prices: list[str]
) -> None:
    plain = stripe_client.v1.prices.retrieve(prices[0])
    expanded = stripe_client.v1.prices.retrieve(prices[0], {"expand": ["product"]})

    assert plain.product == product.id
    assert isinstance(expanded.product, stripe.Product)
    assert expanded.product.name == "Listed"


def test_expand_reaches_into_lists_with_data(
    stripe_client: StripeClient, product: stripe.Product, prices: list[str]
) -> None:
    page = stripe_client.v1.prices.list({"product": product.id, "limit": 2, "expand": ["data.product"]})

    assert [p.product.id for p in page.data if isinstance(p.product, stripe.Product)] == [product.id] * 2


def test_expand_works_on_what_a_post_answers(stripe_client: StripeClient) -> None:
    made = stripe_client.v1.products.create(
        {
            "name": "With price",
            "default_price_data": {"currency": "usd", "unit_amount": 700},
            "expand": ["default_price.product"],
        }
    )

    assert isinstance(made.default_price, stripe.Price)
    assert made.default_price.unit_amount == 700
    assert isinstance(made.default_price.product, stripe.Product)
    assert made.default_price.product.id == made.id


def test_expanding_nothing_is_fine(stripe_client: StripeClient, customer: stripe.Customer) -> None:
    expand = ["invoice_settings.default_payment_method"]
    found = stripe_client.v1.customers.retrieve(customer.id, {"expand": expand})

    assert found.invoice_settings is not None
    assert found.invoice_settings.default_payment_method is None


@pytest.mark.parametrize("path", ["colour", "created", "metadata.colour.shade"])
def test_what_cannot_be_expanded_is_refused(raw: httpx.Client, customer: stripe.Customer, path: str) -> None:
    answer = raw.get(f"/v1/customers/{customer.id}", params={"expand[]": path})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(f"This property cannot be expanded ({path}).")


@pytest.mark.parametrize("path", ["a.b.c.d.e", "subscriptions.data.items.data.price"])
def test_at_most_four_levels_are_expanded(raw: httpx.Client, customer: stripe.Customer, path: str) -> None:
    """A list's `data` is one of them: recorded of `data.items.data.price.product`."""
    answer = raw.get(f"/v1/customers/{customer.id}", params={"expand[]": path})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("You cannot expand more than 4 levels of a property.")


def test_a_refused_expansion_leaves_nothing_behind(raw: httpx.Client, stand_in: StandIn) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    refused = raw.post("/v1/customers", data={"email": email, "expand[]": "colour"})

    assert refused.status_code == 400
    assert raw.get("/v1/customers", params={"email": email}).json()["data"] == []
