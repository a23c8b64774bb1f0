"""A billing admin's week in a real browser, with and without scripts, at a desk and on a phone."""

import re
from collections.abc import Callable

import pytest
from playwright.async_api import Browser, Page

from activities.stripe import permissions
from billing.core.events import EventCode
from billing.evidence.event_words import WORDS

from ..support import money
from ..support.builders import Tenant
from ..support.house import House, until
from ..workflows.incidents.test_key_permissions import forbid, grant, looked, until_recovered
from .looks import DESK, PHONE
from .test_console import a_payment, console, errors_of, sign_in

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("databases", ["sqlite"], indirect=True),
]


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "none"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_an_admin_gets_through_the_week(
    home: House, browser: Browser, size: dict[str, int], scripts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permissions, "KEPT_FOR_IN_DOUBT", 0.0)
    acme: Tenant = await home.shop.tenant(home.database, "growth")
    payment = await a_payment(home, acme)
    async with home.told_by_stripe():
        customer = await money.customer(home.shop, acme)
        await home.shop.client.v1.customers.update_async(customer, {"email": "ap@hazel.example"})
        shut_out, *others = [await money.invoice(home.shop, customer, 9_000 + one) for one in range(3)]
        await home.followed()
    async with console(home) as address:
        context = await browser.new_context(viewport=size, java_script_enabled=scripts)
        errors, page = errors_of(context), await context.new_page()
        await sign_in(home, page, address, acme.admin, f"/console/refunds/new?payment_intent={payment}")
        await refund_in_part(page)
        await page.goto(f"{address}/console/credits/new?customer={customer}")
        await credit_beyond_authority(page, acme)
        await page.goto(f"{address}/console/invoices/{shut_out}/access")
        await let_the_customer_in(page)
        await page.goto(f"{address}/console/invoices")
        await resend_to_several(page, others)
        forbid(home, "charge")
        [incident] = await looked(home)
        await page.goto(f"{address}/console/incidents")
        await follow_the_runbook(page)
        grant(home)
        await until_recovered(home)
        await page.goto(f"{address}/console/incidents/{incident.id}")
        await clear_with_a_note(page)
        assert errors == []


async def refund_in_part(page: Page) -> None:
    await page.fill("#field-amount", "130")
    await page.fill("#field-note", "The customer was charged twice for a seat.")
    await follow(page, "text=See what would happen")
    assert "This is within your authority" in await page.inner_text("main")
    assert "USD 170.00" in await page.inner_text("main"), "what is left afterwards"
    await page.fill("#field-amount_again", "130.00")
    await follow(page, "button:has-text('Refund USD 130.00')")
    await shown(page, lambda text: WORDS[EventCode.REFUNDED].lower() in text.lower())


async def credit_beyond_authority(page: Page, acme: Tenant) -> None:
    await page.fill("#field-amount", "900")
    if await page.locator("#field-currency").count():
        await page.fill("#field-currency", "USD")
    await page.fill("#field-note", "For the outage that they had in March.")
    await follow(page, "text=See what would happen")
    assert f"This will ask {acme.controller.person.name}" in await page.inner_text("main")
    await page.fill("#field-amount_again", "900.00")
    await follow(page, "button:has-text('Ask for approval of USD 900.00')")
    await shown(page, lambda text: "Awaiting approval" in text)
    await page.click("text=Who decides, and until when")
    assert acme.controller.person.name in await page.inner_text("main")


async def let_the_customer_in(page: Page) -> None:
    assert "No link was ever sent" in await page.inner_text("main")
    await follow(page, "button:has-text('Mail the customer a new link')")
    await shown(page, lambda text: "None was issued yet" not in text)


async def resend_to_several(page: Page, invoices: list[str]) -> None:
    for invoice in invoices:
        await page.check(f"input[value={invoice}]")
    await follow(page, "button:has-text('Resend links')")
    await follow(page, "button:has-text('Mail 2 links')")
    assert "New links mailed for 2 invoices" in await page.inner_text("main")


async def follow_the_runbook(page: Page) -> None:
    await follow(page, "main a:has-text('lacks')")
    await page.fill("#comment-1", "It is the key that was rolled on Monday.")
    await follow(page, "button:has-text('Mark as done'):near(#comment-1)")
    assert "It is the key that was rolled on Monday." in await page.inner_text("main")


async def clear_with_a_note(page: Page) -> None:
    await page.fill("#field-note", "The rolled key lacked a permission; it was granted.")
    await follow(page, "text=Clear with this note")
    await shown(page, lambda text: "The incident is cleared" in text)
    assert "The rolled key lacked a permission; it was granted." in await page.inner_text("main")


async def follow(page: Page, leads_on: str) -> None:
    """Clicks, and waits for the next page: a click alone returns while the browser is still on its way."""
    async with page.expect_navigation():
        await page.click(leads_on)


async def shown(page: Page, is_there: Callable[[str], bool]) -> None:
    """Looks again, as people do who have no scripts."""

    async def there() -> bool:
        await page.reload()
        return is_there(re.sub(r"\s+", " ", await page.inner_text("body")))

    await until(there, lambda: f"{page.url} does not say it")
