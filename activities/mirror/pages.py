"""Reads from Stripe, a page at a time, what our mirror shows of it. Used by provisioning and reconciliation.

A page is read first and stored after, as of the time just before the read, so that a slow page never
overwrites what a quicker reader has stored since. Every function raises StripeError as the SDK does.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import stripe
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.errors import PlanMisconfigured
from billing.mirror.bill import CHARGED
from billing.mirror.reconciliation import ObjectKind
from billing.plan_changes.items.add_ons import AddOn, add_on_from_stripe, is_add_on
from billing.plan_changes.plans import Plan, is_plan, read_plan
from billing.stripe.events import EventSubject
from db.cases import invoice_cases
from db.cases.cases import CaseRules
from db.core.alone import Alone, Unit
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import bills, mirror
from db.tables import Customer, Organization

from ..stripe.failures import concerns_everybody
from .objects.bill import organization_invoice_row, read_renewal
from .objects.customer import customer_row, named_owners
from .objects.discount import customer_discounts, discount_rows, with_unknown_discounts
from .objects.invoice import InvoiceSnapshot, invoice_row, lines_row, with_all_lines
from .objects.snapshot import Document, Owner
from .objects.subscription import SubscriptionSnapshot
from .page_store import (
    RunPage,
    store_invoices,
    store_organization_invoices,
    store_page,
    store_rows,
    sweep_of,
)

log = logging.getLogger(__name__)

PAGE = 100
"""The most that Stripe gives at a time."""

Sold = TypeVar("Sold", Plan, AddOn)

SOLD_NO_MORE = "Stripe no longer has an active price for it."


class Place(NamedTuple):
    """Which page of a list, newest first: after this id, of objects made since; both ends are in Stripe's
    seconds. `until` is when the object with that id was made, for where it is gone."""

    after: str | None = None
    since: int | None = None
    until: int | None = None


BEGINNING = Place()


def page_params(after: str | None, since: int | None = None, until: int | None = None) -> Any:
    """The parameters of a list in Stripe that goes on after this id, of objects made between these."""
    bounds = {"gte": since, "lte": until}
    created = {name: bound for name, bound in bounds.items() if bound is not None}
    params: dict[str, Any] = {"limit": PAGE}
    if after:
        params["starting_after"] = after
    return params | ({"created": created} if created else {})


async def listed(list_: Callable[[Any], Awaitable[Any]], place: Place, **params: Any) -> Any:
    """A page of a list of Stripe's. Where the object that it goes on after was deleted, it goes on with those
    that were made when that was, or before."""
    try:
        return await list_(page_params(place.after, place.since) | params)
    except stripe.InvalidRequestError as error:
        if place.until is None or error.param != "starting_after":
            raise
        return await list_(page_params(None, place.since, place.until) | params)


def documents_of(page: Any) -> list[Document]:
    return [one.to_dict() for one in page.data]


def cursor_after(page: Any) -> str | None:
    """None where the page was the last."""
    return str(page.data[-1].id) if page.has_more else None


class MirrorAccess(NamedTuple):
    """What updating the mirror takes: Stripe, the records, and the rules that open cases."""

    client: stripe.StripeClient
    database: Database
    rules: CaseRules


class MirroredPage(NamedTuple):
    """One page done: how many rows it stored, and the cursor of the next (None: it was the last).

    Of a list, `newest` and `until` are when its first and its last object were made, in Stripe's seconds.
    """

    stored: int
    after: str | None
    newest: int | None = None
    until: int | None = None

    @classmethod
    def of(cls, stored: int, page: Any) -> "MirroredPage":
        """Of a page of a list of Stripe's."""
        if not page.data:
            return cls(stored, None)
        return cls(stored, cursor_after(page), page.data[0].created, page.data[-1].created)


async def catalog(access: MirrorAccess) -> list[Plan]:
    """Mirror every plan and add-on: a few products, so this is one page to its caller. The plans.

    One that Stripe describes wrongly, or sells no more, is unavailable with its reason; the others are as
    they are. A product that does not say which plan it is can't be shown: it is only logged.
    """
    synced_at = utc_now()
    prices: dict[str, list[dict[str, Any]]] = {}
    found = await access.client.v1.prices.list_async(
        {"active": True, "limit": PAGE, "expand": ["data.product"]}
    )
    products: dict[str, dict[str, Any]] = {}
    async for price in found.auto_paging_iter():
        data = price.to_dict()
        product = data["product"]
        if product.get("active") and (is_plan(product) or is_add_on(product)):
            products[product["id"]] = product
            prices.setdefault(product["id"], []).append(data)
    plans: dict[str, Plan] = {}
    add_ons: dict[str, AddOn] = {}
    for product_id, product in products.items():
        try:
            if is_plan(product):
                plan = read_plan(product, prices[product_id])
                plans[plan.plan] = _only_one(plan, plans.get(plan.plan), "plixo_plan", plan.plan)
            else:
                add_on = add_on_from_stripe(product, prices[product_id])
                other = add_ons.get(add_on.add_on)
                add_ons[add_on.add_on] = _only_one(add_on, other, "plixo_add_on", add_on.add_on)
        except PlanMisconfigured as nameless:
            log.error("%s", nameless.message)
    async with access.database.transaction() as session:
        for known in await mirror.plans(session):
            if known.plan not in plans:
                plans[known.plan] = known.model_copy(update={"unavailable": SOLD_NO_MORE})
        for plan in plans.values():
            if plan.unavailable:
                log.error("the plan %s is unavailable: %s", plan.plan, plan.unavailable)
            await mirror.store_plan(session, plan, synced_at=synced_at)
        for gone in await mirror.add_ons(session):
            if gone.add_on not in add_ons:
                add_ons[gone.add_on] = gone.model_copy(update={"unavailable": SOLD_NO_MORE})
        for add_on in add_ons.values():
            await mirror.store_add_on(session, add_on, synced_at=synced_at)
    return list(plans.values())


def _only_one(one: Sold, other: Sold | None, key: str, name: str) -> Sold:
    """The plan or add-on; of two that call themselves the same neither can be chosen."""
    if other is None:
        return one
    first, second = sorted([one, other], key=lambda each: each.product)
    wrong = PlanMisconfigured(
        second.product, key, f"is {name!r}, as is {first.product}'s", "Archive one of the two."
    )
    return first.model_copy(update={"unavailable": wrong.message})


async def subscription(access: MirrorAccess, organization: Organization) -> None:
    """Mirror an organization's own subscription to Plixo, and its next invoice; of a subscription that is not
    what a plan is, why not."""
    synced_at = utc_now()
    snapshot = await SubscriptionSnapshot.read(access.client, organization.stripe_subscription)
    async with access.database.transaction() as session:
        owner = Owner(organization.id, subscriber=True)
        await snapshot.store(session, access.rules, owner, synced_at)
        subscribed = await session.get_one(Organization, organization.id, populate_existing=True)
    renewal = await read_renewal(access.client, subscribed, utc_now())
    async with access.database.transaction() as session:
        await bills.store_renewal(session, renewal)


async def customers_page(
    access: MirrorAccess, place: Place = BEGINNING, of: RunPage | None = None
) -> MirroredPage:
    """Mirror the customers of our organizations that are on one page of all of Stripe's, newest first."""
    synced_at = utc_now()
    page = await listed(access.client.v1.customers.list_async, place)
    customers = documents_of(page)
    async with access.database.reading() as session:
        owners = await named_owners(session, customers)
    ours = [data for data in customers if data["id"] in owners]

    async def store(session: AsyncSession, few: Sequence[Document], of: RunPage | None) -> None:
        await store_rows(session, ObjectKind.CUSTOMER, [customer_row(data, synced_at) for data in few], of)

    stored = await store_page(access.database, EventSubject.CUSTOMER, ours, store, of)
    await _store_discounts(access, ours, owners, synced_at)
    return MirroredPage.of(stored, page)


async def _store_discounts(
    access: MirrorAccess, customers: Sequence[Document], owners: Mapping[str, str], read_at: datetime
) -> None:
    """Mirror the discounts that these customers have and the mirror has not: some requests for each."""

    async def one(customer: Document) -> None:
        found = await customer_discounts(access.client, access.database, customer)
        rows = discount_rows(found, owners[customer["id"]], customer["id"], read_at)
        async with access.database.transaction() as session:
            await mirror.store_discounts(session, access.rules, rows, read_at)

    unknown = await with_unknown_discounts(access.database, customers)
    mirror_of = Alone(access.database, sweep_of(EventSubject.DISCOUNT), concerns_everybody)
    await mirror_of.each(unknown, one, lambda customer: Unit(customer["id"], owners[customer["id"]]))


async def invoices_page(
    access: MirrorAccess, place: Place = BEGINNING, of: RunPage | None = None
) -> MirroredPage:
    """Mirror the invoices on one page of all of Stripe's: to customers that the mirror has, and to
    organizations themselves."""
    synced_at = utc_now()
    page = await listed(access.client.v1.invoices.list_async, place)
    invoices = documents_of(page)
    async with access.database.reading() as session:
        billed = {data["customer"] for data in invoices}
        owners, subscribers = await owners_of(session, billed), await bills.subscribers(session, billed)
    ours = await _whole(access, [data for data in invoices if data["customer"] in owners])
    subscribed = [await _with_payments(access, data) for data in invoices if data["customer"] in subscribers]

    async def store(session: AsyncSession, few: Sequence[Document], of: RunPage | None) -> None:
        rows = [invoice_row(data, owners[data["customer"]], synced_at) for data in few]
        lines = [lines_row(data, owners[data["customer"]], synced_at) for data in few]
        await store_invoices(session, rows, lines, of)
        await invoice_cases.notice(session, access.rules, [row.id for row in rows], synced_at)

    async def store_bills(session: AsyncSession, few: Sequence[Document], of: RunPage | None) -> None:
        rows = [organization_invoice_row(data, subscribers[data["customer"]], synced_at) for data in few]
        await store_organization_invoices(session, rows, of)

    stored = await store_page(access.database, EventSubject.INVOICE, ours, store, of)
    stored += await store_page(access.database, EventSubject.INVOICE, subscribed, store_bills, of)
    return MirroredPage.of(stored, page)


async def _with_payments(access: MirrorAccess, invoice: Document) -> Document:
    """An open invoice with how its charge stands, which is a level deeper than Stripe expands in a list."""
    if invoice["status"] != "open" or invoice["collection_method"] != CHARGED:
        return invoice
    return (await InvoiceSnapshot.read(access.client, invoice["id"])).invoice


async def _whole(access: MirrorAccess, invoices: Sequence[Document]) -> list[Document]:
    """Final invoices with all their lines, but those that were read so in the same status."""
    long = {data["id"]: data["status"] for data in invoices if data["lines"]["has_more"]}
    async with access.database.reading() as session:
        known = await mirror.read_whole(session, long)
    return [data if data["id"] in known else await with_all_lines(access.client, data) for data in invoices]


async def owners_of(session: AsyncSession, customers: Iterable[str]) -> dict[str, str]:
    """The organizations of those customers that the mirror has; of none that is an organization itself."""
    subscribes = select(Organization.id).where(Organization.stripe_customer == Customer.id).exists()
    known = select(Customer.id, Customer.organization_id).where(col(Customer.id).in_(customers), ~subscribes)
    return dict((await session.exec(known)).all())
