"""Subscriptions with everything that a case says, and all that Stripe has of one, read by the test itself."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from ....support.shop import APRIL, DAY, Shop
from .cases import Case

SEATS = 6
MAY = APRIL + 30 * DAY
CARDS = {
    "ok": "pm_card_visa",
    "3ds": "pm_card_authenticationRequired",
    "declined": "pm_card_chargeCustomerFail",
    "debit": "pm_usBankAccount_success",
}
Document = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """A subscription, its customer and its invoices, newest first, as they were at a moment."""

    subscription: Document
    customer: Document
    invoices: list[Document]


@dataclass
class Market:
    """A shop, and what can be put on a subscription."""

    shop: Shop
    things: dict[str, Any] = field(default_factory=dict)

    async def stock(self) -> None:
        """What all subscriptions share: add-ons, tax rates and coupons."""
        v1 = self.shop.client.v1
        addons = []
        for name, amount in (("Archive", 700), ("Support", 1900)):
            product = await v1.products.create_async({"name": name})
            price = await v1.prices.create_async(
                {
                    "product": product.id,
                    "currency": "usd",
                    "unit_amount": amount,
                    "recurring": {"interval": "month"},
                }
            )
            addons.append(price.id)
        self.things["addons"] = addons
        for name in ("exclusive", "inclusive"):
            rate = await v1.tax_rates.create_async(
                {"display_name": "VAT", "percentage": 7.35, "inclusive": name == "inclusive"}
            )
            self.things[name] = rate.id
        percent = await v1.coupons.create_async({"percent_off": 12.5, "duration": "forever"})
        amount_off = await v1.coupons.create_async(
            {"amount_off": 777, "currency": "usd", "duration": "forever"}
        )
        self.things |= {"percent": percent.id, "amount": amount_off.id}

    async def subscribe(self, case: Case) -> str:
        """Paid for by a card that works; the case's comes afterwards."""
        v1 = self.shop.client.v1
        customer = await v1.customers.create_async({"name": case.id, "address": {"country": "DE"}})
        method = await v1.payment_methods.attach_async(CARDS["ok"], {"customer": customer.id})
        if case.discount == "customer":
            given = {"customer": customer.id, "coupon": self.things["percent"]}
            await asyncio.to_thread(self.shop.stand_in.control, "discounts", given)
        plan: Document = {"price": self.shop.price[self.before(case)], "quantity": SEATS}
        if case.discount == "item":
            plan["discounts"] = [{"coupon": self.things["percent"]}]
        more = self.things["addons"] if case.items == "three" else []
        terms: Document = {
            "customer": customer.id,
            "default_payment_method": method.id,
            "billing_mode": {"type": case.mode},
            "items": [plan, *({"price": price, "quantity": 2} for price in more)],
            "metadata": {"sold_by": "somebody"},
        }
        if case.discount in ("percent", "amount"):
            terms["discounts"] = [{"coupon": self.things[case.discount]}]
        if case.tax in ("exclusive", "inclusive"):
            terms["default_tax_rates"] = [self.things[case.tax]]
        if case.tax == "automatic":
            terms["automatic_tax"] = {"enabled": True}
        if case.trial == "yes":
            terms["trial_end"] = MAY
        made = await v1.subscriptions.create_async(terms)  # type: ignore[arg-type]
        if case.payment != "ok":
            other = await v1.payment_methods.attach_async(CARDS[case.payment], {"customer": customer.id})
            await v1.subscriptions.update_async(made.id, {"default_payment_method": other.id})
        return made.id

    def before(self, case: Case) -> tuple[str, str]:
        """Plan and interval that a case begins with."""
        return ("growth" if case.to == "down" else "starter"), "month"

    async def see(self) -> dict[str, Seen]:
        """All that there is in Stripe now, by subscription."""
        v1 = self.shop.client.v1
        subscriptions = await v1.subscriptions.list_async({"status": "all", "limit": 100})
        customers = await v1.customers.list_async({"limit": 100})
        invoices = await v1.invoices.list_async({"limit": 100})
        by_id = {one.id: one.to_dict() async for one in customers.auto_paging_iter()}
        made = dict[str, list[Document]]()
        async for invoice in invoices.auto_paging_iter():
            document = invoice.to_dict()
            made.setdefault(document["parent"]["subscription_details"]["subscription"], []).append(document)
        return {
            one.id: Seen(one.to_dict(), by_id[str(one.customer)], made.get(one.id, []))
            async for one in subscriptions.auto_paging_iter()
        }
