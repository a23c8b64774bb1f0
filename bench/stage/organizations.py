"""Organizations for a benchmark: subscribed in the stand-in, and provisioned as in production."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import stripe

from billing.core.operations import Role
from db.people.people import new_api_key

from .stage import Stage

PLAN = "growth"
SEATS = 5
"""Of a new subscription; Growth has fifty, so that each can be changed often."""
AT_ONCE = 20
PEOPLE = (Role.BILLING_ADMIN, Role.CONTROLLER, Role.FINANCE)


@dataclass(frozen=True)
class Subscribed:
    """A subscription in the stand-in."""

    customer: str
    subscription: str
    item: str
    price: str


@dataclass
class Organization:
    """A tenant; `seats` are those it will have once the changes asked for so far are done."""

    id: str
    stripe: Subscribed
    keys: dict[Role, str]
    seats: int = SEATS

    def headers(self, role: Role) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}"}


async def subscribe(stage: Stage, count: int) -> list[Subscribed]:
    """So many customers with a card, subscribed to Growth by the month."""
    price = await _price(stage.stripe)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Subscribed:
        async with room:
            return await _subscribe(stage.stripe, number, price)

    return await asyncio.gather(*map(one, range(count)))


async def provision(stage: Stage, count: int) -> list[Organization]:
    """So many organizations with the people that a plan change needs, by `python -m worker.provision`."""
    made = [
        Organization(
            id=f"org_bench_{number:05}",
            stripe=subscribed,
            keys={role: new_api_key().plaintext for role in PEOPLE},
        )
        for number, subscribed in enumerate(await subscribe(stage, count))
    ]
    file = stage.stack.places.file("bench-organizations.json")
    file.write_text(json.dumps({"organizations": [_provisioning(one) for one in made]}), encoding="utf-8")
    await stage.finish("provision-bench", "worker.provision", str(file))
    return made


async def payment_of(stage: Stage, organization: Organization) -> str:
    """Of a customer of the organization, by card."""
    customer = await stage.stripe.v1.customers.create_async(
        {"name": "Customer", "metadata": {"plixo_organization": organization.id}}
    )
    intent = await stage.stripe.v1.payment_intents.create_async(
        {
            "amount": 10_000,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": "pm_card_visa",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    return intent.id


async def _price(client: stripe.StripeClient) -> str:
    """The monthly price of Growth that the stack was seeded with."""
    prices = await client.v1.prices.list_async(
        {"limit": 100, "recurring": {"interval": "month"}, "expand": ["data.product"]}
    )
    for price in (listed.to_dict() for listed in prices.data):
        if price["product"]["metadata"].get("plixo_plan") == PLAN:
            return str(price["id"])
    raise LookupError(f"the stand-in sells no monthly {PLAN}")


async def _subscribe(client: stripe.StripeClient, number: int, price: str) -> Subscribed:
    customer = await client.v1.customers.create_async({"name": f"Organization {number}"})
    card = await client.v1.payment_methods.attach_async("pm_card_visa", {"customer": customer.id})
    subscription = await client.v1.subscriptions.create_async(
        {
            "customer": customer.id,
            "default_payment_method": card.id,
            "items": [{"price": price, "quantity": SEATS}],
        }
    )
    item = subscription.to_dict()["items"]["data"][0]["id"]
    return Subscribed(customer.id, subscription.id, item, price)


def _provisioning(organization: Organization) -> dict[str, Any]:
    return {
        "id": organization.id,
        "name": f"Bench {organization.id}",
        "zone": "America/New_York",
        "country": "US",
        "stripe_customer": organization.stripe.customer,
        "stripe_subscription": organization.stripe.subscription,
        "people": [
            {
                "name": f"{role} of {organization.id}",
                "email": f"{role}.{organization.id}@plixo.example",
                "roles": [role],
                "api_keys": [key],
            }
            for role, key in organization.keys.items()
        ],
    }
