"""Reads from Stripe, a page at a time, what our mirror shows of it. Used by provisioning and reconciliation.

A page is read first and stored after, as of the time just before the read, so that a slow page never
overwrites what a quicker reader has stored since. Every function raises StripeError as the SDK does.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import stripe
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.errors import PlanMisconfigured
from billing.mail.languages import is_offered
from billing.mirror.reconciliation import ObjectKind
from billing.plan_changes.plans import Plan, is_plan, read_plan
from db.cases.cases import CaseRules
from db.core.session import Database
from db.mirror import mirror
from db.mirror.mirror import UnreadableSubscription
from db.tables import Customer, Invoice, InvoiceLines, Organization

from ..stripe.plan_subscription import EXPAND_PLAN, SubscriptionUnsupported, subscription_document
from .page_store import Document, RunPage, store_invoices, store_page, store_rows

log = logging.getLogger(__name__)

PAGE = 100
"""The most that Stripe gives at a time."""

MAX_LINES = 10
"""As many lines as an invoice shows without being asked for more."""

OWNER = "plixo_organization"
"""Metadata of a Stripe customer: the organization whose customer it is."""


SOLD_NO_MORE = "Stripe has no active price of it any more."


class MirrorAccess(NamedTuple):
    """What bringing the mirror up to date takes: Stripe, the records, and the rules by which what was made in
    Stripe itself opens cases."""

    client: stripe.StripeClient
    database: Database
    rules: CaseRules


class Mirrored(NamedTuple):
    """One page done: how many rows it stored, and the cursor of the next (None: it was the last)."""

    stored: int
    after: str | None


async def catalog(access: MirrorAccess) -> list[Plan]:
    """Mirror every plan: a few products, so this is one page to its caller.

    One that Stripe describes wrongly, or sells no more, is unavailable with its reason; the others are as
    they are. A product that does not say which plan it is can't be shown: it is only logged.
    """
    synced_at = datetime.now(UTC)
    prices: dict[str, list[dict[str, Any]]] = {}
    found = await access.client.v1.prices.list_async(
        {"active": True, "limit": PAGE, "expand": ["data.product"]}
    )
    products: dict[str, dict[str, Any]] = {}
    async for price in found.auto_paging_iter():
        data = price.to_dict()
        product = data["product"]
        if product.get("active") and is_plan(product):
            products[product["id"]] = product
            prices.setdefault(product["id"], []).append(data)
    plans: dict[str, Plan] = {}
    for id_, product in products.items():
        try:
            plan = read_plan(product, prices[id_])
        except PlanMisconfigured as nameless:
            log.error("%s", nameless.message)
            continue
        plans[plan.plan] = _only_one(plan, plans.get(plan.plan))
    async with access.database.transaction() as session:
        for known in await mirror.plans(session):
            if known.plan not in plans:
                plans[known.plan] = known.model_copy(update={"unavailable": SOLD_NO_MORE})
        for plan in plans.values():
            if plan.unavailable:
                log.error("the plan %s is unavailable: %s", plan.plan, plan.unavailable)
            await mirror.store_plan(session, plan, synced_at=synced_at)
    return list(plans.values())


def _only_one(plan: Plan, other: Plan | None) -> Plan:
    """The plan; of two that call themselves the same neither can be chosen."""
    if other is None:
        return plan
    first, second = sorted([plan, other], key=lambda one: one.product)
    wrong = PlanMisconfigured(
        second.product, "plixo_plan", f"is {plan.plan!r}, as is {first.product}'s", "Archive one of the two."
    )
    return first.model_copy(update={"unavailable": wrong.message})


async def subscription(access: MirrorAccess, organization: Organization) -> None:
    """Mirror an organization's own subscription to Plixo; of one that is not what a plan is, why not."""
    synced_at = datetime.now(UTC)
    found = await access.client.v1.subscriptions.retrieve_async(
        organization.stripe_subscription, {"expand": EXPAND_PLAN}
    )
    document = document_or_why_not(found.to_dict(), organization.stripe_customer)
    async with access.database.transaction() as session:
        await mirror.store_subscription(session, access.rules, organization.id, document, synced_at=synced_at)


def document_or_why_not(data: dict[str, Any], customer: str) -> dict[str, Any] | UnreadableSubscription:
    """What the mirror keeps of a subscription (products expanded), or why it is not what a plan is."""
    try:
        return subscription_document(data, customer)
    except SubscriptionUnsupported as error:
        return UnreadableSubscription(f"{error}.", str(data["currency"]))


async def customers_page(
    access: MirrorAccess,
    organizations: Collection[str],
    after: str | None = None,
    of: RunPage | None = None,
) -> Mirrored:
    """Mirror the customers of these organizations that are on one page of all of Stripe's, newest first."""
    synced_at = datetime.now(UTC)
    page = await access.client.v1.customers.list_async(
        {"limit": PAGE, "starting_after": after} if after else {"limit": PAGE}
    )
    ours = [
        data
        for data in (customer.to_dict() for customer in page.data)
        if (data.get("metadata") or {}).get(OWNER) in organizations
    ]

    async def store(session: AsyncSession, few: Sequence[Document], of: RunPage | None) -> None:
        await store_rows(session, ObjectKind.CUSTOMER, [customer_row(data, synced_at) for data in few], of)

    stored = await store_page(access.database, ObjectKind.CUSTOMER, ours, store, of)
    return Mirrored(stored, page.data[-1].id if page.has_more else None)


def customer_row(data: dict[str, Any], synced_at: datetime) -> Customer:
    """The mirror's row of a Stripe customer that carries its organization in its metadata."""
    return Customer(
        id=data["id"],
        organization_id=data["metadata"][OWNER],
        name=data.get("name"),
        email=data.get("email"),
        currency=data.get("currency"),
        balance=data.get("balance") or 0,
        language=_language(data.get("preferred_locales") or ()),
        country=(data.get("address") or {}).get("country"),
        created_at=_time(data["created"]),
        synced_at=synced_at,
    )


def _language(wanted: Sequence[str]) -> str | None:
    """Of the languages that a customer prefers the first that we write in, else the first."""
    return next((tag for tag in wanted if is_offered(tag)), next(iter(wanted), None))


async def invoices_page(
    access: MirrorAccess, after: str | None = None, of: RunPage | None = None
) -> Mirrored:
    """Mirror the invoices, on one page of all of Stripe's, of customers that the mirror has."""
    synced_at = datetime.now(UTC)
    page = await access.client.v1.invoices.list_async(
        {"limit": PAGE, "starting_after": after} if after else {"limit": PAGE}
    )
    invoices = [invoice.to_dict() for invoice in page.data]
    async with access.database.reading() as session:
        owners = await owners_of(session, {data["customer"] for data in invoices})
    ours = [data for data in invoices if data["customer"] in owners]

    async def store(session: AsyncSession, few: Sequence[Document], of: RunPage | None) -> None:
        rows = [invoice_row(data, owners[data["customer"]], synced_at) for data in few]
        lines = [lines_row(data, owners[data["customer"]], synced_at) for data in few]
        await store_invoices(session, rows, lines, of)

    stored = await store_page(access.database, ObjectKind.INVOICE, ours, store, of)
    return Mirrored(stored, invoices[-1]["id"] if page.has_more else None)


async def owners_of(session: AsyncSession, customers: Iterable[str]) -> dict[str, str]:
    """The organizations of those customers that the mirror has."""
    known = select(Customer.id, Customer.organization_id).where(col(Customer.id).in_(customers))
    return dict((await session.exec(known)).all())


def invoice_row(data: dict[str, Any], organization: str, synced_at: datetime) -> Invoice:
    """The mirror's row of a Stripe invoice of a customer of this organization."""
    due, finalized = data.get("due_date"), data["status_transitions"]["finalized_at"]
    return Invoice(
        id=data["id"],
        organization_id=organization,
        customer_id=data["customer"],
        number=data.get("number"),
        status=data["status"],
        currency=data["currency"],
        total=data["total"],
        amount_due=data["amount_due"],
        amount_paid=data["amount_paid"],
        amount_remaining=data["amount_remaining"],
        due_date=_time(due) if due else None,
        finalized_at=_time(finalized) if finalized else None,
        collection_method=data["collection_method"],
        created_at=_time(data["created"]),
        synced_at=synced_at,
    )


def lines_row(data: dict[str, Any], organization: str, synced_at: datetime) -> InvoiceLines:
    """The mirror's row of the lines that Stripe lists within an invoice: the first ten."""
    listed = data["lines"]
    lines = [
        {
            "description": line.get("description"),
            "quantity": line.get("quantity"),
            "amount": line["amount"],
            "period_start": line["period"]["start"],
            "period_end": line["period"]["end"],
        }
        for line in listed["data"][:MAX_LINES]
    ]
    return InvoiceLines(
        invoice_id=data["id"],
        organization_id=organization,
        lines=lines,
        complete=not listed["has_more"] and len(listed["data"]) <= MAX_LINES,
        synced_at=synced_at,
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
