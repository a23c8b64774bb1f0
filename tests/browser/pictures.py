"""The pictures in README and guides, taken on a walk: `python -m tests.browser.pictures` writes them anew."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from db.core.session import Database
from db.tables import Organization, Person
from sandbox.stripe.server.inprocess import StandIn

from ..support import money
from ..support.builders import Member, Tenant
from ..support.databases import SqliteDatabases
from ..support.house import House, house, time_skipping
from .conftest import CHROMIUM, FLAGS
from .gallery.studio import PEOPLE
from .looks import PHONE
from .test_console import console, sign_in
from .test_portal import Walk, an_open_invoice

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
PICTURES = ("quote", "approval", "refund", "invoice", "portal")
"""By their files' names, without `.png`."""

_DESK = {"width": 1280, "height": 800}
_REFUND = "The March invoice was paid twice, by card and by bank transfer."


class Walkers:
    """A house with an organization, and browsers of its people."""

    def __init__(self, home: House, browser: Browser, out: Path) -> None:
        self._home, self._browser, self._out = home, browser, out

    async def walk(self) -> None:
        """Takes every picture."""
        home = self._home
        acme = await self._named(await home.shop.tenant(home.database, "growth"))
        async with home.told_by_stripe(), console(home) as address:
            invoice = await an_open_invoice(home, tenant=acme)
            payment = await money.pay(home.shop, invoice.customer_id, 124_250)
            await home.followed()
            admin = await self._page(address, acme.admin)
            await self._quote(admin, address)
            await self._refund(admin, address, payment)
            await self._approval(address, acme)
            await admin.goto(f"{address}/console/invoices/{invoice.id}")
            await admin.click("text=Mail the customer a new link")
            await admin.wait_for_load_state()
            walk = Walk(home, address, invoice, self._out)
            await walk.due_in(days=12)
            phone = await (await self._context(PHONE)).new_page()
            await phone.goto(f"{address}/portal/{await walk.mailed_token()}")
            await self._picture(phone, "portal")
            await admin.reload()
            await self._picture(admin, "invoice")

    async def _quote(self, page: Page, address: str) -> None:
        await page.goto(f"{address}/console/plans")
        await page.select_option("#field-plan", "scale")
        await page.fill("#field-seats", "12")
        await page.fill("#field-reason", "The support team joins.")
        await page.click("form[action='/console/plans/quote'] button")
        await page.get_by_role("button", name="Request this change").wait_for()
        await self._picture(page, "quote")

    async def _refund(self, page: Page, address: str, payment: str) -> None:
        await page.goto(f"{address}/console/refunds/new?payment_intent={payment}")
        await page.fill("#field-amount", "600")
        await page.select_option("#field-reason", "duplicate")
        await page.fill("#field-note", _REFUND)
        await page.get_by_role("button", name="See what would happen").click()
        await page.get_by_role("button", name="Ask for approval of").wait_for()
        await self._picture(page, "refund")

    async def _approval(self, address: str, acme: Tenant) -> None:
        operation = await self._home.ask(acme, plan="scale", seats=12, reason="The support team joins.")
        approval = await self._home.reviewed(acme, operation)
        page = await self._page(address, acme.controller, f"/console/approvals/{approval['id']}")
        await self._picture(page, "approval")

    async def _page(self, address: str, member: Member, path: str = "/console/plans") -> Page:
        page = await (await self._context(_DESK)).new_page()
        await sign_in(self._home, page, address, member, path)
        return page

    async def _context(self, size: object) -> BrowserContext:
        return await self._browser.new_context(viewport=size)  # type: ignore[arg-type]

    async def _picture(self, page: Page, name: str) -> None:
        await page.bring_to_front()  # a page behind others is not always drawn
        await page.screenshot(path=self._out / f"{name}.png")

    async def _named(self, acme: Tenant) -> Tenant:
        async with self._home.database.transaction() as session:
            organization = await session.get_one(Organization, acme.id)
            organization.name = "Acme Receivables"
            session.add(organization)
            for role, name in PEOPLE.items():
                person = await session.get_one(Person, acme.members[role].id)
                person.name = name
                session.add(person)
        return acme


async def take(out: Path) -> None:
    """Every picture, into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, StandIn() as stand_in:
        async with SqliteDatabases(Path(folder)).fresh() as url, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
            database = Database(url)
            async with time_skipping() as environment, house(environment, database, stand_in) as home:
                await Walkers(home, browser, out).walk()
            await database.dispose()
            await browser.close()


def main() -> None:
    wanted = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__)
    wanted.add_argument("--out", type=Path, default=FOLDER, help="the folder that they go to")
    out: Path = wanted.parse_args().out
    asyncio.run(take(out))
    print(f"{len(PICTURES)} pictures: {out}")


if __name__ == "__main__":
    main()
