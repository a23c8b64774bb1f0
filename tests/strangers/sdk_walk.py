"""What a program does with the stripe-python that is installed where this runs: `sdk_walk.py ADDRESS`.

It is started by the interpreter of each version of the SDK, which sends its own version of the API; so it
imports nothing else. Prints a line a check, `ok NAME` or `not ok NAME: why`.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import stripe as sdk

stripe: Any = sdk
MAJOR = int(sdk.VERSION.split(".")[0])
CHECKS: list[Callable[[dict[str, Any]], object]] = []


def check(run: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    """A check: it raises, or what it gives is false, when it fails. `made` is what those before it made."""
    CHECKS.append(run)
    return run


@check
def creates_a_customer_with_a_card(made: dict[str, Any]) -> object:
    customer = stripe.Customer.create(
        name="Walker",
        email="walker@example.com",
        payment_method="pm_card_visa",
        invoice_settings={"default_payment_method": "pm_card_visa"},
    )
    made["customer"] = customer.id
    return customer.name == "Walker"


@check
def creates_prices(made: dict[str, Any]) -> object:
    product = stripe.Product.create(name="Walk")
    for name, amount in (("small", 1000), ("large", 2000)):
        made[name] = stripe.Price.create(
            product=product.id, unit_amount=amount, currency="usd", recurring={"interval": "month"}
        ).id
    return True


@check
def creates_a_subscription_and_expands_its_payment(made: dict[str, Any]) -> object:
    path = "latest_invoice.payment_intent" if MAJOR < 12 else "latest_invoice.payments"
    subscription = stripe.Subscription.create(
        customer=made["customer"], items=[{"price": made["small"]}], expand=[path]
    )
    invoice = subscription["latest_invoice"]
    made.update(subscription=subscription.id, item=subscription["items"]["data"][0]["id"])
    if MAJOR < 12:
        made["intent"] = invoice["payment_intent"]["id"]
        return invoice["paid"] and invoice["subscription"] == subscription.id
    made["intent"] = invoice["payments"]["data"][0]["payment"]["payment_intent"]
    return invoice["status"] == "paid" and invoice["parent"]["subscription_details"] is not None


@check
def finds_the_period(made: dict[str, Any]) -> object:
    subscription = stripe.Subscription.retrieve(made["subscription"])
    holder = subscription if MAJOR < 12 else subscription["items"]["data"][0]
    return holder["current_period_end"] - holder["current_period_start"] >= 28 * 86400


@check
def previews_the_change(made: dict[str, Any]) -> object:
    made["date"] = int(time.time())
    items = [{"id": made["item"], "price": made["large"]}]
    if MAJOR < 12:
        preview = stripe.Invoice.upcoming(
            subscription=made["subscription"],
            subscription_items=items,
            subscription_proration_behavior="always_invoice",
            subscription_proration_date=made["date"],
        )
        proration = [line["proration"] for line in preview["lines"]["data"]]
    else:
        preview = stripe.Invoice.create_preview(
            subscription=made["subscription"],
            subscription_details={
                "items": items,
                "proration_behavior": "always_invoice",
                "proration_date": made["date"],
            },
        )
        parents = [line["parent"]["subscription_item_details"] for line in preview["lines"]["data"]]
        proration = [parent["proration"] for parent in parents]
    made["total"] = preview["total"]
    return proration == [True, True]


@check
def changes_as_previewed(made: dict[str, Any]) -> object:
    subscription = stripe.Subscription.modify(
        made["subscription"],
        items=[{"id": made["item"], "price": made["large"]}],
        proration_behavior="always_invoice",
        proration_date=made["date"],
        expand=["latest_invoice"],
    )
    price = subscription["items"]["data"][0]["price"]["id"]
    return price == made["large"] and subscription["latest_invoice"]["total"] == made["total"]


@check
def resets_the_anchor(made: dict[str, Any]) -> object:
    anchor: Any = "now" if MAJOR < 16 else {"type": "now"}
    before = int(time.time())
    subscription = stripe.Subscription.modify(
        made["subscription"], billing_cycle_anchor=anchor, proration_behavior="always_invoice"
    )
    return subscription["billing_cycle_anchor"] >= before


@check
def refunds_a_part(made: dict[str, Any]) -> object:
    refund = stripe.Refund.create(payment_intent=made["intent"], amount=300, metadata={"note": "walked"})
    return (refund.status, refund.amount) == ("succeeded", 300)


@check
def reads_the_refunded_charge(made: dict[str, Any]) -> object:
    intent = stripe.PaymentIntent.retrieve(made["intent"], expand=["latest_charge"])
    return intent["latest_charge"]["amount_refunded"] == 300


@check
def makes_a_promotion_code(made: dict[str, Any]) -> object:
    coupon = stripe.Coupon.create(percent_off=10, duration="forever")
    given: dict[str, Any] = {"coupon": coupon.id}
    if MAJOR >= 13:
        given = {"promotion": {"type": "coupon", "coupon": coupon.id}}
    code = stripe.PromotionCode.create(**given)
    shown = code["coupon"]["id"] if MAJOR < 13 else code["promotion"]["coupon"]
    return shown == coupon.id


@check
def bills_an_invoice_item(made: dict[str, Any]) -> object:
    stripe.InvoiceItem.create(customer=made["customer"], amount=700, currency="usd", description="Extra")
    invoice = stripe.Invoice.create(customer=made["customer"], pending_invoice_items_behavior="include")
    invoice = stripe.Invoice.pay(stripe.Invoice.finalize_invoice(invoice.id).id)
    made["invoice"] = invoice.id
    return invoice.status == "paid" and invoice.total == 700


@check
def credits_by_a_credit_note(made: dict[str, Any]) -> object:
    note = stripe.CreditNote.create(invoice=made["invoice"], amount=200, credit_amount=200)
    return note.total == 200


@check
def pages_through_lists(made: dict[str, Any]) -> object:
    found = list(stripe.Invoice.list(customer=made["customer"], limit=1).auto_paging_iter())
    return len(found) >= 3


@check
def searches(made: dict[str, Any]) -> object:
    found = stripe.Customer.search(query="email:'walker@example.com'")
    return made["customer"] in [customer.id for customer in found.data]


@check
def keeps_the_idempotency_key(made: dict[str, Any]) -> object:
    key = f"walk-{sdk.VERSION}-{made['customer']}"
    first = stripe.Customer.create(name="Once", idempotency_key=key)
    return stripe.Customer.create(name="Once", idempotency_key=key).id == first.id


@check
def is_told_that_a_card_is_declined(made: dict[str, Any]) -> object:
    try:
        stripe.PaymentIntent.create(
            amount=500, currency="usd", payment_method="pm_card_chargeDeclined", confirm=True
        )
    except sdk.CardError as error:
        return error.code == "card_declined"
    return False


@check
def is_told_of_a_parameter_that_there_is_not(made: dict[str, Any]) -> object:
    try:
        stripe.Customer.create(colour="blue")
    except sdk.InvalidRequestError as error:
        return (error.code, error.param) == ("parameter_unknown", "colour")
    return False


@check
def cancels(made: dict[str, Any]) -> object:
    return stripe.Subscription.cancel(made["subscription"]).status == "canceled"


@check
def reads_the_events(made: dict[str, Any]) -> object:
    types = {event.type for event in stripe.Event.list(limit=100).data}
    return {"customer.subscription.deleted", "invoice.paid", "charge.refunded"} <= types


def main() -> None:
    """Do every check, the later ones too when one fails."""
    stripe.api_key, stripe.api_base, stripe.max_network_retries = "sk_test_walk", sys.argv[1], 0
    made: dict[str, Any] = {}
    for run in CHECKS:
        name = run.__name__.replace("_", " ")
        try:
            print(f"ok {name}" if run(made) else f"not ok {name}: another answer")
        except Exception as error:
            print(f"not ok {name}: {error!r:.300}")


if __name__ == "__main__":
    main()
