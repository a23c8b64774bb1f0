"""From a price of nothing to one of something: in classic billing mode Stripe begins a new period at once."""

from collections.abc import AsyncIterator

import pytest

from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn

from ...support.house import House, house, time_skipping
from ...support.shop import Plans

PLANS: Plans = {
    name: {"month": amount, "year": 10 * amount, "seats": 20, "customers": None, "ar_balance": None}
    for name, amount in (("gratis", 0), ("paid", 4_900))
}
A_DAY = 86_400


@pytest.fixture
async def home(database: Database, stand_in: StandIn) -> AsyncIterator[House]:
    async with time_skipping() as environment, house(environment, database, stand_in, plans=PLANS) as home:
        yield home


async def test_it_is_approved_once_charged_at_once_and_verified_though_its_second_is_not_yet_known(
    home: House,
) -> None:
    acme = await home.shop.tenant(home.database, "gratis", seats=6, billing_mode="classic")
    home.stand_in.advance(A_DAY)
    operation = await home.ask(acme, plan="paid", seats=6)
    approval = await home.reviewed(acme, operation)
    preview = approval["subject"]["preview"]
    assert (preview["due_now"]["amount_minor"], preview["next_invoice"]["date"]) == (6 * 4_900, None)

    home.stand_in.advance(90)  # people take their time, and the new period begins when it is carried out
    await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed")

    assert done["result"]["verified"] is True
    assert [line["amount_minor"] for line in done["result"]["lines"]] == [6 * 4_900]
    assert (await home.shop.invoices(acme))[0].total == 6 * 4_900


async def test_it_is_refused_where_it_is_to_wait_for_the_next_invoice(home: House) -> None:
    acme = await home.shop.tenant(home.database, "gratis", seats=6, billing_mode="classic")
    home.stand_in.advance(A_DAY)
    operation = await home.ask(acme, plan="paid", seats=6, invoicing="next_invoice")
    refused = await home.wait(acme, operation, "failed")

    assert refused["error"]["code"] == "price_bills_now"
    assert [invoice.total for invoice in await home.shop.invoices(acme)] == [0]


async def test_in_flexible_billing_mode_it_is_prorated_and_may_wait(home: House) -> None:
    acme = await home.shop.tenant(home.database, "gratis", seats=6)
    home.stand_in.advance(A_DAY)
    operation = await home.ask(acme, plan="paid", seats=6, invoicing="next_invoice")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed")

    assert done["result"]["verified"] is True
