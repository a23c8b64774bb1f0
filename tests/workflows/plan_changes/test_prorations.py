"""Prorations of any change: what is approved adds up, and is what Stripe then holds and charges."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, Phase, assume, event, example, given, settings
from hypothesis import strategies as st

from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn

from ...support.builders import Tenant
from ...support.house import House, house, time_skipping, until
from ...support.shop import APRIL, DAY, Plans

Mode = Literal["classic", "flexible"]

PLANS: Plans = {
    name: {"month": amount, "year": 10 * amount + 7, "seats": seats, "customers": None, "ar_balance": None}
    for name, amount, seats in (("bronze", 1, 20), ("silver", 2999, 40), ("gold", 4901, 60))
}
"""Prices that do not divide well; every plan holds the five people of an organization."""


@dataclass(frozen=True)
class Terms:
    plan: str
    seats: int
    interval: str


@dataclass(frozen=True)
class Change:
    """To new terms. Of what is left of the period, `after` thousandths pass before it is asked for, then
    `review` thousandths of the rest before it is approved.
    """

    to: Terms
    invoicing: str
    after: int
    review: int


@dataclass(frozen=True)
class Scenario:
    """A subscription and what is made of it, one change after the other."""

    mode: Mode
    start: Terms
    changes: list[Change]


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    plan = draw(st.sampled_from(sorted(PLANS)))
    return Terms(plan, draw(st.integers(5, PLANS[plan]["seats"])), draw(st.sampled_from(["month", "year"])))


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    part = st.integers(0, 1000)
    start = current = draw(terms())
    changes = []
    for _ in range(draw(st.integers(1, 2))):
        to = draw(terms())
        assume(to != current)
        ways = ["immediately"] if to.interval != current.interval else ["immediately", "next_invoice"]
        changes.append(Change(to, draw(st.sampled_from(ways)), draw(part), draw(part)))
        current = to
    return Scenario(draw(st.sampled_from(["classic", "flexible"])), start, changes)


@pytest.fixture
async def still(database: Database, stand_in: StandIn) -> AsyncIterator[House]:
    """A house whose Stripe stands still from April on."""
    stand_in.control("clock", {"now": APRIL, "frozen": True})
    async with time_skipping() as environment, house(environment, database, stand_in, plans=PLANS) as home:
        yield home


BROUGHT_FORWARD = Scenario(
    "flexible",
    Terms("bronze", 12, "month"),
    [
        Change(Terms("silver", 7, "month"), "next_invoice", 100, 10),
        Change(Terms("gold", 16, "month"), "immediately", 900, 200),
    ],
)
"""What waits for the next invoice is taken along by an immediate one."""
LEFT_WAITING = Scenario(
    "classic",
    Terms("silver", 6, "month"),
    [
        Change(Terms("gold", 9, "month"), "next_invoice", 300, 0),
        Change(Terms("gold", 9, "year"), "immediately", 500, 100),
    ],
)
"""Or not, in classic billing mode, by one that starts a new period."""
LAST_SECOND = Scenario(
    "flexible", Terms("gold", 6, "year"), [Change(Terms("silver", 20, "year"), "next_invoice", 1000, 0)]
)


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(BROUGHT_FORWARD)
@example(LEFT_WAITING)
@example(LAST_SECOND)
@given(scenario=scenarios())
async def test_what_is_approved_adds_up_and_is_what_stripe_holds_charges_and_renews(
    still: House, scenario: Scenario
) -> None:
    start = scenario.start
    acme = await still.shop.tenant(
        still.database, start.plan, seats=start.seats, interval=start.interval, billing_mode=scenario.mode
    )
    shown: dict[str, Any] = {}
    for change in scenario.changes:
        event(f"{scenario.mode}, {change.invoicing}")
        shown = await changed(still, acme, change)
    _, end = await period(still, acme)
    still.stand_in.control("clock", {"now": end})
    renewal = (await still.shop.invoices(acme))[0]
    assert renewal.billing_reason == "subscription_cycle"
    following = shown["next_invoice"]
    assert (renewal.total, renewal.amount_due) == (following["total"], following["amount_minor"])
    # Or it would renew through all the years of the other examples.
    await still.shop.client.v1.subscriptions.cancel_async(acme.organization.stripe_subscription)


async def changed(home: House, acme: Tenant, change: Change) -> dict[str, Any]:
    """Makes a change, checks all its figures and returns the preview that was approved."""
    await pass_time(home, acme, change.after)
    to = change.to
    wanted = {"plan": to.plan, "seats": to.seats, "interval": to.interval, "invoicing": change.invoicing}
    operation = await home.ask(acme, **wanted)
    subject = (await home.reviewed(acme, operation))["subject"]
    await pass_time(home, acme, change.review)
    await home.decide(acme.controller, operation)
    result = (await home.wait(acme, operation, "completed"))["result"]

    preview: dict[str, Any] = subject["preview"]
    assert sum(line["amount_minor"] for line in preview["lines"]) == preview["total"]
    assert result["verified"] is True
    assert sorted(map(shape, result["lines"])) == sorted(map(shape, expected(subject)))
    if result["invoice"] is None:
        assert preview["due_now"]["amount_minor"] == 0
    else:
        invoice = await home.shop.client.v1.invoices.retrieve_async(result["invoice"])
        assert (invoice.status, invoice.total) == ("paid", preview["total"])
        assert invoice.amount_paid == preview["due_now"]["amount_minor"]
    return preview


def expected(subject: dict[str, Any]) -> list[dict[str, Any]]:
    """Every approved line; of what is left to the next invoice, the prorations of the pinned second."""
    lines: list[dict[str, Any]] = subject["preview"]["lines"]
    if subject["invoicing"] == "immediately":
        return lines
    pinned = subject["proration_date"]
    return [line for line in lines if line["kind"] != "renewal" and line["period"]["start"] == pinned]


def shape(line: dict[str, Any]) -> tuple[Any, ...]:
    """All of a line but its wording; a full period on an immediate invoice starts when that is made."""
    period = [] if line["kind"] == "renewal" else [line["period"]["start"], line["period"]["end"]]
    return (line["kind"], line["amount_minor"], line["price"], line["quantity"], *period)


async def pass_time(home: House, acme: Tenant, part: int) -> None:
    """Lets so much (of 1000) of what is left of the period pass, up to its last second."""
    _, end = await period(home, acme)
    home.stand_in.advance((end - 1 - home.stand_in.now()) * part // 1000)


async def period(home: House, acme: Tenant) -> tuple[int, int]:
    item = (await home.shop.subscription(acme))["items"].data[0]
    return item.current_period_start, item.current_period_end


async def test_a_period_that_begins_while_a_change_without_prorations_is_applied_is_a_mismatch(
    still: House,
) -> None:
    """Nothing was prorated, so no second was pinned: Stripe takes the change in the next period too."""
    acme = await still.shop.tenant(still.database, "bronze", seats=6)
    path = f"/v1/subscriptions/{acme.organization.stripe_subscription}$"
    still.stand_in.advance(30 * DAY - 1)
    operation = await still.ask(acme, plan="bronze", seats=5, invoicing="next_invoice")
    subject = (await still.reviewed(acme, operation))["subject"]
    still.stand_in.fault("lock_timeout", method="POST", path=path, times=1)
    since = still.stand_in.last_request()
    await still.decide(acme.controller, operation)

    async def refused_once() -> bool:
        return any(line["fault"] == "lock_timeout" for line in still.stand_in.requests(since))

    await until(refused_once, lambda: "the change was not tried")
    still.stand_in.advance(10 * DAY)
    found = (await still.wait(acme, operation, "mismatched"))["result"]

    assert subject["proration_date"] is None
    assert [line["kind"] for line in subject["preview"]["lines"]] == ["renewal"]
    assert found["verified"] is False
    assert [line["amount_minor"] for line in found["lines"]] == [-4, 3]
    whats = {difference["what"] for difference in found["differences"]}
    assert whats == {"unexpected", "amount"}
