"""A simulation beside the request itself, in a running house: the same rule, the same ladder, or nobody."""

from typing import Any

import pytest

from billing.core.operations import Role

from ...support import money, quotes
from ...support.builders import Tenant
from ...support.cancellations import cancel
from ...support.house import House

CASES = [
    (Role.BILLING_ADMIN, "credit", 25_000, "goodwill"),
    (Role.BILLING_ADMIN, "credit", 25_001, "goodwill"),
    (Role.CONTROLLER, "credit", 1_000_001, "order_change"),
    (Role.BILLING_ADMIN, "refund", 50_000, "duplicate"),
    (Role.BILLING_ADMIN, "refund", 50_001, "fraudulent"),
]


@pytest.mark.parametrize(("role", "kind", "amount", "reason"), CASES)
async def test_it_says_what_the_request_then_meets(
    home: House, role: Role, kind: str, amount: int, reason: str
) -> None:
    acme: Tenant = await home.shop.tenant(home.database)
    customer, who = await money.customer(home.shop, acme), acme.members[role]
    body: dict[str, Any] = {"amount_minor": amount, "currency": "usd", "reason": reason}
    asked = "&".join(f"{name}={value}" for name, value in body.items())
    said = await home.get(who, f"/v1/policy/simulation?kind={kind}&{asked}")
    assert said["obstacles"] == []

    if kind == "credit":
        more = {"customer": customer, "instrument": "balance"}
    else:
        payment = await money.pay(home.shop, customer, amount)
        more = {"payment_intent": payment, "confirm_fraudulent": reason == "fraudulent"}
    operation = await quotes.request(home, who, f"/v1/{kind}s", body | more | {"note": money.NOTE})
    if said["review"] is None:
        await home.wait(acme, operation, "completed")
        me = await home.get(who, "/v1/me")
        [left] = [one["left"] for one in me["authority"] if one["kind"] == kind]
        assert [one["left"] for one in said["authority_after"]] == [left]
        return
    await asks_the_same(home, acme, operation, said)


@pytest.mark.parametrize("action", ["now", "at_period_end"])
async def test_it_says_whom_a_cancellation_then_asks(home: House, action: str) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    operation = await cancel(home, acme, action)
    amount = (await home.reviewed(acme, operation))["subject"]["amount"]
    asked = "&".join(f"{name}={value}" for name, value in amount.items()) if amount["amount_minor"] else ""
    said = await home.get(
        acme.admin, f"/v1/policy/simulation?kind=cancellation&reason=switched_service&{asked}"
    )
    assert (said["obstacles"], said["authority"]) == ([], None)
    await asks_the_same(home, acme, operation, said)


async def asks_the_same(home: House, acme: Tenant, operation: str, said: dict[str, Any]) -> None:
    approval = await home.reviewed(acme, operation)
    assert approval["rule"] == (said["review"]["why"] or None)
    assert approval["rung"] == said["review"]["rung"]
    names = ("roles", "needs", "state")
    simulated, real = (
        [[rung[name] for name in names] for rung in ladder]
        for ladder in (said["review"]["ladder"], approval["ladder"])
    )
    assert simulated == real
