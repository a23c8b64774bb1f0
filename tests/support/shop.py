"""What Plixo sells, put into a Stripe stand-in, and organizations that subscribe to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, NamedTuple

import stripe

from activities.mirror import pages as mirror_pages
from activities.mirror.objects.bill import organization_invoice_row
from activities.mirror.pages import MirrorAccess
from activities.stripe.client import stripe_client
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import bills
from sandbox.stripe.core.store import Record
from sandbox.stripe.server.inprocess import StandIn

from . import builders
from .builders import Tenant
from .case_rules import case_rules

DAY = 86_400
APRIL = 1_775_001_600
"""2026-04-01 00:00 UTC; the month has 2,592,000 seconds."""
MID_APRIL = 1_776_297_600
"""2026-04-16 00:00 UTC: exactly half of it."""

Plans = Mapping[str, Mapping[str, Any]]
"""By their short names: minor units a seat for each interval that they are sold for, and their limits."""

PLANS: Plans = {
    "starter": {"month": 1000, "year": 10_000, "seats": 10, "customers": 50, "ar_balance": 500_000},
    "growth": {"month": 2000, "year": 20_000, "seats": 50, "customers": 500, "ar_balance": 10_000_000},
    "scale": {"month": 5000, "year": 50_000, "seats": 250, "customers": None, "ar_balance": None},
}

ADD_ONS: Mapping[str, Mapping[str, int]] = {
    "priority-support": {"month": 1500, "year": 15_000},
    "extra-storage": {"month": 700},
}
"""By their short names: minor units a piece for each interval that they are sold for."""

INTERVALS: tuple[Literal["month"], Literal["year"]] = ("month", "year")

_numbers = count(1)


@dataclass
class Shop:
    """A stand-in with plans; `price["growth", "month"]` is a Stripe price id."""

    stand_in: StandIn
    client: stripe.StripeClient
    price: dict[tuple[str, str], str] = field(default_factory=dict)

    async def stock(self, plans: Plans = PLANS, currency: str = "usd") -> None:
        """Makes the plans' products and prices."""
        for slug, terms in plans.items():
            metadata = {"plixo_plan": slug, "seats_included": str(terms["seats"])}
            for limit in ("customers", "ar_balance"):
                metadata[f"limit_{limit}"] = "unlimited" if terms[limit] is None else str(terms[limit])
            product = await self.client.v1.products.create_async(
                {"name": slug.capitalize(), "metadata": metadata}
            )
            for interval in INTERVALS:
                if interval in terms:
                    price = await self.client.v1.prices.create_async(
                        {
                            "product": product.id,
                            "currency": currency,
                            "unit_amount": terms[interval],
                            "recurring": {"interval": interval},
                        }
                    )
                    self.price[slug, interval] = price.id

    async def stock_add_ons(self) -> None:
        """Makes the add-ons' products and prices; `price` has them by their short names, too."""
        for slug, amounts in ADD_ONS.items():
            product = await self.client.v1.products.create_async(
                {"name": slug.replace("-", " ").capitalize(), "metadata": {"plixo_add_on": slug}}
            )
            for interval in INTERVALS:
                if interval in amounts:
                    price = await self.client.v1.prices.create_async(
                        {
                            "product": product.id,
                            "currency": "usd",
                            "unit_amount": amounts[interval],
                            "recurring": {"interval": interval},
                        }
                    )
                    self.price[slug, interval] = price.id

    async def metered_price(self, interval: str = "month") -> str:
        """A price of usage: of the meter `exports`, so much each."""
        meter = await self.client.v1.billing.meters.create_async(
            {
                "display_name": "Exports",
                "event_name": "exports",
                "default_aggregation": {"formula": "sum"},
            }
        )
        product = await self.client.v1.products.create_async({"name": "Exports"})
        recurring: Any = {"interval": interval, "usage_type": "metered", "meter": meter.id}
        price = await self.client.v1.prices.create_async(
            {"product": product.id, "currency": "usd", "unit_amount": 3, "recurring": recurring}
        )
        return price.id

    async def use(self, tenant: Tenant, exports: int) -> None:
        """Reports usage of the meter `exports`, now by the stand-in's clock."""
        payload = {"stripe_customer_id": tenant.organization.stripe_customer, "value": str(exports)}
        await self.client.v1.billing.meter_events.create_async(
            {"event_name": "exports", "payload": payload, "timestamp": self.stand_in.now()}
        )

    def access(self, database: Database) -> MirrorAccess:
        """What mirrors it into these records, under the policy that the project ships."""
        return MirrorAccess(self.client, database, case_rules())

    async def tenant(
        self,
        database: Database,
        plan: str = "starter",
        *,
        seats: int = 6,
        interval: str = "month",
        card: str = "pm_card_visa",
        billing_mode: Literal["classic", "flexible"] = "flexible",
    ) -> Tenant:
        """An organization with people, subscribed now by the stand-in's clock, and mirrored."""
        customer = await self.client.v1.customers.create_async({"name": f"Organization {next(_numbers)}"})
        method = await self.client.v1.payment_methods.attach_async(card, {"customer": customer.id})
        subscription = await self.client.v1.subscriptions.create_async(
            {
                "customer": customer.id,
                "default_payment_method": method.id,
                "items": [{"price": self.price[plan, interval], "quantity": seats}],
                "billing_mode": {"type": billing_mode},
            }
        )
        tenant = await builders.tenant(
            database, stripe_customer=customer.id, stripe_subscription=subscription.id
        )
        await mirror_pages.catalog(self.access(database))
        await mirror_pages.subscription(self.access(database), tenant.organization)
        read_at = utc_now()
        rows = [
            organization_invoice_row(one.to_dict(), tenant.id, read_at) for one in await self.invoices(tenant)
        ]
        async with database.transaction() as session:
            for row in rows:
                await bills.store_invoice(session, row)
        return tenant

    async def mirrored(self, database: Database, tenant: Tenant) -> None:
        """Mirrors an organization's subscription as it is now."""
        await mirror_pages.subscription(self.access(database), tenant.organization)

    async def use_card(self, tenant: Tenant, card: str) -> None:
        """The next charges of an organization go to another test card."""
        organization = tenant.organization
        method = await self.client.v1.payment_methods.attach_async(
            card, {"customer": organization.stripe_customer}
        )
        await self.client.v1.subscriptions.update_async(
            organization.stripe_subscription, {"default_payment_method": method.id}
        )

    async def subscription(self, tenant: Tenant) -> stripe.Subscription:
        return await self.client.v1.subscriptions.retrieve_async(tenant.organization.stripe_subscription)

    async def invoices(self, tenant: Tenant) -> list[stripe.Invoice]:
        page = await self.client.v1.invoices.list_async(
            {"subscription": tenant.organization.stripe_subscription, "limit": 100}
        )
        return page.data

    def changes(self, since: int = 0) -> list[dict[str, Any]]:
        """The writes that the stand-in executed, previews left out."""
        return [
            line
            for line in self.stand_in.requests(since)
            if line["method"] != "GET" and line["executed"] and not line["path"].endswith("create_preview")
        ]


class Stock(NamedTuple):
    """What a stocked stand-in holds, and its prices."""

    objects: list[Record]
    price: dict[tuple[str, str], str]


_stocks: dict[str, Stock] = {}


async def open_shop(
    stand_in: StandIn, at: int = APRIL, plans: Plans = PLANS, currency: str = "usd", *, frozen: bool = False
) -> Shop:
    """A stocked shop in an empty stand-in whose clock is at `at` (UTC seconds), and stays there `frozen`,
    or where it stood still before.

    Each process stocks once, nine requests for three plans; after that, it is put there as it was.
    """
    wanted = json.dumps([at, plans, currency])
    if wanted not in _stocks:
        with StandIn() as warehouse:
            # On a busy machine it would come to hold what is younger than the clock where it is put.
            warehouse.control("clock", {"now": at, "frozen": True})
            stocked = Shop(warehouse, stripe_client("sk_test_plixo", warehouse.url))
            await stocked.stock(plans, currency)
            _stocks[wanted] = Stock(warehouse.objects(), stocked.price)
            assert warehouse.violations() == []
    stand_in.control("clock", {"now": at} | ({"frozen": True} if frozen else {}))
    stand_in.hold(_stocks[wanted].objects)
    return Shop(stand_in, stripe_client("sk_test_plixo", stand_in.url), dict(_stocks[wanted].price))
