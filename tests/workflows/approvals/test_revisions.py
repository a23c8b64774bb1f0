"""A revision that can't be done: the requester hears why, and may send another."""

import pytest

from ...support import money
from ...support.builders import a_customer, store
from ...support.house import House, until

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


async def test_a_revision_beyond_a_limit_says_so_and_another_can_be_sent(home: House) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    await store(home.database, *(a_customer(acme.id) for _ in range(51)))
    operation = await home.ask(acme, seats=9)
    first = await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation, "request_changes", "Smaller, please.")
    await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    path = f"/v1/plan-changes/{operation}/revision"
    wanted = {"plan": "starter", "reason": "Smaller, as asked."}
    assert (await home.post(acme.admin, path, wanted)).status_code == 200

    async def sent_back() -> bool:
        found = await home.get(acme.auditor, f"/v1/operations/{operation}")
        return bool(found["error"]) and found["stage"] == "changes_requested"

    await until(sent_back, lambda: "it was not sent back", home.patience)
    found = await home.get(acme.admin, f"/v1/operations/{operation}")
    assert (found["state"], found["allowed_actions"]) == ("awaiting_approval", ["revise", "cancel"])
    assert found["error"]["code"] == "limits_exceeded"
    assert "51 in use" in found["error"]["message"]
    assert (await home.events(acme, operation))[-1] == "blocked_by_limits"

    again = {"plan": "growth", "seats": 7, "reason": "Fewer seats, then."}
    assert (await home.post(acme.admin, path, again)).status_code == 200
    second = await home.reviewed(acme, operation, 3)
    assert second["revised"]["former"] == first["subject"]
    assert second["revised"]["comment"] == "Smaller, please."
    assert (await home.get(acme.admin, f"/v1/operations/{operation}"))["error"] is None
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")
    mails = [mail for mail in home.mail.mailbox.mails if mail["subject"].startswith("Changes requested")]
    assert len(mails) == 2


@pytest.mark.parametrize(("amount", "ends"), [(25_000, "completed"), (None, "cancelled")])
async def test_a_revision_to_more_than_is_left_says_so_and_another_can_be_sent(
    home: House, amount: int | None, ends: str
) -> None:
    acme = await home.shop.tenant(home.database)
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 90_000)
    operation = await money.refund(home, acme, payment, 80_000)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation, "request_changes", "Only what is due, please.")
    await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    await home.shop.client.v1.refunds.create_async({"payment_intent": payment, "amount": 50_000})
    path = f"/v1/refunds/{operation}/revision"
    body = {"payment_intent": payment, "amount_minor": 70_000, "reason": "duplicate", "note": money.NOTE}
    assert (await home.post(acme.admin, path, body)).status_code == 200

    async def sent_back() -> bool:
        return "not_possible" in await home.events(acme, operation)

    await until(sent_back, lambda: "it was not sent back", home.patience)
    found = await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    assert found["error"]["code"] == "amount_above_refundable"
    if amount is not None:
        answer = await home.post(acme.admin, path, body | {"amount_minor": amount})
    else:
        answer = await home.post(acme.admin, f"/v1/refunds/{operation}/cancel", {})
    assert answer.status_code == 200, answer.text
    await home.wait(acme, operation, ends)
    assert [one.amount for one in (await home.shop.client.v1.refunds.list_async()).data] == (
        [amount, 50_000] if amount else [50_000]
    )


async def test_changes_are_waited_for_in_business_time_and_the_timeline_says_until_when(home: House) -> None:
    """Sixteen business hours are at least a night longer than sixteen hours."""
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    operation = await home.ask(acme, seats=9)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation, "request_changes", "Smaller, please.")
    await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    await home.skip(hours=17)
    found = await home.get(acme.admin, f"/v1/operations/{operation}")
    assert (found["state"], found["stage"]) == ("awaiting_approval", "changes_requested")
    timeline = (await home.get(acme.admin, f"/v1/operations/{operation}/timeline"))["data"]
    said = [one["detail"]["revise_by"] for one in timeline if "revise_by" in one["detail"]]
    assert len(set(said)) == 1, "with the decision, and with what is waited for"
    await home.skip_past(said[0])
    await home.wait(acme, operation, "expired")
