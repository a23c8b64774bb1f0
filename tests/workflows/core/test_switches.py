"""The product under every value of the stand-in's switches: what Stripe's pages leave open may go either way.

Whatever Stripe does, an operation ends verified with exactly what was approved, or refused by a code before
money moves; never verified with something else in Stripe. One house, one stand-in, a tenant for each trial.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from activities.mirror import pages as mirror_pages
from db.core.session import Database
from sandbox.stripe.server import restricted_keys
from sandbox.stripe.server.inprocess import StandIn
from sandbox.stripe.settings.switches import Switches

from ...support import money
from ...support.builders import Tenant, a_customer, an_invoice, store
from ...support.databases import SqliteDatabases
from ...support.house import House, house, time_skipping

HALF_A_MONTH = 15 * 86_400
SPRING_2020 = 1_585_699_200
"""2020-04-01 00:00 UTC: so far back that no trial reaches the workflows' own clock."""
SEATS = 6
ENDS = ("completed", "mismatched", "blocked", "failed", "declined")
KEY = "sk_test_plixo"

Step = Callable[[House, Tenant], Awaitable[None]]
NOTHING_SPECIAL: set[str] = set()
"""Tenants whose subscriptions are as they were sold: what they ask for is not refused."""


@pytest.fixture(scope="module")
async def home(sqlite_databases: SqliteDatabases) -> AsyncIterator[House]:
    """One house for all trials."""
    async with sqlite_databases.fresh() as url:
        database = Database(url)
        with StandIn() as stand_in:
            async with (
                time_skipping() as environment,
                house(environment, database, stand_in, at=SPRING_2020) as built,
            ):
                yield built
            assert stand_in.violations() == []
        await database.dispose()


# -- what a subscription has before ------------------------------------------------------------------------


async def plain(home: House, acme: Tenant) -> None:
    """As it is sold."""
    NOTHING_SPECIAL.add(acme.id)


async def _has(home: House, acme: Tenant, **terms: Any) -> None:
    name = acme.organization.stripe_subscription
    await home.shop.client.v1.subscriptions.update_async(name, terms)  # type: ignore[arg-type]


async def _coupon(home: House, **terms: Any) -> dict[str, Any]:
    coupon = await home.shop.client.v1.coupons.create_async(terms)  # type: ignore[arg-type]
    return {"discounts": [{"coupon": coupon.id}]}


async def taxed(home: House, acme: Tenant) -> None:
    """Two rates of its own, at which the roundings differ."""
    rates = [
        await home.shop.client.v1.tax_rates.create_async(
            {"display_name": "Tax", "percentage": percentage, "inclusive": False}
        )
        for percentage in (7.35, 2.45)
    ]
    await _has(home, acme, default_tax_rates=[rate.id for rate in rates])


async def without_a_place(home: House, acme: Tenant) -> None:
    """Taxed automatically, by an address that is gone."""
    customer, update = acme.organization.stripe_customer, home.shop.client.v1.customers.update_async
    await update(customer, {"address": {"country": "DE"}})
    await _has(home, acme, automatic_tax={"enabled": True})
    await update(customer, {"address": ""})


async def yearly(home: House, acme: Tenant) -> None:
    """Sold for a year."""
    item = (await home.shop.subscription(acme))["items"].data[0].id
    items = [{"id": item, "price": home.shop.price["starter", "year"], "quantity": SEATS}]
    await _has(home, acme, items=items, billing_cycle_anchor={"type": "now"}, proration_behavior="none")
    await mirror_pages.subscription(home.shop.access(home.database), acme.organization)


async def with_a_card_that_asks(home: House, acme: Tenant) -> None:
    await home.shop.use_card(acme, "pm_card_authenticationRequired")


async def unpaid(home: House, acme: Tenant) -> None:
    """Two renewals could not be collected, of which the second was not even tried."""
    home.stand_in.control("retries", {"days": [], "after": "unpaid"})
    await home.shop.use_card(acme, "pm_card_chargeCustomerFail")
    home.stand_in.advance(62 * 86_400)
    home.stand_in.control("retries", {"days": [3, 5, 7], "after": "past_due"})
    assert (await home.shop.subscription(acme)).status == "unpaid"
    await home.shop.use_card(acme, "pm_card_visa")


async def discounted(home: House, acme: Tenant) -> None:
    await _has(home, acme, **await _coupon(home, amount_off=100, currency="usd", duration="forever"))


async def discounted_once(home: House, acme: Tenant) -> None:
    await _has(home, acme, **await _coupon(home, percent_off=50, duration="once"))


async def itemized(home: House, acme: Tenant) -> None:
    """A subscription whose prorations show their discounts."""
    v1, organization = home.shop.client.v1, acme.organization
    old = await home.shop.subscription(acme)
    await v1.subscriptions.cancel_async(old.id)
    made = await v1.subscriptions.create_async(
        {
            "customer": organization.stripe_customer,
            "default_payment_method": old.default_payment_method,  # type: ignore[typeddict-item]
            "items": [{"price": home.shop.price["starter", "month"], "quantity": SEATS}],
            "billing_mode": {"type": "flexible", "flexible": {"proration_discounts": "itemized"}},
            **await _coupon(home, percent_off=10, duration="forever"),
        }
    )
    organization.stripe_subscription = made.id


async def cancelling(home: House, acme: Tenant) -> None:
    await _has(home, acme, cancel_at_period_end=True)


async def with_much_waiting(home: House, acme: Tenant) -> None:
    """Eleven items that wait for the next invoice."""
    organization = acme.organization
    for _ in range(11):
        await home.shop.client.v1.invoice_items.create_async(
            {
                "customer": organization.stripe_customer,
                "subscription": organization.stripe_subscription,
                "amount": 100,
                "currency": "usd",
            }
        )


# -- what is asked for, and what must come of it -----------------------------------------------------------


async def _changed(home: House, acme: Tenant, **wanted: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The operation of an approved change as far as it goes by itself, and its preview; refused: without."""
    since = home.stand_in.requests()[-1]["seq"]
    operation = await home.ask(acme, **wanted)
    found = await home.wait(acme, operation, "awaiting_approval", *ENDS)
    if found["state"] != "awaiting_approval":
        assert acme.id not in NOTHING_SPECIAL, found
        _refused(home, found, since)
        return found, None
    preview = (await home.reviewed(acme, operation))["subject"]["preview"]
    await home.decide(acme.controller, operation)
    return await home.wait(acme, operation, *ENDS, "running"), preview


def _refused(home: House, found: dict[str, Any], since: int) -> None:
    """It ended by a code, and nothing was changed in Stripe."""
    assert found["state"] in ("blocked", "failed", "declined"), found
    assert found["error"]["code"]
    done = [line["path"] for line in home.shop.changes(since) if line["status"] < 300]
    assert done == []


def _verified(done: dict[str, Any]) -> None:
    assert (done["state"], done["result"]["verified"]) == ("completed", True), done["result"]


async def _latest(home: House, acme: Tenant) -> Any:
    return (await home.shop.invoices(acme))[0]


async def now(home: House, acme: Tenant, **wanted: Any) -> None:
    """Charged at once what the preview said, and the renewal after it as it said."""
    home.stand_in.advance(HALF_A_MONTH)
    before = await _latest(home, acme)
    since = home.stand_in.requests()[-1]["seq"]
    found, preview = await _changed(home, acme, **wanted)
    if preview is None:
        return
    done = await home.wait(acme, found["id"], *ENDS)
    if done["state"] == "declined":
        _refused(home, done, since)
        return
    _verified(done)
    invoice = await _latest(home, acme)
    assert invoice.id != before.id
    assert (invoice.status, invoice.total) == ("paid", preview["total"])
    assert done["result"]["total"]["amount_minor"] == preview["total"]


async def confirmed(home: House, acme: Tenant) -> None:
    """Charged what the preview said, once the bank was answered."""
    home.stand_in.advance(HALF_A_MONTH)
    found, preview = await _changed(home, acme)
    assert preview is not None
    waiting = await home.wait(acme, found["id"], "running", stage="payment_due")
    async with home.told_by_stripe():
        await money.authenticate(home.shop, waiting["result"]["invoice"])
        done = await home.wait(acme, found["id"], *ENDS)
    _verified(done)
    assert done["result"]["total"]["amount_minor"] == preview["total"]


async def interval(home: House, acme: Tenant) -> None:
    """A year instead of a month, at once."""
    await now(home, acme, plan="starter", interval="year")


async def shorter_interval(home: House, acme: Tenant) -> None:
    """A month instead of a year, when the first month is over."""
    home.stand_in.advance(2 * HALF_A_MONTH + 86_400)
    await now(home, acme, plan="starter", interval="month")


async def next_invoice(home: House, acme: Tenant) -> None:
    """Nothing now; the renewal is what the preview said."""
    home.stand_in.advance(HALF_A_MONTH)
    before = await _latest(home, acme)
    found, preview = await _changed(home, acme, invoicing="next_invoice")
    if preview is None:
        return
    _verified(await home.wait(acme, found["id"], *ENDS))
    assert (await _latest(home, acme)).id == before.id
    await _renewed(home, acme, preview)


async def period_end(home: House, acme: Tenant, **wanted: Any) -> None:
    """Nothing until the renewal, which is what the preview said, and verified with it."""
    home.stand_in.advance(HALF_A_MONTH)
    found, preview = await _changed(home, acme, effective="period_end", **wanted)
    if preview is None:
        return
    await home.wait(acme, found["id"], "running", stage="scheduled")
    async with home.told_by_stripe():
        await _renewed(home, acme, preview)
        done = await home.wait(acme, found["id"], *ENDS)
    _verified(done)


async def interval_at_period_end(home: House, acme: Tenant) -> None:
    await period_end(home, acme, plan="starter", interval="year")


async def _renewed(home: House, acme: Tenant, preview: dict[str, Any]) -> None:
    home.stand_in.advance(17 * 86_400)
    renewal = await _latest(home, acme)
    assert renewal.billing_reason == "subscription_cycle"
    assert renewal.total == preview["next_invoice"]["amount_minor"]


async def _paid_elsewhere(home: House, acme: Tenant) -> tuple[str, str]:
    """A customer, and their invoice that was paid out of band."""
    who = await money.customer(home.shop, acme)
    bill = await money.invoice(home.shop, who, 5_000)
    await home.shop.client.v1.invoices.pay_async(bill, {"paid_out_of_band": True})
    return who, bill


async def refund_of_what_was_paid_elsewhere(home: House, acme: Tenant) -> None:
    """No money came through Stripe, so none goes back."""
    _, bill = await _paid_elsewhere(home, acme)
    since = home.stand_in.requests()[-1]["seq"]
    operation = await money.refund(home, acme, None, 1_000, invoice=bill)
    _refused(home, await home.wait(acme, operation, *ENDS), since)


async def credit_note_on_what_was_paid_elsewhere(home: House, acme: Tenant) -> None:
    """What was paid may be credited, up to all of it."""
    who, bill = await _paid_elsewhere(home, acme)
    since = home.stand_in.requests()[-1]["seq"]
    note = {"instrument": "credit_note", "invoice": bill, "reason": "duplicate"}
    operation = await money.credit(home, acme, who, 5_000, **note)
    found = await home.wait(acme, operation, *ENDS)
    balance = (await home.shop.client.v1.customers.retrieve_async(who)).balance
    if found["state"] != "completed":
        _refused(home, found, since)
        assert balance == 0
        return
    assert (found["result"]["to_balance"]["amount_minor"], balance) == (5_000, -5_000)


async def pay_link_of_what_was_paid_elsewhere(home: House, acme: Tenant) -> None:
    """Nothing is to be paid any more."""
    who, bill = await _paid_elsewhere(home, acme)
    mirrored = a_customer(acme.id, id=who)
    await store(home.database, mirrored, an_invoice(mirrored, id=bill, status="open"))
    answer = await home.post(acme.admin, f"/v1/invoices/{bill}/pay-link", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_payable")


async def _refunded(home: House, acme: Tenant, payment: str, amount: int) -> None:
    operation = await money.refund(home, acme, payment, amount)
    done = await home.wait(acme, operation, *ENDS)
    found = (await home.shop.client.v1.refunds.list_async({"payment_intent": payment})).data
    assert (done["state"], [refund.amount for refund in found]) == ("completed", [amount])


async def refund_of_a_locked_payment(home: House, acme: Tenant) -> None:
    """Somebody else is at it: tried again, and given once."""
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 5_000)
    home.stand_in.control("faults", {"fault": "lock_timeout", "path": "/v1/refunds", "method": "POST"})
    await _refunded(home, acme, payment, 2_000)


async def refund_that_stripe_wants_approved_itself(home: House, acme: Tenant) -> None:
    """Refused by its code, and not asked for again and again."""
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 5_000)
    home.stand_in.fault("needs_approval", path="/v1/refunds", method="POST", times=1)
    since = home.stand_in.requests()[-1]["seq"]
    operation = await money.refund(home, acme, payment, 2_000)
    found = await home.wait(acme, operation, *ENDS)
    _refused(home, found, since)
    assert found["error"]["code"] == "approval_required"


async def refund_of_what_a_dispute_has_brought_back(home: House, acme: Tenant) -> None:
    """A dispute that was won, with its fee or without: refused, or given once."""
    who = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, who, 5_000, "pm_card_createDispute")
    v1 = home.shop.client.v1
    [dispute] = (await v1.disputes.list_async({"payment_intent": payment})).data
    await v1.disputes.update_async(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    home.stand_in.advance(60)
    since = home.stand_in.requests()[-1]["seq"]
    operation = await money.refund(home, acme, payment, 2_000)
    found = await home.wait(acme, operation, *ENDS)
    if found["state"] == "completed":
        assert (await v1.refunds.list_async({"payment_intent": payment})).data[0].amount == 2_000
    else:
        _refused(home, found, since)


async def refund_by_a_key_that_may_not(home: House, acme: Tenant) -> None:
    """Held by its code until the key may; nothing is given."""
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 5_000)
    allowed = [name for name in restricted_keys.names() if name != "charge_write"]
    home.stand_in.control("keys", {"key": KEY, "permissions": allowed})
    try:
        operation = await money.refund(home, acme, payment, 2_000)
        held = await home.wait(acme, operation, "held", *ENDS)
        assert (held["state"], held["error"]["code"]) == ("held", "stripe_permission_missing")
        assert (await home.shop.client.v1.refunds.list_async({"payment_intent": payment})).data == []
    finally:
        home.stand_in.control("keys", {"key": KEY, "permissions": None})


CONCERNED: Mapping[str, list[tuple[Step, Step]]] = {
    "tax_rounding": [(taxed, now)],
    "unplaced_renewals": [(without_a_place, period_end)],
    "amount_off_remainder": [(discounted, now)],
    "itemized_credits": [(itemized, now)],
    "once_coupon": [(discounted_once, now)],
    "preview_lines": [(with_much_waiting, next_invoice)],
    "shorter_interval": [(yearly, shorter_interval)],
    "anchor_reset": [(plain, interval)],
    "unpaid_invoices": [(unpaid, now)],
    "scheduled_invoice": [(plain, period_end)],
    "action_required": [(with_a_card_that_asks, confirmed)],
    "out_of_band": [
        (plain, refund_of_what_was_paid_elsewhere),
        (plain, credit_note_on_what_was_paid_elsewhere),
        (plain, pay_link_of_what_was_paid_elsewhere),
    ],
    "started_phase": [(plain, period_end)],
    "phase_interval": [(plain, interval_at_period_end)],
    "cancelling_scheduled": [(cancelling, period_end)],
    "dispute_fee": [(plain, refund_of_what_a_dispute_has_brought_back)],
    "lock_timeout": [(plain, refund_of_a_locked_payment)],
    "approval_refusal": [(plain, refund_that_stripe_wants_approved_itself)],
    "key_refusal": [(plain, refund_by_a_key_that_may_not)],  # the last: what it holds goes on later
}
"""What is tried under every value of a switch: what a subscription has before, and what is asked for then."""
UNCONCERNED = {
    "tax_rates_per_line": "the product names no tax rates",
    "negative_items": "it makes no invoice items",
    "credit_discounts": "it changes no discounts",
    "same_price_twice": "it adds no items",
    "resume_payment": "it resumes no subscription",
}
"""Switches of what the product never asks Stripe for, and why."""


def _trials() -> list[Any]:
    """Each once: the value to begin with of several switches is the same trial."""
    usual, trials = set[tuple[Step, Step]](), []
    for name, steps in CONCERNED.items():
        for value in Switches.values(name):
            for before, asked in steps:
                if value == Switches.values(name)[0] and (before, asked) in usual:
                    continue
                if value == Switches.values(name)[0]:
                    usual.add((before, asked))
                label = f"{name}={value} {before.__name__} {asked.__name__}"
                trials.append(pytest.param(name, value, before, asked, id=label))
    return trials


def test_every_switch_is_tried_or_is_of_nothing_that_the_product_asks_for() -> None:
    assert set(Switches.model_fields) == set(CONCERNED) | set(UNCONCERNED)
    assert not set(CONCERNED) & set(UNCONCERNED)


@pytest.mark.parametrize(("name", "value", "before", "asked"), _trials())
async def test_the_product_is_exact_or_refuses_whatever_stripe_does(
    home: House, name: str, value: str, before: Step, asked: Step
) -> None:
    home.stand_in.control("switches", {**Switches().model_dump(), name: value})
    acme = await home.shop.tenant(home.database, seats=SEATS)
    await before(home, acme)
    await asked(home, acme)
