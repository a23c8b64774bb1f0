"""The evidence of operations that really ran, as the API gives it and as it is checked offline.

Every test in this directory ends with the same check of whatever it did (`tests/support/evidence_kept.py`).
"""

import json
from datetime import timedelta
from typing import Any

import pytest

from billing.evidence.verify import verify

from ...support import money
from ...support.builders import Tenant
from ...support.house import House, until
from ..conftest import ON_BOTH_DATABASES

pytestmark = ON_BOTH_DATABASES

MORE = "The customer confirmed that the money arrived."


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database)


async def evidence(home: House, acme: Tenant, operation: str) -> dict[str, Any]:
    """The document, which is whole."""
    document = await home.get(acme.auditor, f"/v1/operations/{operation}/evidence")
    whole = verify(json.dumps(document))
    assert whole.operation == operation
    assert (whole.events, whole.head) == (len(document["timeline"]), document["timeline"][-1]["hash"])
    return document


async def noted_in_stripe(home: House, acme: Tenant, operation: str) -> None:
    """Waits until the note that was added is on its way no more."""

    async def there() -> bool:
        document = await home.get(acme.auditor, f"/v1/operations/{operation}/evidence")
        return any(one["effect"].endswith(".note") and one["state"] == "done" for one in document["intents"])

    await until(there, lambda: f"the note of {operation} did not reach Stripe")


async def test_a_refund_that_was_revised_approved_and_noted_on_is_whole(home: House, acme: Tenant) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 80_000)
    operation = await money.refund(home, acme, payment, 60_000)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation, "request_changes", "Only what was charged twice.")
    await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    revised = {"payment_intent": payment, "amount_minor": 55_000, "reason": "duplicate"}
    path, words = f"/v1/refunds/{operation}", "Charged twice for March; April was right."
    answer = await home.post(acme.admin, f"{path}/revision", revised | {"note": words})
    assert answer.status_code == 200, answer.text
    await home.reviewed(acme, operation, round_=2)
    await home.decide(acme.controller, operation, comment="As agreed.")
    await home.wait(acme, operation, "completed")
    assert (await home.post(acme.admin, f"{path}/notes", {"note": MORE})).status_code == 202
    await noted_in_stripe(home, acme, operation)

    document = await evidence(home, acme, operation)
    decided = [(decision["person"], decision["decision"]) for decision in document["decisions"]]
    assert decided == [(acme.controller.id, "request_changes"), (acme.controller.id, "approve")]
    [held] = document["commitments"]
    assert (held["amount"]["amount_minor"], held["authority_of"]) == (55_000, acme.controller.id)
    asked, *_ = document["intents"]
    assert (asked["target"], asked["params"]["amount"]) == (payment, 55_000)
    assert asked["stripe_id"] == document["operation"]["result"]["refund"]
    assert asked["result"]["metadata"]["plixo_operation"] == operation
    assert asked["stripe_request"].startswith("req_")
    assert [note["text"] for note in document["notes"]] == [money.NOTE, words, MORE]
    roles = {
        person: named.get("roles")
        for event in document["timeline"]
        for person, named in event["names"].items()
    }
    assert (roles[acme.admin.id], roles[acme.controller.id]) == (["billing_admin"], ["controller"])
    assert {mail["recipient"] for mail in document["mails"]} <= set(roles)


async def test_a_credit_within_authority_is_whole(home: House, acme: Tenant) -> None:
    operation = await money.credit(home, acme, await money.customer(home.shop, acme), 2_000)
    await home.wait(acme, operation, "completed")
    document = await evidence(home, acme, operation)
    given = document["intents"][0]
    assert given["effect"] == "balance.create"
    assert document["operation"]["result"]["object"] == given["stripe_id"]
    assert document["commitments"][0]["authority_of"] == acme.admin.id


async def test_what_stripe_refuses_or_what_is_blocked_is_whole(home: House, acme: Tenant) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 80_000)
    blocked = await money.refund(home, acme, "pi_nobodys", 60_000)
    assert (await home.wait(acme, blocked, "blocked"))["error"]["code"] == "payment_unknown"
    assert (await evidence(home, acme, blocked))["commitments"] == []
    rejected = await money.refund(home, acme, payment, 60_000)
    await home.reviewed(acme, rejected)
    await home.decide(acme.controller, rejected, "reject", "They were charged rightly.")
    await home.wait(acme, rejected, "rejected")
    document = await evidence(home, acme, rejected)
    assert [approval["state"] for approval in document["approvals"]] == ["rejected"]
    assert document["intents"] == []


async def test_a_refund_that_failed_and_was_left_at_that_is_whole(home: House, acme: Tenant) -> None:
    payment = await money.pay(
        home.shop, await money.customer(home.shop, acme), 10_000, card="pm_card_refundFail"
    )
    operation = await money.refund(home, acme, payment)
    await home.wait(acme, operation, "completed")
    home.stand_in.advance(120)
    await home.catch_up()
    await home.wait(acme, operation, "failed", stage="refund_failed")
    close = {"action": "close", "comment": "Paid back by bank transfer instead."}
    answer = await home.post(acme.admin, f"/v1/refunds/{operation}/resolution", close)
    assert answer.status_code == 200, answer.text
    await home.wait(acme, operation, "failed", stage="done")
    document = await evidence(home, acme, operation)
    assert [notice["kind"] for notice in document["notices"]] == ["refund_failed"]


async def test_a_plan_change_is_whole(home: House, acme: Tenant) -> None:
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")

    async def finance_has_both() -> bool:  # the second notice begins a moment after its plan change
        return len((await home.get(acme.finance, "/v1/notices"))["data"]) == 2

    await until(finance_has_both, lambda: "Finance was not told of the final figures")
    document = await evidence(home, acme, operation)
    assert [notice["kind"] for notice in document["notices"]] == [
        "plan_change_requested",
        "plan_change_applied",
    ]


async def test_a_reminder_runs_evidence_is_whole(home: House, acme: Tenant) -> None:
    key = {"Idempotency-Key": "evidence-run-1"}
    answer = await home.post(acme.admin, "/v1/reminder-runs", {"dry_run": True}, **key)
    operation = answer.json()["id"]
    await home.wait(acme, operation, "completed")
    document = await evidence(home, acme, operation)
    assert document["operation"]["result"]["dry_run"] is True


async def test_a_delegates_approval_after_an_escalation_is_whole(home: House, acme: Tenant) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 80_000)
    operation = await money.refund(home, acme, payment, 60_000)
    approval = await home.reviewed(acme, operation)
    await home.skip_past(approval["deadline"])

    async def legal_is_asked() -> bool:
        return bool((await home.get(acme.legal, f"/v1/approvals/{approval['id']}"))["rung"] == 1)

    await until(legal_is_asked, lambda: f"{operation} did not escalate")
    until_then = (await home.now() + timedelta(days=2)).isoformat()
    body = {"to": acme.finance.id, "until": until_then, "reason": "On holiday."}
    answer = await home.post(acme.legal, f"/v1/approvals/{approval['id']}/delegate", body)
    assert answer.status_code == 201, answer.text
    accepted = await home.post(acme.finance, f"/v1/delegations/{answer.json()['id']}/accept", {})
    assert accepted.status_code == 200, accepted.text
    said = {"text": "Legal is away; I have looked at the contract."}
    commented = await home.post(acme.finance, f"/v1/operations/{operation}/comments", said)
    assert commented.status_code == 201, commented.text
    await home.decide(acme.finance, operation, comment="In Lee's place.")
    await home.wait(acme, operation, "completed")
    document = await evidence(home, acme, operation)
    [decision] = document["decisions"]
    assert (decision["person"], decision["for_person"]) == (acme.finance.id, acme.legal.id)
    [delegation] = document["delegations"]
    assert (delegation["from_person"], delegation["to_person"]) == (acme.legal.id, acme.finance.id)
    assert [comment["author"] for comment in document["comments"]] == [acme.finance.id]


async def test_two_approvals_of_different_roles_are_whole(home: House, acme: Tenant) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 3_000_000)
    operation = await money.refund(home, acme, payment, 2_000_000)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.decide(acme.legal, operation)
    await home.wait(acme, operation, "completed")
    document = await evidence(home, acme, operation)
    assert len(document["decisions"]) == len(document["approvals"][0]["signatures"]) == 2
