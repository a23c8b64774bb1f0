"""Plan changes around a period's end: what the renewal brings, and subscriptions that do not renew."""

from datetime import UTC, date, datetime
from typing import Literal

import pytest

from ...support.house import House
from ..conftest import ON_BOTH_DATABASES
from .test_workflow import HALF_A_MONTH


@ON_BOTH_DATABASES
async def test_a_change_at_period_end_shows_what_waits_for_the_renewal_and_is_verified_with_it(
    home: House,
) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    more = await home.ask(acme, plan="growth", seats=8, invoicing="next_invoice")
    await home.reviewed(acme, more)
    await home.decide(acme.controller, more)
    await home.wait(acme, more, "completed")
    operation = await home.ask(acme, plan="starter", effective="period_end")
    approval = await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed", "mismatched")

    preview = approval["subject"]["preview"]
    assert sorted(line["kind"] for line in preview["lines"]) == ["credit", "debit", "renewal"]
    assert preview["next_invoice"]["amount_minor"] == sum(line["amount_minor"] for line in preview["lines"])
    assert (done["state"], done["result"]["verified"]) == ("completed", True)


@pytest.mark.parametrize("mode", ["classic", "flexible"])
async def test_another_interval_at_period_end_comes_with_what_waits_for_the_renewal(
    home: House, mode: Literal["classic", "flexible"]
) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6, billing_mode=mode)
    home.stand_in.advance(HALF_A_MONTH)
    more = await home.ask(acme, plan="growth", seats=8, invoicing="next_invoice")
    await home.reviewed(acme, more)
    await home.decide(acme.controller, more)
    await home.wait(acme, more, "completed")
    operation = await home.ask(acme, plan="growth", interval="year", effective="period_end")
    preview = (await home.reviewed(acme, operation))["subject"]["preview"]
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed", "mismatched")

    assert sorted(line["kind"] for line in preview["lines"]) == ["credit", "debit", "renewal"]
    assert preview["next_invoice"]["amount_minor"] == sum(line["amount_minor"] for line in preview["lines"])
    assert (done["state"], done["result"]["verified"]) == ("completed", True)
    assert (await home.shop.invoices(acme))[0].total == preview["total"]


async def test_a_trial_goes_on_until_the_change_that_comes_with_its_end(home: House) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    name = acme.organization.stripe_subscription
    trial_end = home.stand_in.now() + 10 * 86_400
    await home.shop.client.v1.subscriptions.update_async(
        name, {"trial_end": trial_end, "proration_behavior": "none"}
    )
    operation = await home.ask(acme, plan="starter", effective="period_end")
    await home.reviewed(acme, operation)
    billed = len(await home.shop.invoices(acme))
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    scheduled = await home.shop.subscription(acme)
    assert (scheduled.status, scheduled.trial_end) == ("trialing", trial_end)
    assert len(await home.shop.invoices(acme)) == billed
    home.stand_in.advance(10 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed", "mismatched")

    assert (done["state"], done["result"]["verified"]) == ("completed", True)
    assert [line["amount_minor"] for line in done["result"]["lines"]] == [6 * 1000]


async def test_another_interval_comes_with_the_end_of_the_trial_and_not_before(home: House) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    await home.shop.client.v1.subscriptions.update_async(
        acme.organization.stripe_subscription,
        {"trial_end": home.stand_in.now() + 10 * 86_400, "proration_behavior": "none"},
    )
    at_once = await home.ask(acme, interval="year")
    refused = await home.wait(acme, at_once, "failed")
    assert refused["error"]["code"] == "interval_during_trial"
    operation = await home.ask(acme, interval="year", effective="period_end")
    preview = (await home.reviewed(acme, operation))["subject"]["preview"]
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    assert (await home.shop.subscription(acme)).status == "trialing"
    home.stand_in.advance(10 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed", "mismatched")

    assert (done["state"], done["result"]["verified"]) == ("completed", True)
    assert (await home.shop.invoices(acme))[0].total == preview["total"]


@pytest.mark.parametrize("day", [date(2027, 1, 31), date(2027, 1, 29)])
async def test_a_change_at_a_short_months_end_is_verified_on_the_renewal_that_is_longer(
    home: House, day: date
) -> None:
    """Stripe keeps the day on which a subscription began: after 28 February it renews on 31 March."""
    begins = int(datetime(day.year, day.month, day.day, 10, tzinfo=UTC).timestamp())
    home.stand_in.advance(begins - home.stand_in.now())
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    operation = await home.ask(acme, plan="starter", effective="period_end")
    approval = await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    # By the workflow's clock the period may end in months: it looks when it is told.
    async with home.told_by_stripe():
        home.stand_in.advance(30 * 86_400 + 7_200)
        await home.followed()
    done = await home.wait(acme, operation, "completed", "mismatched")

    [line] = approval["subject"]["preview"]["lines"]
    assert datetime.fromtimestamp(line["period"]["end"], UTC).date() == day.replace(month=3)
    assert (done["state"], done["result"]["verified"]) == ("completed", True)


async def test_a_subscription_that_is_set_to_end_is_neither_changed_nor_kept(home: House) -> None:
    """Whether it was so at the request or came while people decided, Stripe's cancellation stands."""
    acme = await home.shop.tenant(home.database)
    name = acme.organization.stripe_subscription
    subscriptions = home.shop.client.v1.subscriptions
    operation = await home.ask(acme)
    waiting = await home.wait(acme, operation, "awaiting_approval")
    await subscriptions.update_async(name, {"cancel_at_period_end": True})
    await home.decide(acme.controller, operation)
    overtaken = await home.wait(acme, operation, "failed")
    refused = await home.wait(acme, await home.ask(acme), "failed")

    assert {overtaken["error"]["code"], refused["error"]["code"]} == {"subscription_cancelling"}
    kept = await subscriptions.retrieve_async(name)
    assert kept.cancel_at_period_end
    assert kept["items"].data[0].price.id == waiting["subject"]["from"]["price"]
