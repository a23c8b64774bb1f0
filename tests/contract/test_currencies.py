"""Prices in several currencies: https://docs.stripe.com/products-prices/how-products-and-prices-work."""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, amounts, items_of, shape


def several(business: Business, amount: int, **options: Any) -> str:
    """A price in dollars that may be charged in other currencies."""
    product = business.v1.products.create({"name": "Silver"}).id
    given = {"product": product, "currency": "usd", "recurring": {"interval": "month"}}
    given |= {"unit_amount": amount, "currency_options": options}
    return str(business.v1.prices.create(given).id)


def refused(call: Any, *args: Any, **kwargs: Any) -> str | None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        call(*args, **kwargs)
    return caught.value.param


def test_other_currencies_are_shown_on_request_only(business: Business) -> None:
    id = several(business, 1000, eur={"unit_amount": 900}, gbp={"unit_amount_decimal": "799.5"})
    assert "currency_options" not in business.v1.prices.retrieve(id).to_dict()
    shown = business.v1.prices.retrieve(id, {"expand": ["currency_options"]}).currency_options
    assert {currency: option["unit_amount"] for currency, option in shown.to_dict().items()} == {
        "usd": 1000,
        "eur": 900,
        "gbp": None,
    }
    business.v1.prices.update(id, {"currency_options": {"eur": {"unit_amount": 950}}})
    shown = business.v1.prices.retrieve(id, {"expand": ["currency_options"]}).currency_options
    assert shown["eur"]["unit_amount"] == 950


def test_a_wrong_option_is_refused_by_its_name(business: Business) -> None:
    assert refused(several, business, 1000, xxx={"unit_amount": 1}) == "currency_options[xxx]"
    param = refused(several, business, 1000, eur={"tax_behavior": "exclusive"})
    assert param == "currency_options[eur][unit_amount]"


def test_a_subscription_is_in_the_currency_asked_for(business: Business) -> None:
    small = several(business, 1000, eur={"unit_amount": 900})
    large = several(business, 2000, eur={"unit_amount": 1900})
    subscription = business.subscribe(items=[{"price": small}], currency="eur")
    first = business.invoice(subscription.latest_invoice)
    assert (subscription.currency, first.currency, amounts(first)) == ("eur", "eur", [900])
    business.at(APRIL + 15 * DAY)
    preview = business.preview(subscription, large, proration_behavior="always_invoice")
    changed = business.change(subscription, large, proration_behavior="always_invoice")
    invoice = business.invoice(changed.latest_invoice)
    assert [shape(line) for line in preview.lines.data] == [shape(line) for line in invoice.lines.data]
    assert (amounts(invoice), {line.currency for line in invoice.lines.data}) == ([-450, 950], {"eur"})
    business.at(MAY + 3600)
    renewed = business.subscription(subscription.id)
    assert amounts(business.invoice(renewed.latest_invoice)) == [1900]


def test_tiers_may_differ_by_currency(business: Business) -> None:
    product = business.v1.products.create({"name": "Seats"}).id
    tiers = [{"up_to": 5, "unit_amount": 700}, {"up_to": "inf", "unit_amount": 600}]
    lower = [{"up_to": 5, "unit_amount": 500}, {"up_to": "inf", "unit_amount": 400}]
    price = business.v1.prices.create(
        {
            "product": product,
            "currency": "usd",
            "recurring": {"interval": "month"},
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": tiers,
            "currency_options": {"eur": {"tiers": lower}},
        }
    )
    items = [{"price": price.id, "quantity": 7}]
    in_euros = business.subscribe(items=items, currency="eur")
    in_dollars = business.subscribe(items=items)
    assert business.invoice(in_euros.latest_invoice).total == 3300
    assert business.invoice(in_dollars.latest_invoice).total == 4700


def test_a_currency_that_a_price_has_not_is_refused(business: Business) -> None:
    both = several(business, 1000, eur={"unit_amount": 900})
    assert refused(business.subscribe, items=[{"price": both}], currency="gbp") == "currency"
    subscription = business.subscribe(items=[{"price": both}], currency="eur")
    assert refused(business.change, subscription, business.price(2000, "Gold")) == "items"
    customer = subscription.customer
    again = business.subscribe(items=[{"price": both}], customer=customer)
    assert again.currency == "eur"
    assert refused(business.subscribe, items=[{"price": both}], customer=customer, currency="usd") == "items"
    assert items_of(again)[0].price.currency == "usd"
