"""Pages that only a form leads to: quotes, what came of many at once, decisions by mail, and refusals."""

from collections.abc import Callable, Mapping
from typing import Any

from playwright.async_api import Page
from sqlmodel import col, select

from billing.core.operations import Kind
from db.core.clock import utc_now
from db.core.session import Database
from db.tables import Operation, Organization

from ...api.recording import CUSTOMER, PAYMENT
from ...support.builders import Tenant, a_customer, store
from ...support.money_rows import a_payment

NOTE = "Charged twice for the same month; the customer called on Friday."
QUOTED = {
    "refund": ("refunds", f"payment_intent={PAYMENT}"),
    "credit": ("credits", f"customer={CUSTOMER}"),
}
Say = Callable[[Page], Any]


async def quotable(database: Database, acme: Tenant) -> None:
    """Of whom the studio's quotes are."""
    customer = a_customer(acme.id, id=CUSTOMER, name="Hazel & Oak Furniture", created_at=utc_now())
    payment = a_payment(acme.id, id=PAYMENT, customer_id=CUSTOMER, amount=150_000, created_at=utc_now())
    await store(database, customer, payment)


def quote(amount: str) -> Say:
    """Of a refund or a credit, from its form."""

    async def say(page: Page) -> None:
        await page.fill("#field-amount", amount)
        if await page.locator("#field-currency").count():
            await page.fill("#field-currency", "USD")
        await page.fill("#field-note", NOTE)
        await page.get_by_role("button", name="See what would happen").click()

    return say


def quote_plan(database: Database, **change: str) -> Say:
    """Of a plan change, as if none were open."""
    fields = {
        "effective": "now",
        "invoicing": "immediately",
        "interval": "month",
        "reason": "The team grows.",
    }

    async def say(page: Page) -> None:
        opened = await _close_changes(database)
        await send(page, "/console/plans/quote", **fields | change)
        async with database.transaction() as session:
            for row in await session.exec(select(Operation).where(col(Operation.id).in_(opened))):
                row.closed_at = None

    return say


def quote_end(database: Database, **fields: str) -> Say:
    """Of an end of the plan, as if no change were open."""

    async def say(page: Page) -> None:
        opened = await _close_changes(database)
        await send(page, "/console/plans/cancellation/quote", **{"reason": "other", "note": NOTE} | fields)
        async with database.transaction() as session:
            for row in await session.exec(select(Operation).where(col(Operation.id).in_(opened))):
                row.closed_at = None

    return say


def change_while(database: Database, **fields: Any) -> Say:
    """The page again while the open plan change has these fields; without any, while none is open."""

    async def say(page: Page) -> None:
        [opened] = await _close_changes(database)
        before = await _change(database, opened, {"closed_at": None, **fields} if fields else {})
        await page.reload()
        await _change(database, opened, before | {"closed_at": None})

    return say


async def _change(database: Database, operation: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What it had before."""
    async with database.transaction() as session:
        row = await session.get_one(Operation, operation)
        before = {name: getattr(row, name) for name in fields}
        for name, value in fields.items():
            setattr(row, name, value)
    return before


def look_while(database: Database, organization: str, **held: str) -> Say:
    """The page again while the organization's subscription has that in Stripe."""

    async def say(page: Page) -> None:
        before = await _hold(database, organization, held)
        await page.reload()
        await _hold(database, organization, before)

    return say


async def _hold(database: Database, organization: str, held: Mapping[str, Any]) -> dict[str, Any]:
    """What it had before."""
    async with database.transaction() as session:
        row = await session.get_one(Organization, organization)
        before = dict(row.subscription or {})
        row.subscription = {**before, **held}
    return {**dict.fromkeys(held), **before}


async def _close_changes(database: Database) -> list[str]:
    wanted = select(Operation).where(Operation.kind == Kind.PLAN_CHANGE, col(Operation.closed_at).is_(None))
    async with database.transaction() as session:
        rows = list(await session.exec(wanted))
        for row in rows:
            row.closed_at = utc_now()
        return [row.id for row in rows]


def choose(action: str, *, go_on: bool) -> Say:
    """All invoices of the list, of which some can be chosen for it: the question, or what came of it. Not
    those that the portal's scenes open: a link that is mailed anew ends theirs."""

    async def say(page: Page) -> None:
        for box in await page.locator("tr:not(:has-text('R-DE-'), :has-text('R-EN-')) input.pick").all():
            await box.check()
        await page.click(f"button[value={action}]")
        if go_on:
            await page.wait_for_load_state()
            if await page.locator("#field-reason").count():
                await page.fill("#field-reason", "They wait for a corrected order.")
            await page.click("main button.btn-go")

    return say


def decide(button: str, link: Callable[[], Any], comment: str = "") -> Say:
    """By a link of one's own, which is used up by it. `link` makes its path."""

    async def say(page: Page) -> None:
        await page.goto(_there(page, await link()))
        if comment:
            await page.fill("#field-comment", comment)
        await page.get_by_role("button", name=button).click()

    return say


def from_elsewhere(path: str) -> Say:
    """A form of another site."""

    async def say(page: Page) -> None:
        target = _there(page, path)
        await page.goto("about:blank")
        await page.set_content(f'<form method="post" action="{target}"><button>Send</button></form>')
        async with page.expect_navigation():
            await page.click("button")

    return say


async def send(page: Page, path: str, **fields: str) -> None:
    """A form of ours that no page shows now."""
    async with page.expect_navigation():
        await page.evaluate(
            """([path, fields]) => {
                const form = Object.assign(document.createElement("form"), { method: "post", action: path });
                for (const [name, value] of Object.entries(fields)) {
                    const input = document.createElement("input");
                    form.append(Object.assign(input, { name, value, type: "hidden" }));
                }
                document.body.append(form);
                form.submit();
            }""",
            [path, fields],
        )


def _there(page: Page, path: str) -> str:
    scheme, _, host = page.url.partition("://")
    return f"{scheme}://{host.partition('/')[0]}{path}"
