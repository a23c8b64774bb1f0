"""The console in a real browser: a controller decides from a mail, an admin quotes and refunds."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from api.http.context import Context
from api.http.site import Site
from billing.core.events import EventCode
from billing.evidence.event_words import WORDS

from ..support import money
from ..support.builders import Member, Tenant
from ..support.house import House, served, until
from .looks import DESK, LOOKS, ON_A_PHONE, PHONE, faults

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("databases", ["sqlite"], indirect=True),
]

SIMULATED = "admin/policy/simulation?kind=refund&amount=600&currency=usd&reason=duplicate"
LINK = re.compile(r"https?://[^\s/]+(/console/[\w./-]+)")


@asynccontextmanager
async def console(home: House) -> AsyncIterator[str]:
    """The address at which the house's pages are."""
    assert home.app is not None
    async with served(home.app) as address:
        context: Context = home.app.state.context
        home.app.state.context = replace(context, site=Site(public_url=address, floor=0.0), by_mail=True)
        yield address


async def mailed_link(home: House, to: str, about: str) -> str:
    """The path of the console that the last mail to somebody links to, of those that are about something."""
    found: list[str] = []

    async def there() -> bool:
        for mail in home.mail.mailbox.mails:
            if to in mail["to"]:
                found.extend(path for path in LINK.findall(mail["text"]) if about in path)
        return bool(found)

    await until(there, lambda: f"nothing about {about} was mailed to {to}: {home.mail.names()}")
    return found[-1]


async def sign_in(home: House, page: Page, address: str, member: Member, path: str) -> None:
    """By mail, from the page that was wanted back to it."""
    await page.goto(f"{address}{path}")
    await page.fill("#email", member.person.email)
    await page.click("button")
    await page.goto(address + await mailed_link(home, member.person.email, "/sign-in/link/"))
    await page.click("button.btn-go")
    assert page.url == f"{address}{path}"


async def a_payment(home: House, acme: Tenant) -> str:
    """Paid in Stripe, and mirrored as its events tell."""
    async with home.told_by_stripe():
        payment = await money.pay(home.shop, await money.customer(home.shop, acme), 30_000)
        await home.followed()
    return payment


def errors_of(context: BrowserContext) -> list[str]:
    """What the pages complain of, but for refusals that they show."""
    heard: list[str] = []
    context.on(
        "console",
        lambda said: heard.append(said.text) if said.type == "error" and " 422 " not in said.text else None,
    )
    return heard


async def test_a_controller_gets_from_the_mail_to_a_decision_on_a_phone_without_scripts(
    home: House, browser: Browser
) -> None:
    acme: Tenant = await home.shop.tenant(home.database, "growth")
    async with console(home) as address:
        operation = await home.ask(acme, plan="scale", seats=8)
        await home.reviewed(acme, operation)
        path = await mailed_link(home, acme.controller.person.email, "/approvals/")
        phone = await browser.new_context(viewport=PHONE, java_script_enabled=False)
        page = await phone.new_page()
        await sign_in(home, page, address, acme.controller, path)
        assert await page.inner_text("h1") == "Growth to Scale, 8 seats"
        assert "Remaining time on 8 × Scale" in await page.inner_text("main")

        await page.click("button:has-text('Reject')")
        assert "comment is required to reject" in (await page.inner_text("[role=alert]")).lower()

        await page.click("button:has-text('Approve')")
        assert "Approved" in await page.inner_text("main")
        await home.wait(acme, operation, "completed")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "none"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_a_controller_decides_from_the_mail_in_two_clicks_without_signing_in(
    home: House, browser: Browser, size: dict[str, int], scripts: bool
) -> None:
    acme: Tenant = await home.shop.tenant(home.database, "growth")
    async with console(home) as address:
        operation = await home.ask(acme, plan="scale", seats=8)
        await home.reviewed(acme, operation)
        link = await mailed_link(home, acme.controller.person.email, "/decide/")
        clicks = 0
        context = await browser.new_context(viewport=size, java_script_enabled=scripts)
        page = await context.new_page()
        await page.goto(address + link)
        clicks += 1
        shown = await page.inner_text("main")
        for part in ("Growth to Scale, 8 seats", "Remaining time on 8 × Scale", "You decide as"):
            assert part in shown
        assert acme.admin.person.name in shown
        await page.click("button:has-text('Approve')")
        clicks += 1
        assert await page.inner_text("h1") == "You approved it"
        assert clicks <= 3
        await home.wait(acme, operation, "completed")
        events = (await home.get(acme.auditor, f"/v1/operations/{operation}/timeline"))["data"]
        [decided] = [one for one in events if one["code"] == "approved"]
        assert (decided["detail"]["by_link"], decided["actor"]) == (True, acme.controller.id)
        await page.goto(f"{address}/console/approvals")
        assert "/console/sign-in" in page.url
        await page.goto(address + link)
        assert await page.inner_text("h1") == "This link doesn’t work"


async def test_an_admin_quotes_a_refund_and_follows_it_to_its_end(home: House, browser: Browser) -> None:
    acme: Tenant = await home.shop.tenant(home.database, "growth")
    payment = await a_payment(home, acme)
    async with console(home) as address:
        desk = await browser.new_context(viewport=DESK)
        errors, page = errors_of(desk), await desk.new_page()
        new = f"/console/refunds/new?payment_intent={payment}"
        await sign_in(home, page, address, acme.admin, new)
        await page.fill("#field-amount", "130.005")
        await page.fill("#field-note", "The customer was charged twice for a seat.")
        await page.click("text=See what would happen")
        assert "no more decimals" in await page.inner_text("[role=alert]")

        await page.fill("#field-amount", "130")
        await page.click("text=See what would happen")
        assert "This is within your authority" in await page.inner_text("main")
        await page.fill("#field-amount_again", "13")
        await page.click("button:has-text('Refund')")
        assert "the same amount" in await page.inner_text("[role=alert]")
        assert (await home.get(acme.admin, "/v1/operations"))["data"] == []

        await page.fill("#field-amount_again", "130.00")
        await page.click("button:has-text('Refund')")
        await page.wait_for_selector(f"text={WORDS[EventCode.REFUNDED]}", timeout=60_000)
        [operation] = (await home.get(acme.admin, "/v1/operations"))["data"]
        assert operation["result"]["amount"] == {"amount_minor": 13_000, "currency": "usd"}
        assert errors == []


@pytest.mark.parametrize("kind", ["plan_change", "credit"])
async def test_an_admin_revises_what_a_controller_wants_changed(
    home: House, browser: Browser, kind: str
) -> None:
    acme: Tenant = await home.shop.tenant(home.database, "growth")
    if kind == "plan_change":
        operation = await home.ask(acme, plan="scale", seats=12)
    else:
        operation = await money.credit(home, acme, await money.customer(home.shop, acme), 90_000)
    path = f"/console/approvals/{(await home.reviewed(acme, operation))['id']}"
    async with console(home) as address:
        controller = await (await browser.new_context(viewport=DESK)).new_page()
        await sign_in(home, controller, address, acme.controller, path)
        await controller.fill("#field-comment", "Less, please.")
        await controller.click("button:has-text('Request changes')")
        await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
        await controller.goto(f"{address}/console/operations/{operation}")

        phone = await browser.new_context(viewport=PHONE, reduced_motion="reduce")
        admin = await phone.new_page()
        await sign_in(home, admin, address, acme.admin, f"/console/operations/{operation}")
        await admin.click("text=Revise the request")
        assert await faults(admin, ON_A_PHONE) == []
        if kind == "plan_change":
            assert await admin.input_value("#field-seats") == "12"
            await admin.fill("#field-seats", "8")
        else:
            assert await admin.input_value("#field-amount") == "900.00"
            await admin.fill("#field-amount", "800")
        assert home.environment is not None
        # A quote is waited for, by which the server would skip to the day until which a revision is.
        with home.environment.auto_time_skipping_disabled():
            await admin.click("text=See what would happen")
            await admin.wait_for_selector("h2:has-text('Who will be asked')")
        assert await faults(admin, ON_A_PHONE) == []
        assert (await home.get(acme.admin, f"/v1/operations/{operation}"))["stage"] == "changes_requested"
        if kind == "credit":
            await admin.fill("#field-amount_again", "800")
        await admin.click("aside .btn-go")
        second = await home.reviewed(acme, operation, 2)
        revised = "8 seats" if kind == "plan_change" else "USD 800.00"
        await controller.wait_for_selector(f"h1:has-text('{revised}')")
        assert revised in await controller.title()
        await controller.goto(f"{address}/console/approvals/{second['id']}")
        shown = await controller.inner_text("main")
        assert "Round 2: what is different" in shown
        assert ("8" if kind == "plan_change" else "USD 800.00") in shown


@pytest.mark.timeout(300)
async def test_every_page_can_be_used_by_everybody(home: House, browser: Browser) -> None:
    acme: Tenant = await home.shop.tenant(home.database, "growth")
    payment = await a_payment(home, acme)
    async with home.told_by_stripe():
        customer = await money.customer(home.shop, acme)
        invoice = await money.invoice(home.shop, customer, 45_000)
        await home.followed()
    operation = await home.ask(acme, plan="scale", seats=8)
    approval = await home.reviewed(acme, operation)
    [own] = [one["id"] for one in (await home.get(acme.admin, "/v1/organization/invoices"))["data"]]
    async with console(home) as address:
        context = await browser.new_context(reduced_motion="reduce")
        errors, page = errors_of(context), await context.new_page()
        link = await mailed_link(home, acme.controller.person.email, "/decide/")
        for path in ("/console/sign-in", link):
            await page.goto(f"{address}{path}")
            assert await faults(page, LOOKS) == [], path
        await sign_in(home, page, address, acme.admin, "/console/approvals")
        for path in (
            *("plans/invoices", f"plans/invoices/{own}", "plans/cancellation"),
            *("", "plans", "invoices", "customers", "approvals", "operations", "finance", "incidents"),
            *("search?q=13", "success-checks", "finance/cases", "finance/months", "finance/audit"),
            *("delegations", f"approvals/{approval['id']}", f"operations/{operation}"),
            *(f"refunds/new?payment_intent={payment}", f"credits/new?customer={customer}"),
            *(f"invoices/{invoice}", f"invoices/{invoice}/access", "invoices?q=&due_after=2026-01-01"),
            *(f"customers/{customer}", f"customers/{customer}?show=links"),
            *(
                "admin/people",
                "admin/keys",
                "admin/sessions",
                "admin/reads",
                "admin/policy",
                "admin/policy/simulation",
            ),
            f"{SIMULATED}&person={acme.admin.id}",
        ):
            await page.goto(f"{address}/console/{path}")
            assert await faults(page, LOOKS) == [], path
        assert errors == []


@pytest.mark.parametrize("script", [True, False], ids=["scripts", "none"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_finance_acknowledges_what_it_was_told_and_keeps_the_month(
    home: House, browser: Browser, size: dict[str, int], script: bool
) -> None:
    acme: Tenant = await home.shop.tenant(home.database, "growth")
    operation = await home.ask(acme, plan="scale", seats=8)
    await home.reviewed(acme, operation)
    async with console(home) as address:
        context = await browser.new_context(viewport=size, java_script_enabled=script)
        errors, page = errors_of(context), await context.new_page()
        await sign_in(home, page, address, acme.finance, "/console/finance")
        await page.click("button:has-text('Acknowledge')")
        await page.click("nav[aria-label=Filter] a:has-text('Acknowledged')")
        assert f"Acknowledged\n{acme.finance.person.name}" in await page.inner_text("main")

        await page.click("nav[aria-label=Finance] a:has-text('Cases')")
        assert "Nothing was made in Stripe itself" in await page.inner_text("main")
        await page.click("nav[aria-label=Finance] a:has-text('Month')")
        async with page.expect_download() as downloading:
            await page.click("text=All of it (JSON)")
        document = json.loads(Path(await (await downloading.value).path()).read_text())
        assert [row["id"] for row in document["operations"]] == [operation]
        assert [row["operation"] for row in document["evidence_heads"]] == [operation]
        async with page.expect_download() as downloading:
            await page.click("text=Operations (CSV)")
        assert operation in Path(await (await downloading.value).path()).read_text()
        assert errors == []


async def test_an_admin_pauses_several_invoices_on_a_phone_without_scripts(
    home: House, browser: Browser
) -> None:
    acme: Tenant = await home.shop.tenant(home.database, "growth")
    async with home.told_by_stripe():
        customer = await money.customer(home.shop, acme)
        invoices = [await money.invoice(home.shop, customer, amount) for amount in (45_000, 9_000)]
        await home.followed()
    async with console(home) as address:
        phone = await browser.new_context(viewport=PHONE, java_script_enabled=False)
        page = await phone.new_page()
        await sign_in(home, page, address, acme.admin, "/console/invoices")
        for invoice in invoices:
            await page.check(f"input[value={invoice}]")
        await page.click("button:has-text('Pause reminders')")
        await page.fill("#field-reason", "They dispute both.")
        await page.click("button:has-text('Pause the reminders of 2 invoices')")
        assert "Reminders paused for 2 invoices" in await page.inner_text("main")
        await page.goto(f"{address}/console/invoices/{invoices[0]}")
        assert "They dispute both." in await page.inner_text("main")
