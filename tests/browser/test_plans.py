"""Billing → Plans in a real browser: a change from its quote to verified, and a renewal that failed."""

import pytest
from playwright.async_api import Browser

from ..support.builders import Tenant
from ..support.house import House, until
from .looks import DESK, ON_A_PHONE, PHONE, faults
from .test_console import console, errors_of, sign_in

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("databases", ["sqlite"], indirect=True),
]

DAY = 86_400
UNPAID = "aside[aria-label^='Unpaid: ']"
"""What stands above every page, named by the invoice."""


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "none"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_an_admin_sees_what_a_change_costs_asks_for_it_and_finds_it_on_the_next_bill(
    home: House, browser: Browser, size: dict[str, int], scripts: bool
) -> None:
    acme: Tenant = await home.shop.tenant(home.database, "growth")
    async with home.told_by_stripe(), console(home) as address:
        context = await browser.new_context(viewport=size, java_script_enabled=scripts)
        errors, page = errors_of(context), await context.new_page()
        await sign_in(home, page, address, acme.admin, "/console/plans")
        assert "USD 120.00" in await page.inner_text("main"), "six seats on the next invoice"

        await page.fill("#field-seats", "8")
        await page.select_option("#field-invoicing", "next_invoice")
        await page.fill("#field-reason", "Two people join.")
        await page.click("text=See what it costs")
        shown = await page.inner_text("main")
        assert "+USD 40.00" in shown
        assert acme.controller.person.name in shown
        assert (await home.get(acme.admin, "/v1/operations"))["data"] == []

        await page.click("text=Request this change")
        operation = page.url.rpartition("/")[2]
        await home.reviewed(acme, operation)
        await page.goto(f"{address}/console/plans")
        shown = await page.inner_text("main")
        assert "Growth, 6 to 8 seats" in shown
        assert "Two people join." in shown

        await page.goto(f"{address}/console/operations/{operation}")
        await home.decide(acme.controller, operation, "approve")
        await home.wait(acme, operation, "completed")
        if scripts:
            await page.wait_for_selector("text=every line and amount matches", timeout=60_000)
        await home.followed()
        await page.goto(f"{address}/console/plans")
        shown = await page.inner_text("main")
        assert "8 × Growth" in shown
        assert "Already pending" in shown
        assert errors == []


async def test_a_renewal_that_failed_stands_above_every_page_until_it_is_paid(
    home: House, browser: Browser
) -> None:
    acme: Tenant = await home.shop.tenant(home.database, "growth")
    await home.shop.use_card(acme, "pm_card_chargeCustomerFail")
    async with home.told_by_stripe(), console(home) as address:
        home.stand_in.advance(31 * DAY)
        await home.followed()
        phone = await browser.new_context(viewport=PHONE, reduced_motion="reduce")
        page = await phone.new_page()
        await sign_in(home, page, address, acme.admin, "/console/customers")
        assert "USD 120.00 could not be charged" in await page.inner_text(UNPAID)
        assert await faults(page, ON_A_PHONE) == []
        await page.click("text=Pay it")
        assert await faults(page, ON_A_PHONE) == []
        await page.click("text=on Stripe’s page")
        assert page.url.startswith(home.stand_in.url)

        finance = await (await browser.new_context(viewport=PHONE)).new_page()
        await sign_in(home, finance, address, acme.finance, "/console/")
        await finance.click(f"{UNPAID} a")
        await finance.wait_for_load_state()
        assert await finance.locator("text=Get the pay link").count() == 0

        [unpaid] = (await home.get(acme.admin, "/v1/organization/invoices?status=open"))["data"]
        await home.shop.use_card(acme, "pm_card_visa")
        await home.shop.client.v1.invoices.pay_async(unpaid["id"])
        await home.followed()

        async def is_gone() -> bool:
            await page.goto(f"{address}/console/")
            return await page.locator(UNPAID).count() == 0

        await until(is_gone, lambda: "it is paid, and still said to be unpaid")
