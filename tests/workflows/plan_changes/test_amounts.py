"""Everything that an invoice asks for is approved and verified: discounts, taxes, balance, what is due."""

from collections.abc import Sequence
from typing import Any

import pytest

from ...support.builders import Tenant
from ...support.house import House, until
from ..conftest import ON_BOTH_DATABASES
from .test_workflow import HALF_A_MONTH

GERMANY = {"country": "DE", "postal_code": "10115", "city": "Berlin", "line1": "Invalidenstr. 1"}


async def give(home: House, acme: Tenant, *terms: str) -> None:
    """Puts it on the account: a coupon is the subscription's, an amount off the customer's."""
    v1, organization = home.shop.client.v1, acme.organization
    subscription, customer = organization.stripe_subscription, organization.stripe_customer
    for term in terms:
        match term:
            case "tax" | "included tax":
                rate = await v1.tax_rates.create_async(
                    {
                        "display_name": "VAT",
                        "country": "DE",
                        "inclusive": term == "included tax",
                        "percentage": 19,
                    }
                )
                await v1.subscriptions.update_async(subscription, {"default_tax_rates": [rate.id]})
            case "automatic tax":
                address: Any = {"address": GERMANY}
                await v1.customers.update_async(customer, address)
                await v1.subscriptions.update_async(subscription, {"automatic_tax": {"enabled": True}})
            case "coupon":
                coupon = await v1.coupons.create_async(
                    {"name": "Launch", "percent_off": 15, "duration": "forever"}
                )
                await v1.subscriptions.update_async(subscription, {"discounts": [{"coupon": coupon.id}]})
            case "item coupon":
                coupon = await v1.coupons.create_async(
                    {"name": "Seats", "percent_off": 7.5, "duration": "forever"}
                )
                item = (await home.shop.subscription(acme))["items"].data[0].id
                await v1.subscription_items.update_async(item, {"discounts": [{"coupon": coupon.id}]})
            case "amount off":
                coupon = await v1.coupons.create_async(
                    {"name": "Friends", "amount_off": 333, "currency": "usd", "duration": "forever"}
                )
                home.stand_in.control("discounts", {"customer": customer, "coupon": coupon.id})
            case "credit" | "debt":
                amount = {"credit": -777, "debt": 222}[term]
                await v1.customers.balance_transactions.create_async(
                    customer, {"amount": amount, "currency": "usd"}
                )


async def approved(home: House, acme: Tenant, **wanted: Any) -> tuple[str, dict[str, Any]]:
    """An approved change, and what was approved."""
    operation = await home.ask(acme, **wanted)
    preview: dict[str, Any] = (await home.reviewed(acme, operation))["subject"]["preview"]
    await home.decide(acme.controller, operation)
    return operation, preview


def named(differences: Sequence[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """The amounts that differ: what was approved and what is."""
    return {
        one["name"]: (one["approved"]["amount_minor"], one["actual"]["amount_minor"])
        for one in differences
        if one["what"] == "amount"
    }


EVERY_TERM = (
    (),
    ("tax",),
    ("included tax",),
    ("automatic tax",),
    ("coupon",),
    ("amount off",),
    ("item coupon",),
    ("credit",),
    ("debt",),
    ("tax", "coupon", "item coupon", "credit"),
    ("included tax", "amount off", "debt"),
)


@pytest.mark.parametrize("terms", EVERY_TERM, ids=" and ".join)
@pytest.mark.parametrize(
    ("plan", "wanted"),
    [
        ("starter", {"plan": "growth"}),
        ("growth", {"plan": "starter"}),
        ("starter", {"plan": "starter", "interval": "year"}),
        ("starter", {"plan": "growth", "invoicing": "next_invoice"}),
        ("growth", {"plan": "starter", "invoicing": "next_invoice"}),
    ],
    ids=["up", "down", "interval", "up later", "down later"],
)
async def test_a_change_is_verified_to_the_cent_whatever_is_on_the_account(
    home: House, terms: tuple[str, ...], plan: str, wanted: dict[str, Any]
) -> None:
    acme = await home.shop.tenant(home.database, plan, seats=6)
    await give(home, acme, *terms)
    home.stand_in.advance(HALF_A_MONTH)
    operation, preview = await approved(home, acme, **wanted)
    done = await home.wait(acme, operation, "completed", "mismatched", "failed")

    assert (done["state"], done["error"]) == ("completed", None)
    amounts = done["result"]["amounts"]
    assert {**amounts, "taxes": None} == {**preview["amounts"], "taxes": None}
    if wanted.get("invoicing") != "next_invoice":
        invoice = await home.shop.client.v1.invoices.retrieve_async(done["result"]["invoice"])
        assert (invoice.total, invoice.amount_due) == (amounts["total"], preview["due_now"]["amount_minor"])
        assert invoice.ending_balance == amounts["starting_balance"] + invoice.total - invoice.amount_due
        assert invoice.amount_paid == invoice.amount_due
    home.stand_in.advance(370 * 86_400 if wanted.get("interval") else 20 * 86_400)
    renewal = next(
        one for one in reversed(await home.shop.invoices(acme)) if one.billing_reason == "subscription_cycle"
    )
    following = preview["next_invoice"]
    assert (renewal.total, renewal.amount_due) == (following["total"], following["amount_minor"])


@pytest.mark.parametrize("terms", [*EVERY_TERM[1:4], *EVERY_TERM[9:]], ids=" and ".join)
@pytest.mark.parametrize(
    "wanted", [{"plan": "starter"}, {"plan": "growth", "interval": "year"}], ids=["down", "interval"]
)
async def test_a_change_at_period_end_is_verified_to_the_cent_on_the_renewal(
    home: House, terms: tuple[str, ...], wanted: dict[str, Any]
) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    await give(home, acme, *terms)
    home.stand_in.advance(HALF_A_MONTH)
    operation, preview = await approved(home, acme, effective="period_end", **wanted)
    await home.wait(acme, operation, "running", stage="scheduled")
    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed", "mismatched", "failed")

    assert (done["state"], done["error"]) == ("completed", None)
    renewal = (await home.shop.invoices(acme))[0]
    following = preview["next_invoice"]
    assert (renewal.total, renewal.amount_due) == (following["total"], following["amount_minor"])


async def test_a_revert_is_shown_done_and_verified_with_its_tax(home: House) -> None:
    acme = await home.shop.tenant(home.database, seats=6)
    await give(home, acme, "tax", "coupon")
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    await applied_after(home, acme, operation, {"description": "Changed.", "discounts": ""})
    wrong = await home.wait(acme, operation, "mismatched", "completed")
    assert wrong["state"] == "mismatched"
    body = {"action": "revert", "comment": "Back, please."}
    await home.post(acme.controller, f"/v1/plan-changes/{operation}/resolution", body)
    done = await home.wait(acme, operation, "cancelled")

    shown, reverted = done["result"]["revert"]["preview"], done["result"]["reverted"]
    assert reverted["verified"] is True
    assert shown["amounts"]["taxes"][0]["amount_minor"] < 0
    assert reverted["amounts"]["total"] == shown["amounts"]["total"]


async def test_taxes_and_discounts_are_shown_by_name(home: House) -> None:
    acme = await home.shop.tenant(home.database, seats=6)
    await give(home, acme, "tax", "coupon")
    home.stand_in.advance(HALF_A_MONTH)
    operation, preview = await approved(home, acme, plan="growth", invoicing="next_invoice")
    await home.wait(acme, operation, "completed")

    [tax], [discount] = preview["amounts"]["taxes"], preview["amounts"]["discounts"]
    assert (tax["name"], tax["percentage"], tax["inclusive"]) == ("DE VAT", "19", False)
    assert (discount["name"], discount["on_items"]) == ("Launch (15% off)", False)
    assert discount["amount_minor"] == 6 * 2000 * 15 // 100  # the prorations are net already


# --- What is otherwise ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "name"), [("tax", "Tax 19% (DE VAT)"), ("credit", "Balance before")], ids=["tax", "balance"]
)
async def test_what_has_come_since_the_review_is_asked_again(home: House, term: str, name: str) -> None:
    acme = await home.shop.tenant(home.database, seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    await give(home, acme, term)
    await home.decide(acme.controller, operation)
    second = await home.reviewed(acme, operation, round_=2)
    await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed", "mismatched")

    assert done["state"] == "completed"
    assert "lines_drifted" in await home.events(acme, operation)
    assert name in {change["what"] for change in second["since"]["changes"]}


@ON_BOTH_DATABASES
async def test_a_tax_that_is_gone_between_the_look_and_the_change_is_a_mismatch_that_names_it(
    home: House,
) -> None:
    acme = await home.shop.tenant(home.database, seats=6)
    await give(home, acme, "tax")
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme)
    preview = (await home.reviewed(acme, operation))["subject"]["preview"]
    await applied_after(home, acme, operation, {"default_tax_rates": ""})
    found = await home.wait(acme, operation, "mismatched", "completed")

    amounts = preview["amounts"]
    tax, net = amounts["taxes"][0]["amount_minor"], amounts["gross"]
    assert found["state"] == "mismatched"
    assert named(found["result"]["differences"]) == {
        "Tax 19% (DE VAT)": (tax, 0),
        "Total": (net + tax, net),
        "Amount due": (net + tax, net),
        "Next invoice, Total": (14_280, 12_000),
        "Next invoice, Amount due": (14_280, 12_000),
    }
    assert len(found["result"]["differences"]) == 5
    assert f"Tax 19% (DE VAT): USD {tax / 100:.2f} approved, USD 0.00 in Stripe" in found["error"]["message"]


async def test_a_coupon_that_comes_between_the_change_and_the_look_at_the_next_invoice_is_a_mismatch(
    home: House,
) -> None:
    acme = await home.shop.tenant(home.database, seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme, invoicing="next_invoice")
    await home.reviewed(acme, operation)
    home.stand_in.fault("error_before", method="GET", path="/v1/invoiceitems$", times=1)
    since = home.stand_in.last_request()
    await home.decide(acme.controller, operation)

    async def looked_once() -> bool:
        return any(line["fault"] for line in home.stand_in.requests(since))

    await until(looked_once, lambda: "nobody looked")
    await give(home, acme, "coupon")
    found = await home.wait(acme, operation, "mismatched", "completed")

    assert found["state"] == "mismatched"
    off = 6 * 2000 * 15 // 100
    assert named(found["result"]["differences"])["Next invoice, Discount Launch (15% off)"] == (0, off)
    assert all(one["what"] == "amount" for one in found["result"]["differences"])


async def applied_after(home: House, acme: Tenant, operation: str, change: dict[str, Any]) -> None:
    """Approves, and changes the subscription in Stripe itself between our last look and our update."""
    subscription = acme.organization.stripe_subscription
    path = f"/v1/subscriptions/{subscription}$"
    home.stand_in.fault("lock_timeout", method="POST", path=path, times=1)
    since = home.stand_in.last_request()
    await home.decide(acme.controller, operation)

    async def refused_once() -> bool:
        return any(line["fault"] == "lock_timeout" for line in home.stand_in.requests(since))

    await until(refused_once, lambda: "the change was not tried")
    given: Any = change
    await home.shop.client.v1.subscriptions.update_async(subscription, given)
