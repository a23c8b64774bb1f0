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
        addons = []
        for name, amount in (("Archive", 700), ("Support", 1900)):
            product = await self._post("products", name=name)
            recurring = {"interval": "month"}
            price = await self._post(
                "prices", product=product["id"], currency="usd", unit_amount=amount, recurring=recurring
            )
            addons.append(price["id"])
        self.things["addons"] = addons
        for name in ("exclusive", "inclusive"):
            terms: Document = {"display_name": "VAT", "percentage": 7.35, "inclusive": name == "inclusive"}
            self.things[name] = (await self._post("tax_rates", **terms))["id"]
        for name, off in (
            ("percent", {"percent_off": 12.5}),
            ("amount", {"amount_off": 777, "currency": "usd"}),
        ):
            self.things[name] = (await self._post("coupons", duration="forever", **off))["id"]

    async def subscribe(self, case: Case) -> str:
        """Paid for by a card that works; the case's comes afterwards."""
        customer = (await self._post("customers", name=case.id, address={"country": "DE"}))["id"]
        method = await self._attach("ok", customer)
        if case.discount == "customer":
            given = {"customer": customer, "coupon": self.things["percent"]}
            await asyncio.to_thread(self.shop.stand_in.control, "discounts", given)
        plan: Document = {"price": self.shop.price[self.before(case)], "quantity": SEATS}
        if case.discount == "item":
            plan["discounts"] = [{"coupon": self.things["percent"]}]
        more = self.things["addons"] if case.items == "three" else []
        terms: Document = {
            "customer": customer,
            "default_payment_method": method,
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
        made: str = (await self._post("subscriptions", **terms))["id"]
        if case.payment != "ok":
            other = await self._attach(case.payment, customer)
            await self._post(f"subscriptions/{made}", default_payment_method=other)
        return made

    def before(self, case: Case) -> tuple[str, str]:
        """Plan and interval that a case begins with."""
        return ("growth" if case.to == "down" else "starter"), "month"

    async def see(self) -> dict[str, Seen]:
        """All that there is in Stripe now, by subscription."""
        customers = {one["id"]: one for one in await self._all("customers")}
        made = dict[str, list[Document]]()
        for invoice in await self._all("invoices"):
            made.setdefault(invoice["parent"]["subscription_details"]["subscription"], []).append(invoice)
        return {
            one["id"]: Seen(one, customers[one["customer"]], made.get(one["id"], []))
            for one in await self._all("subscriptions", status="all")
        }

    async def _attach(self, payment: str, customer: str) -> str:
        path = f"payment_methods/{CARDS[payment]}/attach"
        return str((await self._post(path, customer=customer))["id"])

    async def _all(self, what: str, **asked: Any) -> list[Document]:
        """Every object of a kind, newest first."""
        found: list[Document] = []
        while True:
            after = {"starting_after": found[-1]["id"]} if found else {}
            page = await self._asked("get", what, limit=100, **asked, **after)
            found += page["data"]
            if not page["has_more"]:
                return found

    async def _post(self, path: str, **params: Any) -> Document:
        return await self._asked("post", path, **params)

    async def _asked(self, method: str, path: str, **params: Any) -> Document:
        """Stripe's JSON as it is: making objects of the SDK's of it takes longer than all else."""
        answer = await self.shop.client.raw_request_async(method, f"/v1/{path}", **params)
        data: Document = answer.data
        return data
