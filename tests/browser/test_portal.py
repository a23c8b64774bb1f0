"""The customer's way on a phone without JavaScript, from a link that died to an invoice that is paid."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page
from sqlmodel import select

from api.http.context import Context
from api.http.site import Site, pay_pages
from db.core.clock import utc_now
from db.mirror import mirror
from db.portal import links as portal_links
from db.tables import Invoice, PortalAccess

from ..support.builders import Tenant
from ..support.house import House, served, until
from .looks import ON_A_PHONE, PHONE, faults

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("databases", ["sqlite"], indirect=True),
]

EMAIL = "payables@customer.example"


class Walk:
    """A house with an invoice that Stripe knows, our pages at `address`, and what they look like."""

    def __init__(self, home: House, address: str, invoice: Invoice, pictures: Path) -> None:
        self.home, self.address, self.invoice, self.pictures = home, address, invoice, pictures

    async def expired_token(self) -> str:
        return await self.token(since=31, until=-1)

    async def token(self, *, since: int = 1, until: int = 30) -> str:
        """Of a link that was issued so many days ago."""
        at = utc_now()
        async with self.home.database.transaction() as session:
            link = await portal_links.issue(
                session,
                organization_id=self.invoice.organization_id,
                customer_id=self.invoice.customer_id,
                invoice_id=self.invoice.id,
                by="system",
                reason="issued",
                at=at - timedelta(days=since),
                expires_at=at + timedelta(days=until),
            )
            return await portal_links.add_token(session, link.id, at=at)

    async def mailed_token(self) -> str:
        """What stands in the mail that the customer gets."""
        found: list[str] = []

        async def there() -> bool:
            for mail in self.home.mail.mailbox.mails:
                if EMAIL in mail["to"]:
                    found.extend(re.findall(r"/portal/([A-Za-z0-9_-]{43})\b", mail["text"]))
            return bool(found)

        await until(there, lambda: f"no link was mailed: {self.home.mail.names()}")
        return found[0]

    async def due_in(self, *, days: int) -> None:
        """By our clock: the stand-in's stands still."""
        async with self.home.database.transaction() as session:
            invoice = await session.get_one(Invoice, self.invoice.id)
            invoice.due_date = utc_now() + timedelta(days=days)
            session.add(invoice)

    async def paid(self) -> None:
        async def there() -> bool:
            async with self.home.database.reading() as session:
                invoice = await mirror.invoice(session, self.invoice.organization_id, self.invoice.id)
            return invoice is not None and invoice.status == "paid"

        await until(there, lambda: "the payment is not known yet")

    async def outcomes(self) -> list[str]:
        async with self.home.database.reading() as session:
            rows = await session.exec(select(PortalAccess.outcome).order_by(PortalAccess.id))
            return list(rows)

    async def picture(self, page: Page, name: str) -> None:
        await page.screenshot(path=self.pictures / f"{name}.png", full_page=True)


async def an_open_invoice(home: House, more: int = 0, tenant: Tenant | None = None) -> Invoice:
    """Made in Stripe, and mirrored as its events tell."""
    acme = tenant or await home.shop.tenant(home.database)
    v1 = home.shop.client.v1
    customer = await v1.customers.create_async(
        {"name": "Northwind", "email": EMAIL, "metadata": {"plixo_organization": acme.id}}
    )
    draft = await v1.invoices.create_async(
        {"customer": customer.id, "collection_method": "send_invoice", "days_until_due": 30}
    )
    for words, amount in (("Onboarding, two days on site", 120_000), ("Seats in April", 4_250 + more)):
        await v1.invoice_items.create_async(
            {
                "customer": customer.id,
                "invoice": draft.id,
                "amount": amount,
                "currency": "usd",
                "description": words,
            }
        )
    await v1.invoices.finalize_invoice_async(draft.id)
    await home.followed()
    async with home.database.reading() as session:
        found = await mirror.invoice(session, acme.id, draft.id)
    assert found is not None
    assert found.status == "open"
    return found


def with_site(home: House) -> None:
    """The pages may send customers to the stand-in."""
    assert home.app is not None
    context: Context = home.app.state.context
    site = Site(
        public_url="http://plixo.test",
        pay_pages=pay_pages(home.stand_in.url),
        contact="billing@plixo.example",
        floor=0.0,
    )
    home.app.state.context = replace(context, site=site)


async def test_a_customer_whose_link_died_gets_a_new_one_and_pays(
    home: House, browser: Browser, tmp_path: Path
) -> None:
    with_site(home)
    assert home.app is not None
    async with home.told_by_stripe(), served(home.app) as address:
        walk = Walk(home, address, await an_open_invoice(home), tmp_path)
        phone = await browser.new_context(viewport=PHONE, java_script_enabled=False)
        page = await phone.new_page()

        await page.goto(f"{address}/portal/{await walk.expired_token()}")
        assert re.fullmatch(rf"{address}/portal/i/[\w-]{{22}}/", page.url)
        await walk.picture(page, "neutral")
        await page.get_by_role("button", name="Mail me a new link").click()
        await page.get_by_role("heading", name="Check your mail").wait_for()
        await walk.picture(page, "asked")

        await page.goto(f"{address}/portal/{await walk.mailed_token()}")
        await page.get_by_text("Onboarding, two days on site").wait_for()
        at_invoice = page.url
        await walk.picture(page, "invoice")
        assert await fits(page)
        await walk.due_in(days=3)
        await page.reload()
        await page.get_by_role("link", name="Tell us when you will pay").click()
        await page.fill("#day", f"{utc_now() + timedelta(days=5):%Y-%m-%d}")
        assert await fits(page)
        await page.get_by_role("button", name="I’ll pay by this day").click()
        await page.get_by_text("You said that you will pay by").wait_for()
        await page.get_by_role("link", name="All your invoices").click()
        await page.get_by_role("heading", name="To pay").wait_for()
        await walk.picture(page, "account")
        assert await fits(page)
        await page.get_by_role("button", name="Pay USD 1,242.50").click()
        await page.get_by_label("Test card").wait_for()
        assert page.url.startswith(home.stand_in.url)
        await page.get_by_role("button", name="Pay").click()
        await page.get_by_text("Thank you").wait_for()

        await walk.paid()
        await page.goto(at_invoice)
        await page.get_by_text("This invoice is paid").wait_for()
        await walk.picture(page, "paid")
        assert await page.get_by_role("button").count() == 0
        assert await walk.outcomes() == ["expired", "asked", "opened", "promised", "account", "paying"]

        drawn = await phone.request.get(f"{at_invoice}pdf")
        assert (await drawn.body()).startswith(b"%PDF")
        assert drawn.headers["content-type"] == "application/pdf"
        again = await phone.request.post(f"{at_invoice}pay", max_redirects=0)
        assert (again.status, again.headers["location"]) == (
            303,
            f"{at_invoice.removeprefix(address)}?changed",
        )
        await phone.close()


async def fits(page: Page) -> bool:
    """Whether nothing has to be moved sideways, and what is to be touched is large enough."""
    box = await page.locator("main").bounding_box()
    assert box is not None
    for target in await page.locator("button, a").all():
        size = await target.bounding_box()
        assert size is not None
        assert size["height"] >= 44, await target.inner_text()
    return box["x"] >= 0 and box["width"] <= 390


async def test_axe_finds_nothing_on_any_page(home: House, browser: Browser, tmp_path: Path) -> None:
    with_site(home)
    assert home.app is not None
    async with home.told_by_stripe(), served(home.app) as address:
        walk = Walk(home, address, await an_open_invoice(home), tmp_path)
        context = await browser.new_context(reduced_motion="reduce", bypass_csp=True)
        page = await context.new_page()
        findings: dict[str, Any] = {}

        async def check(name: str) -> None:
            if found := await faults(page, ON_A_PHONE):
                findings[name] = found

        token = await walk.expired_token()
        await page.goto(f"{address}/portal/opt-out/{token}")
        await check("question")
        await page.get_by_role("button").click()
        await check("out")
        await page.get_by_role("button").click()
        await check("again")
        await page.goto(f"{address}/portal/{token}")
        await check("neutral")
        await page.get_by_role("button", name="Mail me a new link").click()
        await check("asked")
        await page.goto(f"{address}/portal/{await walk.mailed_token()}")
        await check("invoice")
        elsewhere = await page.request.post(f"{page.url}pay", headers={"Origin": "https://evil.example"})
        assert elsewhere.status == 403
        await page.set_content((await elsewhere.text()).replace('href="/', f'href="{address}/'))
        await check("message")
        assert findings == {}
        await context.close()


async def test_two_invoices_in_two_tabs_are_two_pages_and_each_pays_its_own(
    home: House, browser: Browser, tmp_path: Path
) -> None:
    """In German, as the browser asks for: the customer's language is not known."""
    with_site(home)
    assert home.app is not None
    async with home.told_by_stripe(), served(home.app) as address:
        walks = [Walk(home, address, await an_open_invoice(home, more), tmp_path) for more in (0, 77_750)]
        phone = await browser.new_context(viewport=PHONE, java_script_enabled=False, locale="de-DE")
        tabs = [await phone.new_page() for _ in walks]
        amounts = ["USD 1.242,50", "USD 2.020,00"]
        for walk, tab in zip(walks, tabs, strict=True):
            await tab.goto(f"{address}/portal/{await walk.token()}")
        for walk, tab, amount in zip(walks, tabs, amounts, strict=True):
            await tab.reload()
            await tab.get_by_role("heading", name="Rechnung").wait_for()
            await walk.picture(tab, f"tab-{amount}")
            await tab.get_by_role("button", name=f"{amount} bezahlen").click()
            await tab.get_by_label("Test card").wait_for()
            assert f"{walk.invoice.amount_remaining / 100:,.2f}" in await tab.content()
        await phone.close()
