"""The seeded example: three plans, one organization with customers and invoices, made by Stripe's API.

Every request carries an idempotency key of its own, so a seeding that was cut short is simply done again.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import stripe
from pydantic import BaseModel

from .places import ORGANIZATION, Places, write_whole
from .processes import StackFailed

DAY = 86_400
DAYS_SINCE_SUBSCRIBED = 10
CUSTOMERS = 60
SEATS = 5
CURRENCY = "usd"


@dataclass(frozen=True)
class _Terms:
    """Cents per seat, by the month and by the year; at most so many seats, customers, cents unpaid."""

    month: int
    year: int
    seats: int
    customers: int | None
    ar_balance: int | None


PLANS = {
    "starter": _Terms(month=1900, year=19_000, seats=10, customers=50, ar_balance=500_000),
    "growth": _Terms(month=4900, year=49_000, seats=50, customers=500, ar_balance=10_000_000),
    "scale": _Terms(month=9900, year=99_000, seats=250, customers=None, ar_balance=None),
}

ADD_ONS = {
    "priority-support": {"month": 1500, "year": 15_000},
    "extra-storage": {"month": 700, "year": 7000},
    "data-export": {"month": 900, "year": 9000},
}
"""Cents a piece, by the month and by the year."""

OPEN_INVOICES = (180_000, 95_000, 40_000)
"""Cents; with all of them the example stays within Starter's AR balance, but not within its customers."""
PAID_INVOICES = (120_000, 65_000)


class Example(BaseModel):
    """A customer of the organization with an unpaid and a paid invoice."""

    customer: str
    open_invoice: str
    paid_invoice: str
    payment_intent: str


class Seeded(BaseModel):
    """What the example organization is in Stripe."""

    customer: str
    subscription: str
    example: Example


async def seed_stripe(places: Places) -> Seeded:
    """Fill the stand-in, unless an earlier run has, and write the organization's provisioning file."""
    kept = places.file("seeded.json")
    client = stripe.StripeClient(
        places.memory.stripe_api_key,
        base_addresses={"api": places.url("stripe")},
        max_network_retries=0,
        http_client=stripe.HTTPXClient(timeout=10),
    )
    try:
        if kept.exists():
            seeded = Seeded.model_validate_json(kept.read_bytes())
        else:
            async with (
                _unheard(places.url("stripe")),
                _days_ago(places.url("stripe"), DAYS_SINCE_SUBSCRIBED),
            ):
                seeded = await _Seeding(client).run()
            write_whole(kept, seeded.model_dump_json(indent=2))
    except (stripe.StripeError, httpx.HTTPError) as error:
        raise StackFailed(f"seeding the Stripe stand-in failed: {error}") from error
    write_whole(places.file("organization.json"), json.dumps(_provisioning(places, seeded), indent=2))
    return seeded


@asynccontextmanager
async def _unheard(stand_in: str) -> AsyncIterator[None]:
    """What happens within is told to nobody: provisioning reads it all, and the API may not be up yet."""
    async with httpx.AsyncClient(base_url=stand_in, trust_env=False, timeout=10) as http:
        (await http.post("/_sandbox/webhooks", json={"mode": "drop"})).raise_for_status()
        yield
        (await http.post("/_sandbox/webhooks", json={"mode": "normal"})).raise_for_status()


@asynccontextmanager
async def _days_ago(stand_in: str, days: int) -> AsyncIterator[None]:
    """What is made within happens some days ago, so that a change later has something to prorate."""
    async with httpx.AsyncClient(base_url=stand_in, trust_env=False, timeout=10) as http:
        start = {"now": int(time.time()) - days * DAY}
        # Refused when a seeding that was cut short left something: then time simply goes on from there.
        await http.post("/_sandbox/clock", json=start)
        yield
        offset = (await http.get("/_sandbox/clock")).raise_for_status().json()["offset"]
        back = {"advance_seconds": max(0, -offset)}
        (await http.post("/_sandbox/clock", json=back)).raise_for_status()


def _provisioning(places: Places, seeded: Seeded) -> dict[str, Any]:
    people = [
        {
            "id": person.person,
            "name": person.name,
            "email": person.email,
            "roles": [role],
            "api_keys": [person.api_key],
        }
        for role, person in places.memory.people.items()
    ]
    organization = {
        "id": ORGANIZATION,
        "name": "Acme Receivables",
        "zone": "America/New_York",
        "country": "US",
        "stripe_customer": seeded.customer,
        "stripe_subscription": seeded.subscription,
        "people": people,
    }
    return {"organizations": [organization]}


class _Seeding:
    """The requests, as many at a time as don't wait for one another."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self._stripe = client.v1

    async def run(self) -> Seeded:
        monthly, customers, _ = await asyncio.gather(
            self._plans(),
            asyncio.gather(*map(self._customer, range(1, CUSTOMERS + 1))),
            asyncio.gather(*map(self._add_on, ADD_ONS)),
        )
        (customer, subscription), opened, paid = await asyncio.gather(
            self._subscribe(monthly["growth"]),
            asyncio.gather(*map(self._open_invoice, customers, OPEN_INVOICES)),
            asyncio.gather(*map(self._paid_invoice, customers, PAID_INVOICES)),
        )
        invoice, payment_intent = paid[0]
        return Seeded(
            customer=customer,
            subscription=subscription,
            example=Example(
                customer=customers[0],
                open_invoice=opened[0],
                paid_invoice=invoice,
                payment_intent=payment_intent,
            ),
        )

    async def _plans(self) -> dict[str, str]:
        """Makes each plan and gives its monthly price."""
        monthly = await asyncio.gather(*map(self._plan, PLANS))
        return dict(zip(PLANS, monthly, strict=True))

    async def _plan(self, plan: str) -> str:
        terms = PLANS[plan]
        product = await self._stripe.products.create_async(
            {
                "name": plan.capitalize(),
                "metadata": {
                    "plixo_plan": plan,
                    "seats_included": str(terms.seats),
                    "limit_customers": _limit(terms.customers),
                    "limit_ar_balance": _limit(terms.ar_balance),
                },
            },
            _once("product", plan),
        )
        month, _year = await asyncio.gather(
            self._price(product.id, plan, "month", terms.month),
            self._price(product.id, plan, "year", terms.year),
        )
        return month

    async def _add_on(self, add_on: str) -> None:
        product = await self._stripe.products.create_async(
            {"name": add_on.replace("-", " ").capitalize(), "metadata": {"plixo_add_on": add_on}},
            _once("product", add_on),
        )
        for interval in ("month", "year"):
            await self._price(product.id, add_on, interval, ADD_ONS[add_on][interval])

    async def _price(self, product: str, sold: str, interval: Literal["month", "year"], amount: int) -> str:
        price = await self._stripe.prices.create_async(
            {
                "product": product,
                "currency": CURRENCY,
                "unit_amount": amount,
                "recurring": {"interval": interval},
                "nickname": f"{sold} by the {interval}",
            },
            _once("price", sold, interval),
        )
        return price.id

    async def _subscribe(self, price: str) -> tuple[str, str]:
        """The organization as Stripe knows it: a customer with a card and a subscription."""
        customer = await self._with_card("Acme Receivables", "subscriber", {"plixo_subscriber": ORGANIZATION})
        subscription = await self._stripe.subscriptions.create_async(
            {
                "customer": customer,
                "items": [{"price": price, "quantity": SEATS}],
                "billing_mode": {"type": "flexible"},
            },
            _once("subscription"),
        )
        return customer, subscription.id

    async def _customer(self, number: int) -> str:
        """One of those whom the organization bills; the first has a card for what is charged at once."""
        name, of_organization = f"Customer {number:02}", {"plixo_organization": ORGANIZATION}
        if number <= len(PAID_INVOICES):
            return await self._with_card(name, f"customer-{number}", of_organization)
        customer = await self._stripe.customers.create_async(
            {"name": name, "email": f"customer-{number}@customers.example", "metadata": of_organization},
            _once("customer", number),
        )
        return customer.id

    async def _with_card(self, name: str, mailbox: str, metadata: dict[str, str]) -> str:
        customer = await self._stripe.customers.create_async(
            {"name": name, "email": f"{mailbox}@customers.example", "metadata": metadata},
            _once("customer", mailbox),
        )
        card = await self._stripe.payment_methods.attach_async(
            "pm_card_visa", {"customer": customer.id}, _once("card", mailbox)
        )
        await self._stripe.customers.update_async(
            customer.id,
            {"invoice_settings": {"default_payment_method": card.id}},
            _once("default-card", mailbox),
        )
        return customer.id

    async def _open_invoice(self, customer: str, amount: int) -> str:
        draft = await self._stripe.invoices.create_async(
            {"customer": customer, "collection_method": "send_invoice", "days_until_due": 30},
            _once("open-invoice", customer),
        )
        return await self._finalized(draft, customer, amount, "open")

    async def _paid_invoice(self, customer: str, amount: int) -> tuple[str, str]:
        """Gives the invoice and the payment intent that paid it."""
        draft = await self._stripe.invoices.create_async(
            {"customer": customer, "collection_method": "charge_automatically"},
            _once("paid-invoice", customer),
        )
        invoice = await self._finalized(draft, customer, amount, "paid")
        await self._stripe.invoices.pay_async(invoice, {}, _once("pay", customer))
        payments = await self._stripe.invoice_payments.list_async({"invoice": invoice})
        return invoice, str(payments.data[0].payment.payment_intent)

    async def _finalized(self, draft: stripe.Invoice, customer: str, amount: int, label: str) -> str:
        assert draft.id is not None, "only previews of invoices have no id"
        await self._stripe.invoice_items.create_async(
            {
                "customer": customer,
                "invoice": draft.id,
                "amount": amount,
                "currency": CURRENCY,
                "description": "Consulting",
            },
            _once(f"{label}-item", customer),
        )
        await self._stripe.invoices.finalize_invoice_async(draft.id, {}, _once(f"{label}-final", customer))
        return draft.id


def _once(*what: object) -> stripe.RequestOptions:
    return {"idempotency_key": ":".join(("seed", *map(str, what)))}


def _limit(most: int | None) -> str:
    return "unlimited" if most is None else str(most)
