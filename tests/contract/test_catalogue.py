"""Products and prices."""

import uuid
from decimal import Decimal

import httpx
import pytest
import stripe
from stripe import StripeClient


@pytest.fixture
def product(stripe_client: StripeClient) -> stripe.Product:
    return stripe_client.v1.products.create({"name": "Silver", "metadata": {"seats": "5"}})


def test_a_new_product_is_an_active_service(product: stripe.Product) -> None:
    assert product.id.startswith("prod_")
    assert (product.name, product.active, product.type) == ("Silver", True, "service")
    assert product.default_price is None
    assert product.metadata.to_dict() == {"seats": "5"}


def test_a_product_may_choose_its_id_once(stripe_client: StripeClient) -> None:
    chosen = f"plan_{uuid.uuid4().hex}"
    made = stripe_client.v1.products.create({"name": "Chosen", "id": chosen})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.products.create({"name": "Again", "id": chosen})

    assert made.id == chosen
    assert refused.value.code == "resource_already_exists"


def test_an_update_changes_a_product_and_unsets_fields(
    stripe_client: StripeClient, product: stripe.Product
) -> None:
    described = stripe_client.v1.products.update(product.id, {"description": "All you need"})
    bare = stripe_client.v1.products.update(product.id, {"description": "", "active": False})

    assert described.description == "All you need"
    assert (bare.description, bare.active, bare.name) == (None, False, "Silver")


def test_a_product_with_prices_cannot_be_deleted(
    stripe_client: StripeClient, product: stripe.Product
) -> None:
    other = stripe_client.v1.products.create({"name": "Without prices"})
    stripe_client.v1.prices.create({"currency": "usd", "unit_amount": 1000, "product": product.id})
    gone = stripe_client.v1.products.delete(other.id)
    with pytest.raises(stripe.InvalidRequestError):
        stripe_client.v1.products.delete(product.id)

    assert gone.deleted is True


def test_products_are_listed_by_id_and_activity(stripe_client: StripeClient, product: stripe.Product) -> None:
    find = stripe_client.v1.products.list

    assert [p.id for p in find({"ids": [product.id]}).data] == [product.id]
    assert find({"ids": [product.id], "active": False}).data == []


def test_a_recurring_price_has_both_forms_of_its_amount(
    stripe_client: StripeClient, product: stripe.Product
) -> None:
    price = stripe_client.v1.prices.create(
        {
            "currency": "USD",
            "unit_amount": 1000,
            "product": product.id,
            "recurring": {"interval": "month", "interval_count": 3},
        }
    )

    assert (price.currency, price.type, price.billing_scheme) == ("usd", "recurring", "per_unit")
    assert (price.unit_amount, price.unit_amount_decimal) == (1000, Decimal("1000"))
    assert price.recurring is not None
    assert (price.recurring.interval, price.recurring.interval_count) == ("month", 3)
    assert price.recurring.usage_type == "licensed"


def test_a_price_in_fractions_of_a_cent_has_no_whole_amount(
    raw: httpx.Client, product: stripe.Product
) -> None:
    form = {"currency": "usd", "unit_amount_decimal": "12.50", "product": product.id}
    price = raw.post("/v1/prices", data=form).json()

    assert price["unit_amount"] is None
    assert price["unit_amount_decimal"] == "12.5"
    assert price["type"] == "one_time"
    assert price["recurring"] is None


def test_a_price_can_make_its_product(stripe_client: StripeClient) -> None:
    price = stripe_client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 500,
            "product_data": {"name": "Made with the price", "metadata": {"a": "b"}},
            "expand": ["product"],
        }
    )

    assert isinstance(price.product, stripe.Product)
    assert price.product.name == "Made with the price"
    assert price.product.metadata.to_dict() == {"a": "b"}


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"currency": "usd", "unit_amount": "1"}, "product"),
        ({"currency": "usd", "product": "PRODUCT"}, "unit_amount"),
        ({"currency": "zzz", "unit_amount": "1", "product": "PRODUCT"}, "currency"),
        ({"currency": "usd", "unit_amount": "-1", "product": "PRODUCT"}, "unit_amount"),
        (
            {
                "currency": "usd",
                "unit_amount": "1",
                "product": "PRODUCT",
                "recurring[interval]": "year",
                "recurring[interval_count]": "4",
            },
            "recurring[interval_count]",
        ),
    ],
)
def test_a_price_that_makes_no_sense_is_refused(
    raw: httpx.Client, product: stripe.Product, form: dict[str, str], param: str
) -> None:
    given = {name: product.id if value == "PRODUCT" else value for name, value in form.items()}
    answer = raw.post("/v1/prices", data=given)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["param"] == param


def test_a_lookup_key_belongs_to_one_price_and_can_be_handed_over(
    stripe_client: StripeClient, product: stripe.Product
) -> None:
    key = f"silver-{uuid.uuid4().hex}"
    form: stripe.params.PriceCreateParams = {
        "currency": "usd",
        "unit_amount": 1000,
        "product": product.id,
        "lookup_key": key,
    }
    first = stripe_client.v1.prices.create(form)
    with pytest.raises(stripe.InvalidRequestError):
        stripe_client.v1.prices.create(form)
    second = stripe_client.v1.prices.create({**form, "transfer_lookup_key": True})

    assert first.lookup_key == second.lookup_key == key
    assert stripe_client.v1.prices.retrieve(first.id).lookup_key is None
    assert [p.id for p in stripe_client.v1.prices.list({"lookup_keys": [key]}).data] == [second.id]


def test_prices_are_listed_by_product_activity_type_and_interval(
    stripe_client: StripeClient, product: stripe.Product
) -> None:
    create, find = stripe_client.v1.prices.create, stripe_client.v1.prices.list
    once = create({"currency": "usd", "unit_amount": 1, "product": product.id})
    month = create(
        {"currency": "usd", "unit_amount": 2, "product": product.id, "recurring": {"interval": "month"}}
    )
    year = create(
        {"currency": "eur", "unit_amount": 3, "product": product.id, "recurring": {"interval": "year"}}
    )
    stripe_client.v1.prices.update(month.id, {"active": False, "nickname": "old"})

    def found(**filters: object) -> set[str]:
        return {p.id for p in find({"product": product.id, **filters}).data}  # type: ignore[arg-type]

    assert found() == {once.id, month.id, year.id}
    assert found(active=True) == {once.id, year.id}
    assert found(type="one_time") == {once.id}
    assert found(recurring={"interval": "year"}) == {year.id}
    assert found(currency="eur") == {year.id}


def test_the_default_price_must_be_one_of_the_product(
    stripe_client: StripeClient, product: stripe.Product
) -> None:
    price = stripe_client.v1.prices.create({"currency": "usd", "unit_amount": 1, "product": product.id})
    other = stripe_client.v1.products.create({"name": "Other"})
    with pytest.raises(stripe.InvalidRequestError):
        stripe_client.v1.products.update(other.id, {"default_price": price.id})

    assert stripe_client.v1.products.update(product.id, {"default_price": price.id}).default_price == price.id
