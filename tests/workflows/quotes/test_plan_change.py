"""A quote of a plan change: what would come of it, told to nobody, and then asked for as it was seen."""

import re
from datetime import datetime, timedelta
from typing import Any

from ...support import quotes
from ...support.builders import Tenant, a_customer, store
from ...support.house import House
from ...support.shop import APRIL, MID_APRIL

HALF_A_MONTH = MID_APRIL - APRIL
PATH = "/v1/plan-changes"
UPGRADE = {"plan": "growth", "reason": "The team grows."}


async def subscribed(home: House, plan: str = "starter", **more: Any) -> Tenant:
    """Half a month ago."""
    acme = await home.shop.tenant(home.database, plan, **more)
    home.stand_in.advance(HALF_A_MONTH)
    return acme


async def test_it_says_what_would_be_done_and_who_would_be_asked_and_tells_nobody(home: House) -> None:
    acme = await subscribed(home)
    async with quotes.nothing_is_left_behind(home):
        quote = await quotes.quote(home, acme.admin, PATH, UPGRADE)

    assert quote["obstacles"] == []
    assert (quote["from"]["plan"], quote["to"]["plan"], quote["to"]["seats"]) == ("starter", "growth", 6)
    [credit], [debit] = quote["credits"], quote["debits"]
    assert (credit["kind"], debit["kind"]) == ("credit", "debit")
    assert quote["credit_total"]["amount_minor"] == credit["amount_minor"] < 0
    assert quote["debit_total"]["amount_minor"] == debit["amount_minor"] > 0
    assert quote["due_now"]["amount_minor"] == credit["amount_minor"] + debit["amount_minor"]
    assert quote["next_invoice"]["amount"]["amount_minor"] == 6 * 2000
    assert quote["next_invoice"]["date"].startswith("2026-05-01T")
    amounts = {name: amount["amount_minor"] for name, amount in quote["per_month"].items()}
    assert amounts == {"before": 6000, "after": 12_000, "difference": 6000}
    assert {check["name"]: check["ok"] for check in quote["limits"]} == {
        "seats": True,
        "customers": True,
        "ar_balance": True,
    }
    review = quote["review"]
    assert (review["rule"]["ladder"], review["rung"], review["why"]) == ("plan_change", 0, "")
    asked = [(rung["roles"], rung["state"], rung["calendar"]) for rung in review["ladder"]]
    assert asked == [(["controller"], "active", "office"), (["legal"], "waiting", "office")]
    names = [[one["name"] for one in rung["people"]] for rung in review["ladder"]]
    assert names == [[acme.controller.person.name], [acme.legal.person.name]]
    first, second = review["ladder"]
    assert first["deadline"] == second["opens_at"] < second["deadline"] == review["expires_at"]


async def test_asked_for_by_its_quote_it_is_exactly_what_was_seen_whatever_time_has_passed(
    home: House,
) -> None:
    acme = await subscribed(home)
    quote = await quotes.quote(home, acme.admin, PATH, UPGRADE)
    home.stand_in.advance(20 * 60)
    operation = await quotes.request(home, acme.admin, PATH, UPGRADE | {"quote": quote["quote"]})
    approval = await home.reviewed(acme, operation)

    assert approval["subject_hash"] == quote["subject_hash"]
    pinned = datetime.fromisoformat(quote["proration_date"]).timestamp()
    assert approval["subject"]["proration_date"] == pinned < home.stand_in.now() - 19 * 60
    lines = approval["subject"]["preview"]["lines"]
    assert lines == [*quote["credits"], *quote["debits"]]
    rungs = quote["review"]["ladder"]
    assert [rung["roles"] for rung in approval["ladder"]] == [rung["roles"] for rung in rungs]
    for opened, quoted in zip(approval["ladder"], rungs, strict=True):
        late = datetime.fromisoformat(opened["deadline"]) - datetime.fromisoformat(quoted["deadline"])
        assert abs(late) < timedelta(minutes=1)
    asked = await home.get(acme.admin, f"/v1/operations/{operation}")
    assert asked["request"]["quote"] == quote["quote"]

    await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["verified"] is True
    assert done["result"]["lines"] == lines


async def test_what_has_changed_in_stripe_since_the_quote_is_said_and_nobody_is_asked(home: House) -> None:
    acme = await subscribed(home)
    quote = await quotes.quote(home, acme.admin, PATH, UPGRADE)
    item = (await home.shop.subscription(acme))["items"].data[0].id
    await home.shop.client.v1.subscriptions.update_async(
        acme.organization.stripe_subscription,
        {"items": [{"id": item, "quantity": 8}], "proration_behavior": "none"},
    )
    operation = await quotes.request(home, acme.admin, PATH, UPGRADE | {"quote": quote["quote"]})
    blocked = await home.wait(acme, operation, "blocked")

    assert blocked["error"]["code"] == "quote_outdated"
    assert {"8", "6", "USD"} <= set(re.findall(r"\w+", blocked["error"]["message"])), "what is other, and was"
    assert blocked["approval"] is None
    assert "review_requested" not in await home.events(acme, operation)
    assert (await home.get(acme.finance, "/v1/notices"))["data"] == []


async def test_what_stands_in_the_way_has_the_code_that_the_request_would_get(home: House) -> None:
    acme = await subscribed(home, "growth")
    customers = [a_customer(acme.id) for _ in range(51)]
    await store(home.database, *customers)
    down = {"plan": "starter", "reason": "We save."}
    limited = await quotes.quote(home, acme.admin, PATH, down)
    assert [one["code"] for one in limited["obstacles"]] == ["limits_exceeded"]
    assert (limited["quote"], limited["review"]) == (None, None)
    assert limited["credits"], "it is previewed all the same"
    blocked = await home.wait(acme, await quotes.request(home, acme.admin, PATH, down), "blocked")
    assert limited["obstacles"][0]["message"] == blocked["error"]["message"]

    same = await quotes.quote(home, acme.admin, PATH, UPGRADE)
    refused = await home.post(acme.admin, PATH, UPGRADE, **{"Idempotency-Key": "same"})
    assert same["obstacles"] == [
        {"code": "same_plan", "message": refused.json()["detail"], "pointer": "/plan"}
    ]
    assert (same["to"], same["quote"], same["credits"]) == (None, None, [])

    larger = {"plan": "scale", "reason": "We grow."}
    operation = await quotes.request(home, acme.admin, PATH, larger)
    await home.reviewed(acme, operation)
    second = await quotes.quote(home, acme.admin, PATH, larger)
    assert [one["code"] for one in second["obstacles"]] == ["plan_change_open"]
    assert operation in second["obstacles"][0]["message"]

    await home.shop.client.v1.subscriptions.update_async(
        acme.organization.stripe_subscription, {"cancel_at_period_end": True}
    )
    ending = await quotes.quote(home, acme.admin, PATH, larger)
    assert [one["code"] for one in ending["obstacles"]] == ["plan_change_open", "subscription_cancelling"]
