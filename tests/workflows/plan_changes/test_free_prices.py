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


async def test_at_period_end_it_is_approved_once_and_verified_at_the_renewal(home: House) -> None:
    """What refuses it now says that it may wait for the period's end, and so it can."""
    acme = await home.shop.tenant(home.database, "gratis", seats=6, billing_mode="classic")
    home.stand_in.advance(A_DAY)
    operation = await home.ask(acme, plan="paid", seats=6, effective="period_end")
    subject = (await home.reviewed(acme, operation))["subject"]
    [line] = subject["preview"]["lines"]

    home.stand_in.advance(90)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    home.stand_in.advance(30 * A_DAY)
    await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed", "mismatched")

    assert line["period"]["start"] == subject["period_end"]
    assert (subject["preview"]["due_now"]["amount_minor"], line["amount_minor"]) == (0, 6 * 4_900)
    assert (done["state"], done["result"]["verified"]) == ("completed", True)
    assert (await home.shop.invoices(acme))[0].total == 6 * 4_900


async def test_what_somebody_else_put_on_the_next_invoice_does_not_make_it_a_new_period(home: House) -> None:
    acme = await home.shop.tenant(home.database, "paid", seats=6)
    home.stand_in.advance(A_DAY)
    await home.shop.client.v1.invoice_items.create_async(
        {
            "customer": acme.organization.stripe_customer,
            "subscription": acme.organization.stripe_subscription,
            "amount": 700,
            "currency": "usd",
            "description": "Training",
        }
    )
    operation = await home.ask(acme, plan="paid", seats=8, invoicing="next_invoice")
    subject = (await home.reviewed(acme, operation))["subject"]

    assert 700 in [line["amount_minor"] for line in subject["preview"]["lines"]]
    assert subject["preview"]["next_invoice"]["date"] == subject["period_end"]
