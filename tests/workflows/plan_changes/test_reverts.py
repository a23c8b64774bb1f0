"""Every kind of change in both billing modes: billed as approved, and taken back as it was shown to be."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from billing.plan_changes.stripe_lines import lines_from_invoice
from billing.plan_changes.subject import PlanChangeInput
from billing.stripe.events import StripeChanged
from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn
from workflows.core import ids

from ...support.builders import Tenant
from ...support.house import House, house, time_skipping, until
from ...support.restarts import run_again, stopped
from ...support.shop import APRIL, DAY, Plans
from .test_prorations import shape

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)

Mode = Literal["classic", "flexible"]

PLANS: Plans = {
    name: {"month": amount, "year": 10 * amount + 7, "seats": 20, "customers": None, "ar_balance": None}
    for name, amount in (("gratis", 0), ("silver", 2999), ("gold", 4901))
}
SEATS = 6
READS = {"method": "GET", "path": "^/v1/invoices/in_[^/]+$"}
"""Where the outcome of each of these changes is read."""


@dataclass(frozen=True)
class Change:
    """From one plan and interval to another; `trial`: while the subscription is in one."""

    name: str
    before: tuple[str, str]
    after: tuple[str, str]
    trial: bool = False


FREE_TO_PAID = Change("free to paid", ("gratis", "month"), ("silver", "month"))
PAID_TO_FREE = Change("paid to free", ("silver", "month"), ("gratis", "month"))
PAID_TO_PAID = Change("paid to paid", ("silver", "month"), ("gold", "month"))
MONTH_TO_YEAR = Change("month to year", ("silver", "month"), ("silver", "year"))
YEAR_TO_MONTH = Change("year to month", ("silver", "year"), ("silver", "month"))
IN_TRIAL = Change("in a trial", ("silver", "month"), ("gold", "month"), trial=True)
CHANGES = [FREE_TO_PAID, PAID_TO_FREE, PAID_TO_PAID, MONTH_TO_YEAR, YEAR_TO_MONTH, IN_TRIAL]

BEGINS_ANEW = [("classic", PAID_TO_FREE)] + [
    (mode, change) for mode in ("classic", "flexible") for change in (MONTH_TO_YEAR, YEAR_TO_MONTH)
]
"""Reverted at once, these begin another period of the former terms, which is billed from then on: the part
of the first one that the change has credited is not billed again.
"""


@pytest.fixture
async def still(database: Database, stand_in: StandIn) -> AsyncIterator[House]:
    """A house whose Stripe stands still from April on."""
    stand_in.control("clock", {"now": APRIL, "frozen": True})
    async with time_skipping() as environment, house(environment, database, stand_in, plans=PLANS) as home:
        yield home


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
@pytest.mark.parametrize("mode", ["classic", "flexible"])
async def test_a_change_now_is_billed_as_approved_and_reverted_as_shown(
    still: House, mode: Mode, change: Change
) -> None:
    acme = await subscribed(still, mode, change)
    still.stand_in.advance(7 * DAY)
    before = await billed(still, acme)
    operation, approved = await decided(still, acme, change, "now")
    found = await unread(still, acme, operation)
    assert await billed(still, acme) - before == approved["total"]
    await held(still, acme, approved)

    still.stand_in.advance(90)
    shown, done = await reverted(still, acme, found)
    net = await billed(still, acme) - before
    assert net == approved["total"] + shown["preview"]["total"]
    if (mode, change) in BEGINS_ANEW:
        assert net == price(change.before) + min(line["amount_minor"] for line in approved["lines"])
    else:
        assert net == 0
    await told(still, acme, done)


@pytest.mark.parametrize("change", [PAID_TO_FREE, PAID_TO_PAID], ids=lambda change: change.name)
@pytest.mark.parametrize("mode", ["classic", "flexible"])
async def test_a_change_on_the_next_invoice_is_reverted_there_unless_stripe_bills_at_once(
    still: House, mode: Mode, change: Change
) -> None:
    acme = await subscribed(still, mode, change)
    still.stand_in.advance(7 * DAY)
    before = await billed(still, acme)
    operation, approved = await decided(
        still, acme, change, "now", {"method": "GET", "path": "^/v1/invoiceitems$"}, invoicing="next_invoice"
    )
    found = await unread(still, acme, operation)
    left = [line["amount_minor"] for line in approved["lines"] if line["kind"] != "renewal"]
    assert await billed(still, acme) - before == sum(left)

    still.stand_in.advance(90)
    if (mode, change) in BEGINS_ANEW:
        await reverted(still, acme, found)
        assert await billed(still, acme) - before == price(change.before) + sum(left)
        return
    await resolve(still, acme, operation)
    done = await still.wait(acme, operation, "cancelled")
    assert done["result"]["reverted"]["verified"] is True
    assert await billed(still, acme) == before


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
@pytest.mark.parametrize("mode", ["classic", "flexible"])
async def test_a_change_at_period_end_is_billed_as_approved_and_reverted_for_the_whole_period(
    still: House, mode: Mode, change: Change
) -> None:
    acme = await subscribed(still, mode, change)
    before = await billed(still, acme)
    operation, approved = await decided(still, acme, change, "period_end")
    scheduled = await still.wait(acme, operation, "running", stage="scheduled")
    still.stand_in.fault("refuse", times=1, **READS)
    still.stand_in.advance(scheduled["subject"]["period_end"] - still.stand_in.now() + 7200)
    changed = StripeChanged(event="evt_1")
    await still.temporal.get_workflow_handle(ids.operation_workflow(operation)).signal(
        "stripe_changed", changed
    )
    found = await still.wait(acme, operation, "mismatched")
    assert await billed(still, acme) - before == approved["total"] == price(change.after)
    await held(still, acme, approved)

    _, done = await reverted(still, acme, found)
    assert await billed(still, acme) - before == price(change.before)
    await told(still, acme, done)


async def test_a_revert_that_would_bill_something_else_than_was_shown_is_shown_anew_first(
    still: House,
) -> None:
    acme = await subscribed(still, "classic", PAID_TO_FREE)
    still.stand_in.advance(7 * DAY)
    operation, _ = await decided(still, acme, PAID_TO_FREE, "now")
    found = await unread(still, acme, operation)
    assert "USD 179.94" in found["error"]["message"]
    await still.shop.client.v1.invoice_items.create_async(
        {
            "customer": acme.organization.stripe_customer,
            "subscription": acme.organization.stripe_subscription,
            "amount": 700,
            "currency": "usd",
        }
    )
    before = await billed(still, acme)
    item = (await still.shop.subscription(acme))["items"].data[0]
    await still.shop.client.v1.subscriptions.update_async(
        acme.organization.stripe_subscription,
        {"items": [{"id": item.id, "price": still.shop.price["gold", "month"], "quantity": SEATS}]},
    )
    now = await billed(still, acme)
    assert now > before
    await resolve(still, acme, operation)

    async def asked_again() -> bool:
        told = await still.get(acme.auditor, f"/v1/operations/{operation}")
        return bool(told["state"] == "mismatched" and told["error"] != found["error"])

    await until(asked_again, lambda: "it was not shown anew")
    assert await billed(still, acme) == now
    again = await still.get(acme.auditor, f"/v1/operations/{operation}")
    await reverted(still, acme, again)


async def test_a_card_that_declines_what_a_revert_bills_leaves_the_change_and_no_invoice(
    still: House,
) -> None:
    acme = await subscribed(still, "classic", PAID_TO_FREE)
    still.stand_in.advance(7 * DAY)
    operation, _ = await decided(still, acme, PAID_TO_FREE, "now")
    await unread(still, acme, operation)
    await still.shop.use_card(acme, "pm_card_chargeCustomerFail")
    before = len(await still.shop.invoices(acme))
    await resolve(still, acme, operation)

    async def declined() -> bool:
        told = await still.get(acme.auditor, f"/v1/operations/{operation}")
        refused = "refused_by_stripe" in await still.events(acme, operation)
        return bool(told["state"] == "mismatched" and refused)

    await until(declined, lambda: "nobody was told that the card was declined")
    assert len(await still.shop.invoices(acme)) == before
    item = (await still.shop.subscription(acme))["items"].data[0]
    assert item.price.id == still.shop.price["gratis", "month"]


async def test_a_revert_that_cannot_be_read_says_so_and_is_done_all_the_same(still: House) -> None:
    acme = await subscribed(still, "classic", PAID_TO_FREE)
    still.stand_in.advance(7 * DAY)
    operation, _ = await decided(still, acme, PAID_TO_FREE, "now")
    await unread(still, acme, operation)
    still.stand_in.fault("refuse", times=1, **READS)
    await resolve(still, acme, operation)
    done = await still.wait(acme, operation, "cancelled")

    assert done["result"]["problem"]["code"] == "revert_unread"
    assert "reverted" not in done["result"]
    assert "revert_unread" in await still.events(acme, operation)


async def test_a_revert_that_an_earlier_run_has_begun_is_read_by_the_next_one(still: House) -> None:
    acme = await subscribed(still, "classic", PAID_TO_FREE)
    still.stand_in.advance(7 * DAY)
    operation, _ = await decided(still, acme, PAID_TO_FREE, "now")
    await unread(still, acme, operation)
    still.stand_in.fault("delay", delay_ms=5_000, times=1, **READS)
    await resolve(still, acme, operation)

    async def begun() -> bool:
        return (await still.events(acme, operation)).count("changed_in_stripe") == 2

    await until(begun, lambda: "the revert was not begun")
    await run_again(still, ids.PLAN_CHANGE, await stopped(still, operation, PlanChangeInput))
    done = await still.wait(acme, operation, "cancelled")

    assert done["result"]["reverted"]["verified"] is True
    assert [one.billing_reason for one in await still.shop.invoices(acme)].count("subscription_update") == 2
    await told(still, acme, done)


# --- The story ------------------------------------------------------------------------------------------


async def subscribed(home: House, mode: Mode, change: Change) -> Tenant:
    plan, interval = change.before
    acme = await home.shop.tenant(home.database, plan, seats=SEATS, interval=interval, billing_mode=mode)
    if change.trial:
        await home.shop.client.v1.subscriptions.update_async(
            acme.organization.stripe_subscription,
            {"trial_end": APRIL + 20 * DAY, "proration_behavior": "none"},
        )
    return acme


async def decided(
    home: House,
    acme: Tenant,
    change: Change,
    effective: str,
    reads: dict[str, str] = READS,
    invoicing: str = "immediately",
) -> tuple[str, dict[str, Any]]:
    """An approved operation, whose outcome can't be read when it is effective now, and what was approved."""
    plan, interval = change.after
    wanted = {"interval": interval, "effective": effective, "invoicing": invoicing}
    operation = await home.ask(acme, plan=plan, seats=SEATS, **wanted)
    preview: dict[str, Any] = (await home.reviewed(acme, operation))["subject"]["preview"]
    if effective == "now":
        home.stand_in.fault("refuse", times=1, **reads)
    await home.decide(acme.controller, operation)
    return operation, preview


async def unread(home: House, acme: Tenant, operation: str) -> dict[str, Any]:
    """The change was applied, and what Stripe made of it could not be read."""
    found = await home.wait(acme, operation, "mismatched")
    assert found["error"]["code"] == "result_unread"
    return found


async def held(home: House, acme: Tenant, approved: dict[str, Any]) -> None:
    """The newest invoice has the lines that were approved; there is none of a change without any."""
    if not approved["lines"]:
        return
    invoice = (await home.shop.invoices(acme))[0]
    lines = [line.model_dump() for line in lines_from_invoice(invoice.to_dict())]
    assert sorted(map(shape, lines)) == sorted(map(shape, approved["lines"]))


async def reverted(home: House, acme: Tenant, found: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a revert was shown to do, and the operation after it did."""
    shown = found["result"]["revert"]
    await resolve(home, acme, found["id"])
    done = await home.wait(acme, found["id"], "cancelled")
    result = done["result"]["reverted"]
    assert result["verified"] is True
    assert sorted(map(shape, result["lines"])) == sorted(map(shape, shown["preview"]["lines"]))
    if result["invoice"]:
        invoice = await home.shop.client.v1.invoices.retrieve_async(result["invoice"])
        assert invoice.total == shown["preview"]["total"] == result["total"]["amount_minor"]
        assert invoice.amount_paid == shown["preview"]["due_now"]["amount_minor"]
    item = (await home.shop.subscription(acme))["items"].data[0]
    assert (item.price.id, item.quantity) == (shown["to"]["price"], SEATS)
    return shown, done


async def resolve(home: House, acme: Tenant, operation: str) -> None:
    body = {"action": "revert", "comment": "Back, please."}
    answer = await home.post(acme.admin, f"/v1/plan-changes/{operation}/resolution", body)
    assert answer.status_code in (200, 202), answer.text


async def told(home: House, acme: Tenant, done: dict[str, Any]) -> None:
    """Finance has the figures of the revert to acknowledge, and the timeline has them."""
    page = await home.get(acme.auditor, f"/v1/operations/{done['id']}/timeline?limit=100")
    [event] = [event for event in page["data"] if event["code"] == "revert_verified"]
    assert event["detail"]["lines"] == done["result"]["reverted"]["lines"]
    waiting: list[dict[str, Any]] = []

    async def there() -> bool:
        notices = (await home.get(acme.finance, "/v1/notices"))["data"]
        waiting[:] = [one for one in notices if one["state"] == "open"]
        return [one["kind"] for one in waiting] == ["plan_change_reverted"]

    await until(there, lambda: f"Finance has {waiting}")
    assert waiting[0]["subject"]["result"]["reverted"] == done["result"]["reverted"]


async def billed(home: House, acme: Tenant) -> int:
    """All that the customer was billed so far or will be by what is pending, credits taken off."""
    customer = acme.organization.stripe_customer
    pending = await home.shop.client.v1.invoice_items.list_async({"customer": customer, "pending": True})
    invoices = await home.shop.invoices(acme)
    return sum(one.total for one in invoices) + sum(one.amount for one in pending.data)


def price(terms: tuple[str, str]) -> int:
    plan, interval = terms
    return SEATS * int(PLANS[plan][interval])
