"""The documented proration examples, through preview, approval, change and verification, to the minor unit.

Stripe's clock stands still at the seconds of the examples. They are for a quantity of one, and every active
person uses a seat: so there is one seat, which goes from the admin who asks to the controller who decides.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from sqlmodel import col, select

from activities.mirror import pages as mirror_pages
from billing.core.operations import Role
from db.core.session import Database
from db.tables import Person
from sandbox.stripe.server.inprocess import StandIn

from ...support.builders import Member, Tenant
from ...support.house import House, house, time_skipping
from ...support.shop import APRIL, DAY, MID_APRIL

MARCH = APRIL - 31 * DAY
APR_11, APR_21 = APRIL + 10 * DAY, APRIL + 20 * DAY
MAY, JUNE = APRIL + 30 * DAY, APRIL + 61 * DAY

Line = tuple[str, int, int, int, str]
"""Kind, amount, start, end and price."""

Opened = Callable[..., AbstractAsyncContextManager["Trial"]]


@dataclass
class Trial:
    """An organization with one seat, at an example's prices, in a Stripe that stands still."""

    home: House
    acme: Tenant
    asked: str = ""

    @property
    def price(self) -> dict[tuple[str, str], str]:
        return self.home.shop.price

    def at(self, second: int) -> None:
        self.home.stand_in.control("clock", {"now": second})

    async def ask(self, plan: str, **wanted: Any) -> dict[str, Any]:
        """Asks for the plan; returns the subject of the review."""
        await self._seat(self.acme.admin)
        self.asked = await self.home.ask(self.acme, plan=plan, **wanted)
        await self._seat(self.acme.controller)
        subject: dict[str, Any] = (await self.home.reviewed(self.acme, self.asked))["subject"]
        return subject

    async def approve(self) -> dict[str, Any]:
        """Approves what was asked for last; returns the verified result."""
        answer = await self.home.decide(self.acme.controller, self.asked)
        assert answer.status_code == 200, answer.text
        done = await self.home.wait(self.acme, self.asked, "completed")
        result: dict[str, Any] = done["result"]
        assert (result["verified"], result["differences"]) == (True, [])
        return result

    async def change_in_stripe(self, plan: str) -> None:
        """Somebody changes the plan in Stripe itself, without prorations; our mirror is told."""
        client, subscription = self.home.shop.client, await self.home.shop.subscription(self.acme)
        item = subscription["items"].data[0].id
        await client.v1.subscriptions.update_async(
            subscription.id,
            {
                "items": [{"id": item, "price": self.price[plan, "month"], "quantity": 1}],
                "proration_behavior": "none",
            },
        )
        await mirror_pages.subscription(self.home.shop.access(self.home.database), self.acme.organization)

    async def balance(self) -> int:
        """The customer's balance; negative is credit."""
        customer = self.acme.organization.stripe_customer
        return (await self.home.shop.client.v1.customers.retrieve_async(customer)).balance or 0

    async def paid(self) -> list[tuple[int, str | None, int]]:
        """Total, status and paid amount of each invoice after the first, oldest first."""
        invoices = (await self.home.shop.invoices(self.acme))[-2::-1]
        return [(invoice.total, invoice.status, invoice.amount_paid) for invoice in invoices]

    async def _seat(self, member: Member) -> None:
        async with self.home.database.transaction() as session:
            people = select(Person).where(col(Person.organization_id) == self.acme.id)
            for person in await session.exec(people):
                person.active = person.id == member.id
                session.add(person)


@pytest.fixture
def trial(database: Database, stand_in: StandIn) -> Opened:
    """Opens a house in which `silver` was subscribed to at `start` (UTC seconds)."""

    @asynccontextmanager
    async def opened(
        silver: int | dict[str, int],
        gold: int,
        start: int = APRIL,
        *,
        currency: str = "usd",
        mode: Literal["classic", "flexible"] = "flexible",
    ) -> Any:
        stand_in.control("clock", {"now": start, "frozen": True})
        plans = {"silver": sold_at(silver), "gold": sold_at(gold)}
        async with (
            time_skipping() as environment,
            house(environment, database, stand_in, at=start, plans=plans, currency=currency) as home,
        ):
            acme = await home.shop.tenant(database, "silver", seats=1, billing_mode=mode)
            # Everything is looked at by who decides: nobody else has a seat by then.
            looking = dict.fromkeys(Role, acme.controller) | {Role.BILLING_ADMIN: acme.admin}
            yield Trial(home, Tenant(acme.organization, looking))

    return opened


def sold_at(prices: int | dict[str, int]) -> dict[str, Any]:
    """A plan without limits but for its seats; a bare number is its price a month."""
    prices = {"month": prices} if isinstance(prices, int) else prices
    return {"seats": 10, "customers": None, "ar_balance": None, **prices}


def lines_of(document: dict[str, Any]) -> list[Line]:
    """The lines of a preview or a result; every one is for one unit."""
    lines = document["lines"]
    assert {line["quantity"] for line in lines} <= {1}
    return [
        (
            line["kind"],
            line["amount_minor"],
            line["period"]["start"],
            line["period"]["end"],
            line["price"],
        )
        for line in lines
    ]


@dataclass(frozen=True)
class Example:
    """From one monthly price to another at a second of April."""

    old: int
    new: int
    at: int
    credit: int
    debit: int
    currency: str = "usd"


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(Example(1000, 2000, MID_APRIL, -500, 1000), id="2"),
        pytest.param(Example(10_000, 1000, MID_APRIL, -5000, 500), id="3"),
        pytest.param(Example(2999, 4999, 1775889000, -1972, 3288), id="8"),
        pytest.param(Example(1000, 1980, 1775822400, -683, 1353, "jpy"), id="10"),
        pytest.param(Example(9900, 1900, MID_APRIL, -4950, 950), id="15"),
    ],
)
async def test_a_change_within_april_bills_exactly_its_credit_and_its_debit(
    trial: Opened, example: Example
) -> None:
    total = example.credit + example.debit
    async with trial(example.old, example.new, currency=example.currency) as at_hand:
        silver, gold = at_hand.price["silver", "month"], at_hand.price["gold", "month"]
        at_hand.at(example.at)
        subject = await at_hand.ask("gold")
        at_hand.at(example.at + 3600)  # a review takes its time: the second stays
        result = await at_hand.approve()

        preview = subject["preview"]
        assert subject["proration_date"] == example.at
        assert lines_of(preview) == [
            ("credit", example.credit, example.at, MAY, silver),
            ("debit", example.debit, example.at, MAY, gold),
        ]
        assert (preview["total"], preview["currency"]) == (total, example.currency)
        assert preview["due_now"] == {"amount_minor": max(total, 0), "currency": example.currency}
        following = preview["next_invoice"]
        assert following["total"] == example.new
        assert following["amount_minor"] == max(0, example.new + min(total, 0))
        assert lines_of(result) == lines_of(preview)
        assert result["total"] == {"amount_minor": total, "currency": example.currency}
        assert await at_hand.paid() == [(total, "paid", max(total, 0))]
        assert await at_hand.balance() == min(total, 0)


async def test_vector_1_is_rounded_to_the_nearest_cent_and_paid_with_the_next_invoice(trial: Opened) -> None:
    start, end, at = 1596749288, 1599427688, 1598982148
    async with trial(1000, 3252, start) as at_hand:
        silver, gold = at_hand.price["silver", "month"], at_hand.price["gold", "month"]
        at_hand.at(at)
        subject = await at_hand.ask("gold", invoicing="next_invoice")
        result = await at_hand.approve()
        before = await at_hand.paid()
        at_hand.at(end + 7200)  # renewals are final an hour later

        preview = subject["preview"]
        prorations = [("credit", -166, at, end, silver), ("debit", 541, at, end, gold)]
        assert (subject["period_start"], subject["period_end"]) == (start, end)
        assert subject["proration_date"] == at
        assert lines_of(preview) == [*prorations, ("renewal", 3252, end, end + 30 * DAY, gold)]
        assert preview["due_now"]["amount_minor"] == 0
        assert preview["total"] == preview["next_invoice"]["amount_minor"] == 3627
        assert lines_of(result) == prorations
        assert (len(result["invoice_items"]), result["invoice"]) == (2, None)
        assert before == []
        assert await at_hand.paid() == [(3627, "paid", 3627)]


@pytest.mark.parametrize(
    ("mode", "credit", "net"),
    [pytest.param("classic", -667, -334, id="4"), pytest.param("flexible", -333, 0, id="5")],
)
async def test_what_is_credited_is_the_current_price_or_what_was_really_debited(
    trial: Opened, mode: str, credit: int, net: int
) -> None:
    async with trial(1000, 2000, mode=mode) as at_hand:
        silver, gold = at_hand.price["silver", "month"], at_hand.price["gold", "month"]
        at_hand.at(APR_11)
        await at_hand.change_in_stripe("gold")
        at_hand.at(APR_21)
        subject = await at_hand.ask("silver")
        result = await at_hand.approve()

        credited = gold if mode == "classic" else silver
        assert subject["from"]["plan"] == "gold"
        assert lines_of(subject["preview"]) == [
            ("credit", credit, APR_21, MAY, credited),
            ("debit", 333, APR_21, MAY, silver),
        ]
        assert (subject["preview"]["total"], subject["preview"]["due_now"]["amount_minor"]) == (net, 0)
        assert lines_of(result) == lines_of(subject["preview"])
        assert await at_hand.paid() == [(net, "paid", 0)]
        assert await at_hand.balance() == net


async def test_vector_11_a_year_starts_now_and_is_billed_at_once(trial: Opened) -> None:
    async with trial({"month": 1000, "year": 10_000}, 2000) as at_hand:
        at_hand.at(MID_APRIL)
        subject = await at_hand.ask("silver", interval="year")
        result = await at_hand.approve()
        organization = await at_hand.home.get(at_hand.acme.controller, "/v1/organization")

        assert lines_of(subject["preview"]) == [
            ("credit", -500, MID_APRIL, MAY, at_hand.price["silver", "month"]),
            ("renewal", 10_000, MID_APRIL, 1807833600, at_hand.price["silver", "year"]),
        ]
        assert subject["preview"]["total"] == subject["preview"]["due_now"]["amount_minor"] == 9500
        assert subject["preview"]["next_invoice"]["amount_minor"] == 10_000
        assert lines_of(result) == lines_of(subject["preview"])
        assert await at_hand.paid() == [(9500, "paid", 9500)]
        assert organization["renews_at"] == "2027-04-16T00:00:00Z"


async def test_vector_13_up_and_down_again_credits_what_the_first_change_debited(trial: Opened) -> None:
    async with trial(1200, 3000) as at_hand:
        silver, gold = at_hand.price["silver", "month"], at_hand.price["gold", "month"]
        at_hand.at(APR_11)
        up = await at_hand.ask("gold")
        up_result = await at_hand.approve()
        at_hand.at(APR_21)
        down = await at_hand.ask("silver")
        down_result = await at_hand.approve()

        assert lines_of(up["preview"]) == [
            ("credit", -800, APR_11, MAY, silver),
            ("debit", 2000, APR_11, MAY, gold),
        ]
        assert lines_of(up_result) == lines_of(up["preview"])
        assert lines_of(down["preview"]) == [
            ("credit", -1000, APR_21, MAY, gold),
            ("debit", 400, APR_21, MAY, silver),
        ]
        assert lines_of(down_result) == lines_of(down["preview"])
        assert await at_hand.paid() == [(1200, "paid", 1200), (-600, "paid", 0)]
        assert await at_hand.balance() == -600


@pytest.mark.parametrize("invoicing", ["immediately", "next_invoice"])
async def test_vector_16_in_the_last_second_of_a_long_month_nothing_is_prorated(
    trial: Opened, invoicing: str
) -> None:
    async with trial(1000, 2000, MARCH) as at_hand:
        gold = at_hand.price["gold", "month"]
        at_hand.at(APRIL - 1)
        subject = await at_hand.ask("gold", invoicing=invoicing)
        result = await at_hand.approve()

        preview = subject["preview"]
        renewal = [("renewal", 2000, APRIL, MAY, gold)] if invoicing == "next_invoice" else []
        assert lines_of(preview) == renewal
        assert preview["due_now"]["amount_minor"] == 0
        assert preview["next_invoice"]["amount_minor"] == 2000
        assert (result["lines"], result["invoice"], result["invoice_items"]) == ([], None, [])
        assert await at_hand.paid() == []
        assert await at_hand.balance() == 0
        subscription = await at_hand.home.shop.subscription(at_hand.acme)
        assert subscription["items"].data[0].price.id == gold
