"""Versions of the API: a client of an older one is understood, and reads what it knows."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from sandbox.stripe.core.kernel import API_VERSION
from sandbox.stripe.server.inprocess import StandIn
from sandbox.stripe.versions.releases import RELEASES

from .billing import Business

ACACIA, BASIL, CLOVER, DAHLIA = (
    "2025-02-24.acacia",
    "2025-08-27.basil",
    "2026-02-25.clover",
    "2026-08-26.dahlia",
)
HEADERS = {"Authorization": "Bearer sk_test_versions"}


class Old:
    """A client of one version, over plain HTTP."""

    def __init__(self, business: Business, version: str) -> None:
        headers = {**HEADERS, "Stripe-Version": version}
        self._http = httpx.Client(base_url=business.stand_in.url, headers=headers, trust_env=False)

    def ask(self, method: str, path: str, given: dict[str, Any] | None = None) -> Any:
        name = "data" if method == "POST" else "params"
        answer = self._http.request(method, f"/v1/{path}", **{name: given})  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def http(stand_in: StandIn) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stand_in.url, headers=HEADERS, trust_env=False) as client:
        yield client


def test_every_version_that_was_released_is_spoken(http: httpx.Client) -> None:
    spoken = []
    for version in RELEASES:
        answer = http.get("/v1/customers", headers={"Stripe-Version": version})
        assert answer.status_code == 200, version
        spoken.append(answer.headers["stripe-version"])
    assert spoken == list(RELEASES)
    assert len(spoken) == 129


@pytest.mark.parametrize("version", ["2025-09-30.acacia", "2026-10-28", "2019-2-19", "latest"])
def test_a_version_that_there_never_was_is_refused(http: httpx.Client, version: str) -> None:
    answer = http.get("/v1/customers", headers={"Stripe-Version": version})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["type"], error["message"]) == (
        "invalid_request_error",
        f"Invalid Stripe API version: {version}",
    )


def test_a_request_that_names_no_version_gets_the_accounts(stand_in: StandIn, http: httpx.Client) -> None:
    before = http.get("/v1/account")
    stand_in.control("version", {"version": ACACIA})
    try:
        after = http.get("/v1/account")
        product = http.post("/v1/products", data={"name": "Of the account"}).json()
        event = http.get("/v1/events", params={"type": "product.created"}).json()["data"][0]
    finally:
        stand_in.control("version", {"version": API_VERSION})
    assert (before.headers["stripe-version"], after.headers["stripe-version"]) == (API_VERSION, ACACIA)
    assert (event["data"]["object"]["id"], event["api_version"]) == (product["id"], ACACIA)
    with pytest.raises(ValueError, match="Invalid Stripe API version: never"):
        stand_in.control("version", {"version": "never"})


def test_before_basil_a_subscription_and_its_invoice_have_their_former_fields(business: Business) -> None:
    customer, price = business.customer().id, business.price(1000)
    old = Old(business, ACACIA)
    made = old.ask(
        "POST",
        "subscriptions",
        {
            "customer": customer,
            "items[0][price]": price,
            "expand[0]": "latest_invoice.payment_intent.latest_charge",
        },
    )
    item = business.client.v1.subscriptions.retrieve(made["id"])["items"].data[0]
    invoice = made["latest_invoice"]
    line = invoice["lines"]["data"][0]
    assert (made["current_period_start"], made["current_period_end"]) == (
        item.current_period_start,
        item.current_period_end,
    )
    assert "current_period_end" not in made["items"]["data"][0]
    assert made["billing_mode"]["type"] == "classic"
    assert (invoice["subscription"], invoice["paid"], invoice["tax"]) == (made["id"], True, None)
    assert invoice["payment_intent"]["invoice"] == invoice["id"]
    assert invoice["charge"] == invoice["payment_intent"]["latest_charge"]["id"]
    assert invoice["payment_intent"]["latest_charge"]["invoice"] == invoice["id"]
    assert (line["type"], line["proration"], line["price"]["id"], line["plan"]["id"]) == (
        "subscription",
        False,
        price,
        price,
    )
    assert not {"parent", "pricing", "taxes", "subtotal"} & line.keys()
    refund = old.ask("POST", "refunds", {"payment_intent": invoice["payment_intent"]["id"], "amount": 400})
    assert (refund["status"], refund["amount"]) == ("succeeded", 400)


@pytest.mark.parametrize("version", [ACACIA, BASIL])
def test_what_is_previewed_in_an_older_version_is_what_the_change_bills(
    business: Business, version: str
) -> None:
    customer, small, large = business.customer().id, business.price(1000), business.price(2000)
    old = Old(business, version)
    made = old.ask("POST", "subscriptions", {"customer": customer, "items[0][price]": small})
    business.at(1776297600)  # the half of April
    item = made["items"]["data"][0]["id"]
    if version == ACACIA:
        preview = old.ask(
            "GET",
            "invoices/upcoming",
            {
                "subscription": made["id"],
                "subscription_items[0][id]": item,
                "subscription_items[0][price]": large,
                "subscription_proration_behavior": "always_invoice",
            },
        )
        proration = [line["proration"] for line in preview["lines"]["data"]]
        lines = old.ask("GET", "invoices/upcoming/lines", {"subscription": made["id"]})
        assert [line["amount"] for line in lines["data"]] == [1000]
    else:
        preview = old.ask(
            "POST",
            "invoices/create_preview",
            {
                "subscription": made["id"],
                "subscription_details[items][0][id]": item,
                "subscription_details[items][0][price]": large,
                "subscription_details[proration_behavior]": "always_invoice",
            },
        )
        parents = [line["parent"]["subscription_item_details"] for line in preview["lines"]["data"]]
        proration = [parent["proration"] for parent in parents]
    changed = old.ask(
        "POST",
        f"subscriptions/{made['id']}",
        {
            "items[0][id]": item,
            "items[0][price]": large,
            "proration_behavior": "always_invoice",
            "expand[0]": "latest_invoice",
        },
    )
    assert sorted(line["amount"] for line in preview["lines"]["data"]) == [-500, 1000]
    assert proration == [True, True]
    assert (preview["total"], changed["latest_invoice"]["total"]) == (500, 500)


def test_the_anchor_was_a_word_before_endive(business: Business) -> None:
    customer, price = business.customer().id, business.price(1000)
    made = Old(business, DAHLIA).ask(
        "POST", "subscriptions", {"customer": customer, "items[0][price]": price}
    )
    business.at(1776297600)
    reset = {"billing_cycle_anchor": "now", "proration_behavior": "always_invoice"}
    changed = Old(business, DAHLIA).ask("POST", f"subscriptions/{made['id']}", reset)
    assert changed["billing_cycle_anchor"] == 1776297600
    assert made["billing_mode"]["type"] == "flexible"


def test_an_intent_took_types_before_endive_and_is_told_now(business: Business) -> None:
    given = {"amount": 500, "currency": "usd", "payment_method_types[0]": "card"}
    assert Old(business, DAHLIA).ask("POST", "payment_intents", given)["amount"] == 500
    refused = httpx.post(f"{business.stand_in.url}/v1/payment_intents", data=given, headers=HEADERS)
    assert refused.json()["error"]["param"] == "payment_method_types"


def test_before_clover_codes_and_discounts_had_their_coupon(business: Business) -> None:
    old = Old(business, BASIL)
    coupon = old.ask("POST", "coupons", {"percent_off": 10, "duration": "forever"})
    code = old.ask("POST", "promotion_codes", {"coupon": coupon["id"], "code": "TEN"})
    made = old.ask(
        "POST",
        "subscriptions",
        {
            "customer": business.customer().id,
            "items[0][price]": business.price(1000),
            "discounts[0][promotion_code]": code["id"],
            "expand[0]": "discounts",
        },
    )
    assert (code["coupon"]["id"], "promotion" in code) == (coupon["id"], False)
    assert made["discounts"][0]["coupon"]["percent_off"] == 10
    assert "source" not in made["discounts"][0]


def test_before_basil_there_was_one_discount_and_customers_took_a_coupon(business: Business) -> None:
    old = Old(business, ACACIA)
    coupon = old.ask("POST", "coupons", {"percent_off": 20, "duration": "forever"})["id"]
    customer = old.ask("POST", "customers", {"name": "Faithful", "coupon": coupon})["id"]
    assert old.ask("GET", f"customers/{customer}")["discount"]["coupon"]["id"] == coupon
    old.ask("POST", f"customers/{customer}", {"coupon": ""})
    assert old.ask("GET", f"customers/{customer}")["discount"] is None
    made = old.ask(
        "POST",
        "subscriptions",
        {"customer": business.customer().id, "items[0][price]": business.price(1000), "coupon": coupon},
    )
    assert made["discount"]["coupon"]["id"] == coupon


def test_before_clover_a_phase_lasted_for_iterations(business: Business) -> None:
    customer, price = business.customer().id, business.price(1000)
    made = Old(business, BASIL).ask("POST", "subscriptions", {"customer": customer, "items[0][price]": price})
    schedule = Old(business, BASIL).ask("POST", "subscription_schedules", {"from_subscription": made["id"]})
    first = schedule["phases"][0]
    changed = Old(business, BASIL).ask(
        "POST",
        f"subscription_schedules/{schedule['id']}",
        {
            "phases[0][items][0][price]": price,
            "phases[0][start_date]": first["start_date"],
            "phases[0][end_date]": first["end_date"],
            "phases[1][items][0][price]": price,
            "phases[1][iterations]": 2,
        },
    )
    assert changed["phases"][1]["end_date"] == 1782864000  # 1 July


def test_a_tax_was_an_amount_before_basil(business: Business) -> None:
    rate = business.client.v1.tax_rates.create({"display_name": "VAT", "inclusive": False, "percentage": 20})
    old = Old(business, ACACIA)
    made = old.ask(
        "POST",
        "subscriptions",
        {
            "customer": business.customer().id,
            "items[0][price]": business.price(1000),
            "default_tax_rates[0]": rate.id,
            "expand[0]": "latest_invoice",
        },
    )
    invoice = made["latest_invoice"]
    assert (invoice["tax"], invoice["total"]) == (200, 1200)
    assert invoice["total_tax_amounts"] == [
        {
            "amount": 200,
            "inclusive": False,
            "tax_rate": rate.id,
            "taxability_reason": "standard_rated",
            "taxable_amount": 1000,
        }
    ]
    assert invoice["lines"]["data"][0]["tax_amounts"][0]["amount"] == 200


def test_an_invoice_item_was_made_by_price_before_basil(business: Business) -> None:
    product = business.client.v1.products.create({"name": "Setup"}).id
    price = business.client.v1.prices.create({"product": product, "unit_amount": 700, "currency": "usd"}).id
    item = Old(business, ACACIA).ask(
        "POST", "invoiceitems", {"customer": business.customer().id, "price": price}
    )
    assert (item["price"]["id"], item["unit_amount"], item["amount"]) == (price, 700, 700)
    assert (item["plan"], item["proration"]) == (None, False)


def test_the_booleans_of_older_sdks_are_booleans(business: Business) -> None:
    given = {"name": "Loud", "active": "False"}
    assert Old(business, ACACIA).ask("POST", "products", given)["active"] is False


def test_the_sdk_of_the_current_version_is_answered_as_before(business: Business) -> None:
    subscription = business.subscribe(1000)
    assert isinstance(subscription, stripe.Subscription)
    assert "current_period_end" not in subscription.to_dict()


def test_a_customer_switched_from_one_coupon_to_another_is_told_as_an_update(business: Business) -> None:
    old = Old(business, ACACIA)
    first, second = (
        old.ask("POST", "coupons", {"percent_off": percent, "duration": "forever"})["id"]
        for percent in (10, 20)
    )
    customer = old.ask("POST", "customers", {"name": "Switched", "coupon": first})["id"]
    old.ask("POST", f"customers/{customer}", {"coupon": second})
    told = [name for name in business.events() if name.startswith("customer.discount")]
    assert told == ["customer.discount.created", "customer.discount.updated"]
    assert old.ask("GET", f"customers/{customer}")["discount"]["coupon"]["id"] == second
