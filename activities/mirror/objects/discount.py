"""Discounts of customers, and of subscriptions and their items, each with what it is worth when it is first
seen.

Stripe has no list of discounts, and none can be read by its id: they are read with what they are given on.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, Self

import stripe
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import DiscountPlace
from billing.cases.discounts import (
    BilledSubscription,
    billed_by,
    coupon_of,
    discount_value,
)
from billing.stripe.invoice_json import id_of
from db.cases.cases import CaseRules
from db.core.session import Database
from db.mirror import mirror
from db.tables import DiscountRow

from ...stripe.failures import ask
from .customer import CustomersObject
from .snapshot import Document, Owner, time_of

DISCOUNTS = ["discounts", "items.data.discounts"]
"""What to expand in the request for a subscription."""
LISTED_DISCOUNTS = [f"data.{one}" for one in DISCOUNTS]
PAGE = 100
"""The most that Stripe gives at a time."""
NO_CURRENCY = "usd"
"""Of a percentage for a customer who was never billed: nothing is counted in it."""


class FoundDiscount(NamedTuple):
    """A discount in Stripe's JSON, and what it is given on; `item` of a subscription where it is of one."""

    discount: Document
    given_on: DiscountPlace
    bearer: str
    currency: str | None
    billed: Sequence[BilledSubscription]
    item: str | None = None


class ValuedDiscount(NamedTuple):
    found: FoundDiscount
    name: str
    value: int
    currency: str


@dataclass(frozen=True)
class CustomerDiscountsSnapshot(CustomersObject):
    """A customer's own discount, and those of their subscriptions."""

    customer: Document
    discounts: tuple[ValuedDiscount, ...] = ()

    @classmethod
    async def read(cls, client: stripe.StripeClient, id_: str) -> Self:
        return cls((await client.v1.customers.retrieve_async(id_)).to_dict())

    async def completed(self, client: stripe.StripeClient, database: Database) -> Self:
        if self._is_gone:
            return self
        return replace(self, discounts=await ask(customer_discounts(client, database, self.customer)))

    async def store(self, session: AsyncSession, rules: CaseRules, owner: Owner, read_at: datetime) -> None:
        await super().store(session, rules, owner, read_at)
        rows = discount_rows(self.discounts, owner.organization, self.customer["id"], read_at)
        await mirror.store_discounts(session, rules, rows, read_at)


def discounts_of(subscription: Document) -> Iterator[FoundDiscount]:
    """Those of a subscription and its items, as far as they are expanded."""
    billed, currency, id_ = [billed_by(subscription)], subscription["currency"], subscription["id"]
    for one in _expanded(subscription.get("discounts")):
        yield FoundDiscount(one, "subscription", id_, currency, billed)
    for item in subscription["items"]["data"]:
        for one in _expanded(item.get("discounts")):
            yield FoundDiscount(one, "item", id_, currency, billed, item["id"])


async def valued(
    client: stripe.StripeClient, database: Database, found: Iterable[FoundDiscount]
) -> tuple[ValuedDiscount, ...]:
    """Those that the mirror does not have, with what they are worth: a request each. Raises StripeError."""
    by_id = {one.discount["id"]: one for one in found}
    async with database.reading() as session:
        unknown = await mirror.unknown_discounts(session, by_id)
    return tuple([await _valued(client, by_id[id_]) for id_ in sorted(unknown)])


def discount_rows(
    discounts: Iterable[ValuedDiscount], organization: str, customer: str | None, synced_at: datetime
) -> list[DiscountRow]:
    """The mirror's rows; without a customer those of the organization's own subscription."""
    return [
        DiscountRow(
            id=one.found.discount["id"],
            organization_id=organization,
            customer_id=customer,
            given_on=one.found.given_on,
            bearer=one.found.bearer,
            coupon=id_of(one.found.discount["source"]["coupon"]),
            name=one.name,
            value=one.value,
            currency=one.currency,
            created_at=time_of(one.found.discount["start"]),
            synced_at=synced_at,
        )
        for one in discounts
    ]


async def with_unknown_discounts(database: Database, customers: Iterable[Document]) -> list[Document]:
    """Those of these customers who have a discount of their own that the mirror does not have."""
    own = {one["discount"]["id"]: one for one in customers if one.get("discount")}
    async with database.reading() as session:
        unknown = await mirror.unknown_discounts(session, own)
    return [own[id_] for id_ in sorted(unknown)]


async def customer_discounts(
    client: stripe.StripeClient, database: Database, customer: Document
) -> tuple[ValuedDiscount, ...]:
    """What the mirror does not have of the discounts of a customer and their subscriptions.

    Raises StripeError.
    """
    listing = client.v1.subscriptions.list_async(
        {"customer": customer["id"], "limit": PAGE, "expand": LISTED_DISCOUNTS}
    )
    subscriptions = [one.to_dict() async for one in (await listing).auto_paging_iter()]
    found = [discount for one in subscriptions for discount in discounts_of(one)]
    if customer.get("discount"):
        billed = [one for one in map(billed_by, subscriptions) if not one.discounted]
        currency = next((one["currency"] for one in subscriptions), customer.get("currency"))
        found.append(FoundDiscount(customer["discount"], "customer", customer["id"], currency, billed))
    return await valued(client, database, found)


async def _valued(client: stripe.StripeClient, found: FoundDiscount) -> ValuedDiscount:
    """Of a coupon that was deleted since nothing is known: what it takes off is counted as it does."""
    id_ = id_of(found.discount["source"]["coupon"])
    try:
        document = (
            await client.v1.coupons.retrieve_async(id_, {"expand": ["applies_to", "currency_options"]})
        ).to_dict()
    except stripe.InvalidRequestError as error:
        if error.http_status != 404:
            raise
        return ValuedDiscount(found, id_, 0, found.currency or NO_CURRENCY)
    currency = found.currency or document.get("currency") or NO_CURRENCY
    coupon = coupon_of(document, currency)
    value = discount_value(coupon, found.billed, item=found.item)
    return ValuedDiscount(found, coupon.words, value, currency)


def _expanded(discounts: Iterable[Document | str] | None) -> Iterator[Document]:
    return (one for one in discounts or () if not isinstance(one, str))
