"""A plan change at the end of the period that takes the place of another which waits for that."""

from typing import Any

import pytest

from ...support.builders import Tenant
from ...support.field_changes import terms
from ...support.house import House, until
from ..conftest import ON_BOTH_DATABASES
from .test_carried import of_its_own, subscribed, update

REWRITE = "^/v1/subscription_schedules/"


async def waiting(home: House, **wish: Any) -> tuple[Tenant, str]:
    """An approved change to Starter that is scheduled."""
    acme = await subscribed(home, of_its_own)
    return acme, await approved(home, acme, **{"plan": "starter", "effective": "period_end", **wish})


async def approved(home: House, acme: Tenant, **wish: Any) -> str:
    """Asked for, approved, and scheduled."""
    operation = await home.ask(acme, **wish)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    return operation


def schedules(home: House, since: int) -> list[str]:
    """The writes to schedules that Stripe executed, by their paths' last part but for ids."""
    paths = [change["path"] for change in home.shop.changes(since)]
    return [
        path.rpartition("/")[2].partition("_sched_")[0] for path in paths if "subscription_schedules" in path
    ]


@ON_BOTH_DATABASES
@pytest.mark.parametrize("wish", [{"plan": "scale"}, {"plan": "growth", "interval": "year"}])
async def test_it_is_approved_once_rewrites_the_schedule_and_is_verified(
    home: House, wish: dict[str, str]
) -> None:
    acme, first = await waiting(home)
    before, since = await terms(home.shop, acme), home.stand_in.last_request()
    second = await home.ask(acme, **wish, effective="period_end")
    approval = await home.reviewed(acme, second)
    assert (await home.wait(acme, first, "running"))["stage"] == "scheduled"
    await home.decide(acme.controller, second)
    scheduled = await home.wait(acme, second, "running", stage="scheduled")
    replaced = await home.wait(acme, first, "cancelled")

    assert approval["subject"]["replaces"]["operation"] == first
    assert approval["subject"]["replaces"]["to"]["plan"] == "starter"
    assert approval["subject"]["from"]["plan"] == "growth"
    assert (replaced["error"]["code"], replaced["result"]["replaced_by"]) == ("replaced", second)
    assert scheduled["result"]["schedule"] == approval["subject"]["replaces"]["schedule"]
    assert schedules(home, since) == ["sub"], "one change in Stripe"
    assert before.changed(await terms(home.shop, acme)) == {}
    assert "plan_change_replaced" in await home.events(acme, first)
    assert "took_its_place" in await home.events(acme, second)

    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, second, "completed", "mismatched", "failed")
    assert (done["state"], done["error"]) == ("completed", None)
    assert (await home.shop.invoices(acme))[0].total == approval["subject"]["preview"]["total"]
    plan, interval = wish["plan"], wish.get("interval", "month")
    assert (await home.shop.subscription(acme))["items"].data[0].price.id == home.shop.price[plan, interval]


async def test_its_quote_shows_what_it_replaces_and_asks_nobody(home: House) -> None:
    acme, first = await waiting(home)
    body = {"plan": "scale", "effective": "period_end", "reason": "More seats."}
    quoted = (await home.post(acme.admin, "/v1/plan-changes/quote", body)).json()
    now = (await home.post(acme.admin, "/v1/plan-changes/quote", body | {"effective": "now"})).json()
    same = (await home.post(acme.admin, "/v1/plan-changes/quote", body | {"plan": "starter"})).json()

    assert (quoted["obstacles"], quoted["replaces"]["operation"]) == ([], first)
    [open_] = now["obstacles"]
    assert (open_["code"], first in open_["message"]) == ("plan_change_open", True)
    assert "end of the period" in open_["message"], "it says what can be done"
    assert {one["code"] for one in same["obstacles"]} == {"same_plan"}
    assert (await home.wait(acme, first, "running"))["stage"] == "scheduled"


async def test_only_one_may_take_its_place_and_only_at_the_end_of_the_period(home: House) -> None:
    acme, first = await waiting(home)

    async def refused(key: str, **wish: Any) -> str:
        body = {"plan": "scale", "reason": "More seats.", **wish}
        answer = await home.post(acme.admin, "/v1/plan-changes", body, **{"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["code"]) == (409, "plan_change_open")
        return str(answer.json()["detail"])

    now = await refused("now")
    assert (first in now, "end of the period" in now) == (True, True)
    second = await home.ask(acme, plan="scale", effective="period_end")
    await home.reviewed(acme, second)
    assert second in await refused("again", effective="period_end")


@pytest.mark.parametrize("decision", ["reject", "cancel"])
async def test_the_one_that_waits_goes_on_where_the_other_is_not_approved(home: House, decision: str) -> None:
    acme, first = await waiting(home)
    second = await home.ask(acme, plan="scale", effective="period_end")
    await home.reviewed(acme, second)
    if decision == "cancel":
        await home.post(acme.admin, f"/v1/plan-changes/{second}/cancel", {})
    else:
        await home.decide(acme.controller, second, "reject", "Not now.")
    await home.wait(acme, second, "cancelled", "rejected")
    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, first, "completed", "mismatched", "failed")

    assert (done["state"], done["error"]) == ("completed", None)
    assert (await home.shop.subscription(acme))["items"].data[0].price.id == home.shop.price[
        "starter", "month"
    ]


async def test_what_replaces_nothing_any_more_is_asked_again(home: House) -> None:
    acme, first = await waiting(home)
    second = await home.ask(acme, plan="scale", effective="period_end")
    await home.reviewed(acme, second)
    await home.post(acme.admin, f"/v1/plan-changes/{first}/cancel", {})
    await home.wait(acme, first, "cancelled")
    await home.decide(acme.controller, second)
    again = await home.reviewed(acme, second, 2)

    assert again["subject"]["replaces"] is None
    changes = {change["what"]: change["after"] for change in again["since"]["changes"]}
    assert changes == {"Replaces": "none"}
    await home.decide(acme.controller, second)
    await home.wait(acme, second, "running", stage="scheduled")


async def test_what_has_come_and_been_billed_meanwhile_is_verified_and_the_other_asked_again(
    home: House,
) -> None:
    acme, first = await waiting(home)
    second = await home.ask(acme, plan="scale", effective="period_end")
    await home.reviewed(acme, second)
    home.stand_in.advance(16 * 86_400)
    await home.decide(acme.controller, second)
    again = await home.reviewed(acme, second, 2)
    came = await home.wait(acme, first, "completed", "cancelled", "mismatched", "failed")

    assert (came["state"], came["error"]) == ("completed", None)
    assert (again["subject"]["replaces"], again["subject"]["from"]["plan"]) == (None, "starter")
    await home.decide(acme.controller, second)
    await home.wait(acme, second, "running", stage="scheduled")


async def test_what_has_lost_its_schedule_ends_first_and_the_other_is_asked_again(home: House) -> None:
    acme, first = await waiting(home)
    second = await home.ask(acme, plan="scale", effective="period_end")
    await home.reviewed(acme, second)
    schedule = (await home.shop.subscription(acme)).schedule
    assert isinstance(schedule, str)
    await home.shop.client.v1.subscription_schedules.release_async(schedule)
    await home.decide(acme.controller, second)
    again = await home.reviewed(acme, second, 2)
    ended = await home.wait(acme, first, "failed", "cancelled")

    assert ended["error"]["code"] == "schedule_gone"
    assert again["subject"]["replaces"] is None


async def test_a_third_takes_the_place_of_the_second(home: House) -> None:
    acme, _ = await waiting(home)
    second = await approved(home, acme, plan="scale", effective="period_end")
    third = await approved(home, acme, plan="growth", seats=5, effective="period_end")
    replaced = await home.wait(acme, second, "cancelled")

    assert replaced["result"]["replaced_by"] == third
    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    assert (await home.wait(acme, third, "completed", "mismatched"))["state"] == "completed"
    assert (await home.shop.subscription(acme))["items"].data[0].quantity == 5


async def test_where_stripe_refuses_to_rewrite_it_neither_comes_and_it_is_said(home: House) -> None:
    acme, first = await waiting(home)
    before = await terms(home.shop, acme)
    second = await home.ask(acme, plan="scale", effective="period_end")
    await home.reviewed(acme, second)
    home.stand_in.fault("refuse", method="POST", path=REWRITE, times=1)
    await home.decide(acme.controller, second)
    failed = await home.wait(acme, second, "failed", "mismatched")
    replaced = await home.wait(acme, first, "cancelled")

    assert (failed["state"], first in failed["error"]["message"]) == ("failed", True)
    assert replaced["result"]["replaced_by"] == second
    assert (await home.shop.subscription(acme)).schedule is None
    assert before.changed(await terms(home.shop, acme), "subscription.schedule") == {}


async def test_cancelled_while_it_waits_nothing_comes(home: House) -> None:
    acme, _ = await waiting(home)
    second = await approved(home, acme, plan="scale", effective="period_end")
    await home.post(acme.admin, f"/v1/plan-changes/{second}/cancel", {})
    await home.wait(acme, second, "cancelled")

    assert (await home.shop.subscription(acme)).schedule is None


async def test_what_comes_onto_the_subscription_ends_the_one_that_waits_and_is_asked_again(
    home: House,
) -> None:
    acme, first = await waiting(home)
    second = await home.ask(acme, plan="scale", effective="period_end")
    await home.reviewed(acme, second)
    async with home.told_by_stripe():
        await update(home, acme, description="Of Acme's Berlin office alone.")
        await home.followed()
    ended = await home.wait(acme, first, "failed")
    await home.decide(acme.controller, second)
    again = await home.reviewed(acme, second, 2)

    assert ended["error"]["code"] == "subscription_changed"
    assert again["subject"]["keeps"]["description"] == "Of Acme's Berlin office alone."


async def test_finance_hears_of_the_one_that_comes_and_not_of_the_other(home: House) -> None:
    acme, first = await waiting(home)
    second = await approved(home, acme, plan="scale", effective="period_end")
    await home.wait(acme, first, "cancelled")

    async def open_notices() -> list[dict[str, Any]]:
        found = (await home.get(acme.finance, "/v1/notices"))["data"]
        return [one for one in found if one["state"] == "open"]

    async def only_of_the_second() -> bool:
        return [(one["operation"], one["kind"]) for one in await open_notices()] == [
            (second, "plan_change_scheduled")
        ]

    await until(only_of_the_second, lambda: "Finance waits for something else")
    [notice] = await open_notices()
    assert notice["subject"]["replaces"]["operation"] == first
    superseded = (await home.get(acme.finance, f"/v1/notices?operation={first}"))["data"]
    assert {one["state"] for one in superseded} == {"superseded"}

    async def the_requester_is_mailed() -> bool:
        return "plan_change_ended cancelled" in home.mail.names(acme.admin.person)

    await until(the_requester_is_mailed, lambda: "nobody was told that it was replaced")


async def test_a_later_run_takes_up_the_schedule_that_an_earlier_one_has_rewritten(home: House) -> None:
    acme, first = await waiting(home)
    second = await approved(home, acme, plan="scale", effective="period_end")
    await home.wait(acme, first, "cancelled")
    since = home.stand_in.last_request()
    assert home.environment is not None
    with home.environment.auto_time_skipping_disabled():
        await home.run_again(second)
    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, second, "completed", "mismatched", "failed")

    assert (done["state"], done["error"]) == ("completed", None)
    assert schedules(home, since) == ["release"]
    assert (await home.events(acme, second)).count("took_its_place") == 1


async def test_a_revision_that_would_come_now_is_refused_by_name(home: House) -> None:
    acme, first = await waiting(home)
    second = await home.ask(acme, plan="scale", effective="period_end")
    await home.reviewed(acme, second)
    await home.decide(acme.controller, second, "request_changes", "At once, please.")
    await home.wait(acme, second, "awaiting_approval", stage="changes_requested")
    body = {"plan": "scale", "reason": "At once."}
    answer = await home.post(acme.admin, f"/v1/plan-changes/{second}/revision", body)

    assert (answer.status_code, answer.json()["code"]) == (409, "plan_change_open")
    assert first in answer.json()["detail"]


async def test_what_was_to_be_replaced_and_came_into_force_otherwise_has_to_be_resolved_first(
    home: House,
) -> None:
    acme, first = await waiting(home)
    second = await home.ask(acme, plan="scale", effective="period_end")
    await home.reviewed(acme, second)
    home.stand_in.fault("refuse", times=1, method="GET", path="^/v1/invoices/in_[^/]+$")
    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    await home.wait(acme, first, "mismatched")
    since = home.stand_in.last_request()
    await home.decide(acme.controller, second)
    refused = await home.wait(acme, second, "failed")

    assert (refused["state"], refused["error"]["code"]) == ("failed", "plan_change_open")
    assert first in refused["error"]["message"]
    assert home.shop.changes(since) == []
    await home.wait(acme, first, "mismatched")


async def test_what_it_had_replaced_and_came_into_force_after_all_is_named_by_the_mismatch(
    home: House,
) -> None:
    """Its schedule can't be rewritten before the period ends."""
    acme, first = await waiting(home)
    second = await home.ask(acme, plan="scale", effective="period_end")
    await home.reviewed(acme, second)
    home.stand_in.fault("lock_timeout", method="POST", path=REWRITE, times=2)
    await home.decide(acme.controller, second)
    await home.wait(acme, first, "cancelled")
    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    found = await home.wait(acme, second, "mismatched", "completed", "failed")

    assert (found["state"], found["error"]["code"]) == ("mismatched", "lines_mismatched")
    assert first in found["error"]["message"]
    assert first in [one.get("name") for one in found["result"]["differences"]]
