"""The mirror of Stripe, refreshed a page at a time; of a run, what differed is noted.

Where only what is `recent` is asked for, a list's pages are those of its window: what was made since the
newest object that was compared before.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

import stripe
from temporalio import activity

from billing.core.operations import Message
from db.cases.cases import CaseRules
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import windows
from db.tables import Reconciliation

from ..stripe.failures import ask
from . import (
    balance_pages,
    lookups,
    money_pages,
    readers,
    subscription_pages,
)
from . import pages as mirror_pages
from .page_store import RunPage


class PageQuery(Message):
    """Which page of a run: `after` is the last id of the one before, made at `until`. Times are in Stripe's
    seconds."""

    reconciliation: str
    after: str | None = None
    until: int | None = None
    recent: bool = False
    newest: int | None = None
    """Of a window, what its first page has shown."""

    @property
    def of(self) -> RunPage:
        return RunPage(self.reconciliation, self.after or "")


class PageDone(Message):
    stored: int
    after: str | None
    until: int | None = None
    newest: int | None = None
    """Of a window, its newest object's time."""


Listing = Callable[[mirror_pages.Place], Awaitable[mirror_pages.MirroredPage]]


class Mirror:
    def __init__(self, client: stripe.StripeClient, database: Database, rules: CaseRules) -> None:
        self._access = mirror_pages.MirrorAccess(client, database, rules)
        self._database = database

    @activity.defn
    async def mirror_catalog(self) -> int:
        """Every plan; returns how many. One that Stripe describes wrongly is unavailable, with its reason."""
        return len(await ask(mirror_pages.catalog(self._access)))

    @activity.defn
    async def mirror_subscriptions(self, query: PageQuery) -> PageDone:
        """One page of Stripe's subscriptions: those of our organizations to Plixo, and the discounts of these
        and of those of customers that we know."""
        return await self._listed(
            "subscriptions",
            query,
            lambda place: subscription_pages.subscriptions_page(self._access, place, query.of),
        )

    @activity.defn
    async def mirror_customers(self, query: PageQuery) -> PageDone:
        """One page of Stripe's customers, those of our organizations."""
        return await self._listed(
            "customers", query, lambda place: mirror_pages.customers_page(self._access, place, query.of)
        )

    @activity.defn
    async def mirror_invoices(self, query: PageQuery) -> PageDone:
        """One page of Stripe's invoices, those of customers that we know and of our organizations."""
        return await self._listed(
            "invoices", query, lambda place: mirror_pages.invoices_page(self._access, place, query.of)
        )

    @activity.defn
    async def mirror_payments(self, query: PageQuery) -> PageDone:
        """One page of Stripe's payments, those of customers that we know."""
        return await self._listed(
            "payments", query, lambda place: money_pages.payments_page(self._access, place, query.of)
        )

    @activity.defn
    async def mirror_invoice_payments(self, query: PageQuery) -> PageDone:
        """One page of which payment paid which invoice, of payments and invoices that we know."""
        return await self._listed(
            "invoice_payments",
            query,
            lambda place: money_pages.invoice_payments_page(self._access, place, query.of),
        )

    @activity.defn
    async def mirror_refunds(self, query: PageQuery) -> PageDone:
        """One page of Stripe's refunds, those of customers that we know."""
        return await self._listed(
            "refunds", query, lambda place: money_pages.refunds_page(self._access, place, query.of)
        )

    @activity.defn
    async def mirror_credit_notes(self, query: PageQuery) -> PageDone:
        """One page of Stripe's credit notes, those of customers that we know."""
        return await self._listed(
            "credit_notes", query, lambda place: money_pages.credit_notes_page(self._access, place, query.of)
        )

    @activity.defn
    async def mirror_disputes(self, query: PageQuery) -> PageDone:
        """One page of Stripe's disputes, those of payments that we know."""
        return await self._listed(
            "disputes", query, lambda place: money_pages.disputes_page(self._access, place, query.of)
        )

    @activity.defn
    async def mirror_balances(self, query: PageQuery) -> PageDone:
        """The changes of the balances of the next customers whose newest change we do not have."""
        return await self._page(balance_pages.balances_page(self._access, query.after, query.of))

    @activity.defn
    async def look_up_subscriptions(self, query: PageQuery) -> PageDone:
        """Some organizations' subscriptions that the run has not found in Stripe's list."""
        began, of = await self._run(query)
        return await self._page(lookups.subscriptions(self._access, began, query.after, of))

    @activity.defn
    async def look_up_customers(self, query: PageQuery) -> PageDone:
        """Some customers that the run has not found in Stripe's list."""
        began, of = await self._run(query)
        return await self._page(lookups.customers(self._access, began, query.after, of))

    @activity.defn
    async def look_up_invoices(self, query: PageQuery) -> PageDone:
        """Some invoices that the run has not found in Stripe's list."""
        began, of = await self._run(query)
        return await self._page(lookups.invoices(self._access, began, query.after, of))

    @activity.defn
    async def look_up_organization_invoices(self, query: PageQuery) -> PageDone:
        """Some invoices to organizations themselves that the run has not found in Stripe's list."""
        began, of = await self._run(query)
        return await self._page(lookups.organization_invoices(self._access, began, query.after, of))

    @activity.defn
    async def look_up_renewals(self, query: PageQuery) -> PageDone:
        """Some organizations' next invoices that were read long before the run, or never."""
        began, of = await self._run(query)
        return await self._page(lookups.renewals(self._access, began, query.after, of))

    @activity.defn
    async def mirror_failed(self, query: PageQuery) -> PageDone:
        """Some objects that could not be mirrored when a page or an event had them."""
        return await self._page(readers.mirror_failed(self._access, query.after))

    async def _run(self, query: PageQuery) -> tuple[datetime, RunPage]:
        """Since when the run has been going on, and its page."""
        async with self._database.reading() as session:
            run = await session.get_one(Reconciliation, query.reconciliation)
        return run.started_at, query.of

    async def _listed(self, stage: str, query: PageQuery, listing: Listing) -> PageDone:
        """A page of a list of Stripe's. Of a window, the first that there is ends after its first page: what
        was made before that is the whole comparison's."""
        place = mirror_pages.Place(query.after, until=query.until)
        if not query.recent:
            done = await ask(listing(place))
            return PageDone(stored=done.stored, after=done.after, until=done.until)
        async with self._database.reading() as session:
            since = await windows.since(session, stage)
        done = await ask(listing(place._replace(since=since)))
        newest = done.newest if query.newest is None else query.newest
        if done.after is not None and since is not None:
            return PageDone(stored=done.stored, after=done.after, until=done.until, newest=newest)
        async with self._database.transaction() as session:
            await windows.compared(session, stage, newest, utc_now())
        return PageDone(stored=done.stored, after=None)

    async def _page(self, reading: Awaitable[mirror_pages.MirroredPage]) -> PageDone:
        done = await ask(reading)
        return PageDone(stored=done.stored, after=done.after)
