"""A customer of an organization with an invoice and links to it, who opens them."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from httpx import Response
from sqlmodel import col, select

from billing.portal.networks import Action
from db.core.clock import utc_now
from db.core.session import Database
from db.portal import links as portal_links
from db.tables import Customer, Invoice, PortalAccess, PortalLink, PortalNetwork, new_id

from ..support.builders import Tenant, a_customer, an_invoice, store
from .conftest import Api

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
}


@dataclass
class Visitor:
    """Opens pages with cookies of their own, as a browser."""

    api: Api
    database: Database
    customer: Customer
    invoice: Invoice
    page: str = "/portal/"
    """Where the visitor came to last."""
    shown: str = ""
    """What the form on that page says that it has shown."""

    async def link(self, days: float = 30, invoice: Invoice | None = None) -> tuple[PortalLink, str]:
        """A new link to the invoice and its token; another one before it is replaced."""
        of, at = invoice or self.invoice, utc_now()
        async with self.database.transaction() as session:
            link = await portal_links.issue(
                session,
                organization_id=of.organization_id,
                customer_id=of.customer_id,
                invoice_id=of.id,
                by="system",
                reason="issued",
                at=at - timedelta(days=1),
                expires_at=at + timedelta(days=days),
            )
            return link, await portal_links.add_token(session, link.id, at=at)

    async def enter(self, token: str) -> Response:
        """Follow the link in a mail: the answer is the page that one comes to."""
        self.api.http.cookies.clear()
        return await self.open(token)

    async def open(self, token: str) -> Response:
        """As `enter`, in a browser that has other pages open."""
        entered = await self.api.http.get(f"/portal/{token}", headers=BROWSER)
        assert entered.status_code in (303, 404)
        if entered.status_code == 404:
            self.page = "/portal/"
            return entered
        self.page = entered.headers["location"]
        assert re.fullmatch(r"/portal/i/[A-Za-z0-9_-]{22}/", self.page)
        return await self.look()

    async def look(self, **headers: str) -> Response:
        page = await self.api.http.get(self.page, headers=BROWSER | headers)
        if form := re.search(r'name="shown" value="([0-9a-f]{32})"', page.text):
            self.shown = form[1]
        return page

    async def post(self, action: str, **fields: str) -> Response:
        """Send one of the forms of the page where the visitor is."""
        same = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
        return await self.api.http.post(
            self.page + action, data={"shown": self.shown} | fields, headers=BROWSER | same
        )

    async def block(self, action: Action = "block", network: str = "127.0.0.0/8") -> None:
        rule = PortalNetwork(
            id=new_id("pnw"),
            organization_id=self.invoice.organization_id,
            action=action,
            network=network,
            reason="for a test",
            created_by="system",
            created_at=utc_now(),
        )
        await store(self.database, rule)

    async def outcomes(self) -> list[str]:
        """What is noted of visits, the oldest first."""
        async with self.database.reading() as session:
            rows = await session.exec(
                select(PortalAccess).order_by(col(PortalAccess.at), col(PortalAccess.id))
            )
            return [row.outcome for row in rows]

    async def row(self, link: PortalLink) -> PortalLink:
        async with self.database.reading() as session:
            found = await session.get(PortalLink, link.id)
        assert found is not None
        return found


async def a_visitor(api: Api, database: Database, tenant: Tenant, **fields: Any) -> Visitor:
    customer = a_customer(tenant.id)
    now = utc_now()
    due = now + timedelta(days=3)
    invoice = an_invoice(customer, **{"number": "AC-0042", "due_date": due, "finalized_at": now} | fields)
    await store(database, customer, invoice)
    return Visitor(api, database, customer, invoice)


def private(answer: Response) -> dict[str, str]:
    """The headers by which answers could be told from each other, without those that differ every time."""
    return {name: value for name, value in answer.headers.items() if name != "x-request-id"}
