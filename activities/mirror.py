"""The mirror of Stripe, refreshed a page at a time."""

from collections.abc import Awaitable

import stripe
from sqlmodel import select
from temporalio import activity
from temporalio.exceptions import ApplicationError

from billing.errors import PlanMisconfigured
from billing.operations import Message
from db.session import Database
from db.tables import Organization

from . import mirror_pages, money_pages
from .stripe_reads import ask


class PageQuery(Message):
    """Which page: `after` is the last id of the one before."""

    after: str | None = None


class PageDone(Message):
    stored: int
    after: str | None


class Mirror:
    def __init__(self, client: stripe.StripeClient, database: Database) -> None:
        self._client = client
        self._database = database

    @activity.defn
    async def mirror_catalog(self) -> int:
        """Every plan that is for sale; returns how many. A product that is no plan is final until mended."""
        try:
            return len(await ask(mirror_pages.catalog(self._client, self._database)))
        except PlanMisconfigured as error:
            raise ApplicationError(error.message, type=error.code, non_retryable=True) from error

    @activity.defn
    async def mirror_customers(self, query: PageQuery) -> PageDone:
        """One page of Stripe's customers, those of our organizations."""
        async with self._database.reading() as session:
            organizations = list(await session.exec(select(Organization.id)))
        return await self._page(
            mirror_pages.customers_page(self._client, self._database, organizations, query.after)
        )

    @activity.defn
    async def mirror_invoices(self, query: PageQuery) -> PageDone:
        """One page of Stripe's invoices, those of customers that we know."""
        return await self._page(mirror_pages.invoices_page(self._client, self._database, query.after))

    @activity.defn
    async def mirror_payments(self, query: PageQuery) -> PageDone:
        """One page of Stripe's payments, those of customers that we know."""
        return await self._page(money_pages.payments_page(self._client, self._database, query.after))

    @activity.defn
    async def mirror_invoice_payments(self, query: PageQuery) -> PageDone:
        """One page of which payment paid which invoice, of payments and invoices that we know."""
        return await self._page(money_pages.invoice_payments_page(self._client, self._database, query.after))

    @activity.defn
    async def mirror_refunds(self, query: PageQuery) -> PageDone:
        """One page of Stripe's refunds, those of customers that we know."""
        return await self._page(money_pages.refunds_page(self._client, self._database, query.after))

    @activity.defn
    async def mirror_credit_notes(self, query: PageQuery) -> PageDone:
        """One page of Stripe's credit notes, those of customers that we know."""
        return await self._page(money_pages.credit_notes_page(self._client, self._database, query.after))

    @staticmethod
    async def _page(reading: Awaitable[mirror_pages.Mirrored]) -> PageDone:
        done = await ask(reading)
        return PageDone(stored=done.stored, after=done.after)
