"""A refund from the request to its end, through the API: its courses, and what people do about them."""

from typing import Any

import pytest

from billing.money.notes import with_objects

from ...support import money
from ...support.builders import Tenant
from ...support.house import House, until
from ..conftest import ON_BOTH_DATABASES


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database)


async def paid(home: House, acme: Tenant, amount: int = 10_000, card: str = "pm_card_visa") -> str:
    return await money.pay(home.shop, await money.customer(home.shop, acme), amount, card)


async def found_in_stripe(home: House, payment: str) -> list[tuple[int, str]]:
    listed = await home.shop.client.v1.refunds.list_async({"payment_intent": payment})
    return [(refund.amount, str(refund.status)) for refund in listed.data]


@ON_BOTH_DATABASES
async def test_a_refund_within_authority_goes_straight_through_with_its_note_in_both_places(
    home: House, acme: Tenant
) -> None:
    payment = await paid(home, acme)
    operation = await money.refund(home, acme, payment, 4_000)
    done = await home.wait(acme, operation, "completed")

    result = done["result"]
    note = with_objects(money.NOTE, [payment])
    assert (result["status"], result["payment_intent"], result["note"]) == ("succeeded", payment, note)
    assert result["amount"] == {"amount_minor": 4_000, "currency": "usd"}
    refund = await home.shop.client.v1.refunds.retrieve_async(result["refund"])
    assert (refund.amount, refund.reason, refund.metadata["plixo_note"]) == (4_000, "duplicate", note)
    assert refund.metadata["plixo_operation"] == operation
    assert refund.metadata["plixo_note_by"].startswith(f"{acme.admin.id} ")
    assert len(money.refunds(home.shop)) == 1
    assert await home.events(acme, operation) == [
        "refund_requested",
        "note_added",
        "checked",
        "within_requesters_authority",
        "issuing_refund",
        "changed_in_stripe",
        "refunded",
    ]


async def test_all_that_is_left_is_refunded_when_no_amount_is_named(home: House, acme: Tenant) -> None:
    payment = await paid(home, acme, 9_000)
    first = await money.refund(home, acme, payment, 2_000)
    await home.wait(acme, first, "completed")
    second = await money.refund(home, acme, payment)
    done = await home.wait(acme, second, "completed")
    assert done["result"]["amount"]["amount_minor"] == 7_000
    assert sorted(await found_in_stripe(home, payment)) == [(2_000, "succeeded"), (7_000, "succeeded")]


@ON_BOTH_DATABASES
async def test_a_refund_beyond_the_authority_waits_for_the_controller(home: House, acme: Tenant) -> None:
    payment = await paid(home, acme, 80_000)
    operation = await money.refund(home, acme, payment, 60_000)
    approval = await home.reviewed(acme, operation)
    assert approval["amount"] == {"amount_minor": 60_000, "currency": "usd"}
    assert money.refunds(home.shop) == []
    answer = await home.decide(acme.controller, operation)
    assert answer.status_code == 200, answer.text
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["amount"]["amount_minor"] == 60_000
    assert len(money.refunds(home.shop)) == 1


async def test_a_rejected_refund_touches_nothing_and_frees_what_was_set_aside(
    home: House, acme: Tenant
) -> None:
    payment = await paid(home, acme, 80_000)
    operation = await money.refund(home, acme, payment, 60_000)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation, "reject", "The customer was charged rightly.")
    await home.wait(acme, operation, "rejected")
    again = await money.refund(home, acme, payment, 40_000)
    await home.wait(acme, again, "completed")
    assert await found_in_stripe(home, payment) == [(40_000, "succeeded")]


@ON_BOTH_DATABASES
async def test_what_another_refund_has_set_aside_is_not_promised_twice(home: House, acme: Tenant) -> None:
    payment = await paid(home, acme, 80_000)
    first = await money.refund(home, acme, payment, 60_000)
    await home.reviewed(acme, first)
    second = await money.refund(home, acme, payment, 30_000)
    blocked = await home.wait(acme, second, "blocked")
    assert blocked["error"]["code"] == "amount_above_refundable"
    assert first in blocked["error"]["message"]


async def test_a_pending_refund_is_followed_until_it_has_succeeded(home: House, acme: Tenant) -> None:
    payment = await paid(home, acme, card="pm_card_pendingRefund")
    operation = await money.refund(home, acme, payment)
    waiting = await home.wait(acme, operation, "running", stage="pending")
    assert waiting["result"]["status"] == "pending"
    home.stand_in.advance(120)
    await home.skip(minutes=2)
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["status"] == "succeeded"
    assert len(money.refunds(home.shop)) == 1


async def test_thirty_days_of_watching_are_one_timer(home: House, acme: Tenant) -> None:
    operation = await money.refund(home, acme, await paid(home, acme))
    await home.wait(acme, operation, "completed")

    async def is_watched() -> bool:
        return (await home.history(operation))["TIMER_STARTED"] == 1

    await until(is_watched, lambda: "it is not watched")
    before = await home.history(operation)
    await home.skip(days=30, minutes=1)

    async def is_over() -> bool:
        return (await home.history(operation))["WORKFLOW_EXECUTION_COMPLETED"] == 1

    await until(is_over, lambda: "it is still watched")
    after = await home.history(operation)
    assert after["TIMER_STARTED"] == 1
    # Nobody has asked Stripe for its events meanwhile: so the refund is read once more in the end.
    reads = after["ACTIVITY_TASK_SCHEDULED"] - before["ACTIVITY_TASK_SCHEDULED"]
    looks = after["MARKER_RECORDED"] - before["MARKER_RECORDED"]
    assert (reads, looks) == (1, 1)


@ON_BOTH_DATABASES
async def test_a_refund_that_fails_after_it_had_succeeded_is_open_again_and_can_be_tried_again(
    home: House, acme: Tenant
) -> None:
    payment = await paid(home, acme, card="pm_card_refundFail")
    operation = await money.refund(home, acme, payment)
    await home.wait(acme, operation, "completed")
    home.stand_in.advance(120)
    await home.catch_up()
    failed = await home.wait(acme, operation, "failed", stage="refund_failed")
    assert (failed["error"]["code"], failed["result"]["status"]) == ("refund_failed", "failed")
    assert failed["result"]["parts"][0]["failure_reason"] == "lost_or_stolen_card"
    seen = await home.get(acme.admin, f"/v1/operations/{operation}")
    assert seen["allowed_actions"] == ["retry", "close"]
    kinds = [notice["kind"] for notice in (await home.get(acme.finance, "/v1/notices"))["data"]]
    assert kinds == ["refund_failed"]

    answer = await home.post(
        acme.admin,
        f"/v1/refunds/{operation}/resolution",
        {"action": "retry", "comment": "The bank asked for another try."},
    )
    assert answer.status_code == 200, answer.text
    again = await home.wait(acme, operation, "completed")
    assert again["result"]["refund"] != failed["result"]["refund"]
    assert len(money.refunds(home.shop)) == 2


async def test_a_refund_that_fails_at_once_is_closed_with_a_note_that_stripe_has_too(
    home: House, acme: Tenant
) -> None:
    payment = await paid(home, acme, card="pm_card_refundFailAtOnce")
    operation = await money.refund(home, acme, payment)
    failed = await home.wait(acme, operation, "failed", stage="refund_failed")
    comment = "The customer was paid by bank transfer instead."
    answer = await home.post(
        acme.admin, f"/v1/refunds/{operation}/resolution", {"action": "close", "comment": comment}
    )
    assert answer.status_code == 200, answer.text
    done = await home.wait(acme, operation, "failed", stage="done")
    assert done["allowed_actions"] == []
    refund = await home.shop.client.v1.refunds.retrieve_async(failed["result"]["refund"])
    assert refund.metadata["plixo_note_2"] == with_objects(comment, [payment])
    assert (await home.events(acme, operation))[-1] == "closed_without_refund"


async def test_a_refund_that_waits_for_the_customer_can_be_taken_back(home: House, acme: Tenant) -> None:
    payment = await paid(home, acme, card="pm_card_refundRequiresAction")
    operation = await money.refund(home, acme, payment)
    await home.wait(acme, operation, "running", stage="requires_action")
    answer = await home.post(acme.admin, f"/v1/refunds/{operation}/cancel", {"comment": "Asked by mistake."})
    assert answer.status_code == 200, answer.text
    await home.wait(acme, operation, "cancelled")
    assert await found_in_stripe(home, payment) == [(10_000, "canceled")]


@pytest.mark.parametrize(
    ("card", "amount", "code"),
    [
        ("pm_card_visa", 10_001, "amount_above_refundable"),
        ("pm_card_createDispute", 5_000, "charge_disputed"),
    ],
)
async def test_what_stripe_would_refuse_is_blocked_before_anything_is_written(
    home: House, acme: Tenant, card: str, amount: int, code: str
) -> None:
    operation = await money.refund(home, acme, await paid(home, acme, card=card), amount)
    blocked = await home.wait(acme, operation, "blocked")
    assert blocked["error"]["code"] == code
    assert money.refunds(home.shop) == []


async def test_a_payment_of_another_organization_is_as_unknown_as_one_that_does_not_exist(
    home: House, acme: Tenant
) -> None:
    other = await home.shop.tenant(home.database)
    theirs = await paid(home, other)
    answers = []
    for payment in (theirs, "pi_1DoesNotExist000000000000"):
        operation = await money.refund(home, acme, payment, 1_000)
        answers.append((await home.wait(acme, operation, "blocked"))["error"])
    assert [answer["code"] for answer in answers] == ["payment_unknown"] * 2
    assert (
        len(
            {
                answer["message"].replace(theirs, "X").replace("pi_1DoesNotExist000000000000", "X")
                for answer in answers
            }
        )
        == 1
    )
    assert money.refunds(home.shop) == []


@ON_BOTH_DATABASES
async def test_an_invoice_paid_by_several_payments_is_refunded_over_them(home: House, acme: Tenant) -> None:
    who = await money.customer(home.shop, acme)
    bill = await money.invoice(home.shop, who, 10_000)
    first, second = await money.pay(home.shop, who, 6_000), await money.pay(home.shop, who, 4_000)
    for payment in (first, second):
        await home.shop.client.v1.invoices.attach_payment_async(bill, {"payment_intent": payment})
    operation = await money.refund(home, acme, None, 7_000, invoice=bill)
    done = await home.wait(acme, operation, "completed")
    assert [(p["payment_intent"], p["amount"]["amount_minor"]) for p in done["result"]["parts"]] == [
        (first, 6_000),
        (second, 1_000),
    ]
    assert await found_in_stripe(home, first) == [(6_000, "succeeded")]
    assert await found_in_stripe(home, second) == [(1_000, "succeeded")]


async def test_changes_asked_for_lead_to_an_edited_refund_and_a_new_round(home: House, acme: Tenant) -> None:
    payment = await paid(home, acme, 90_000)
    operation = await money.refund(home, acme, payment, 80_000)
    first = await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation, "request_changes", "Only the second month, please.")
    await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    body = {
        "payment_intent": payment,
        "amount_minor": 55_000,
        "reason": "requested_by_customer",
        "note": "Only the second month goes back.",
    }
    answer = await home.post(acme.admin, f"/v1/refunds/{operation}/revision", body)
    assert answer.status_code == 200, answer.text
    second = await home.reviewed(acme, operation, 2)
    assert second["subject_hash"] != first["subject_hash"]
    await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed")
    refund = await home.shop.client.v1.refunds.retrieve_async(done["result"]["refund"])
    assert (refund.amount, refund.reason) == (55_000, "requested_by_customer")
    assert refund.metadata["plixo_note_2"].startswith("Only the second month goes back.")


async def test_a_refund_made_elsewhere_while_it_waits_for_approval_is_noticed(
    home: House, acme: Tenant
) -> None:
    payment = await paid(home, acme, 80_000)
    operation = await money.refund(home, acme, payment, 60_000)
    await home.reviewed(acme, operation)
    await home.shop.client.v1.refunds.create_async({"payment_intent": payment, "amount": 50_000})
    await home.decide(acme.controller, operation)
    blocked = await home.wait(acme, operation, "blocked")
    assert blocked["error"]["code"] == "amount_above_refundable"
    assert await found_in_stripe(home, payment) == [(50_000, "succeeded")]


async def test_a_note_that_is_added_later_reaches_stripe(home: House, acme: Tenant) -> None:
    payment = await paid(home, acme)
    operation = await money.refund(home, acme, payment)
    done = await home.wait(acme, operation, "completed")
    answer = await home.post(
        acme.admin, f"/v1/refunds/{operation}/notes", {"note": "Found in the audit of November."}
    )
    assert answer.status_code == 202, answer.text

    async def in_stripe() -> dict[str, str]:
        refund = await home.shop.client.v1.refunds.retrieve_async(done["result"]["refund"])
        return dict(refund.metadata.to_dict()) if refund.metadata else {}

    async def there() -> bool:
        return "plixo_note_2" in await in_stripe()

    await until(there, lambda: "the note did not reach Stripe")
    kept = await in_stripe()
    assert kept["plixo_note_2"] == with_objects("Found in the audit of November.", [payment])
    assert kept["plixo_note"] == with_objects(money.NOTE, [payment])


async def test_a_japanese_payment_is_refunded_in_whole_yen(home: House, acme: Tenant) -> None:
    who = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, who, 5_000, currency="jpy")
    operation = await money.refund(home, acme, payment, 1_200)
    # No authority is stated in yen: whatever the amount, somebody who has it decides, and nobody has.
    approval = await home.reviewed(acme, operation)
    assert approval["amount"] == {"amount_minor": 1_200, "currency": "jpy"}
    assert approval["ladder"][0]["roles"] == ["controller", "legal"]


async def test_a_retry_gives_nothing_that_another_refund_has_set_aside(home: House, acme: Tenant) -> None:
    payment = await paid(home, acme, 100_000, card="pm_card_refundFail")
    waiting = await money.refund(home, acme, payment, 60_000)
    await home.reviewed(acme, waiting)
    operation = await money.refund(home, acme, payment, 40_000)
    await home.wait(acme, operation, "completed")
    home.stand_in.advance(120)
    await home.catch_up()
    await home.wait(acme, operation, "failed", stage="refund_failed")
    await home.shop.client.v1.refunds.create_async({"payment_intent": payment, "amount": 30_000})
    made = len(money.refunds(home.shop))
    assert (await home.get(acme.auditor, f"/v1/operations/{waiting}"))["state"] == "awaiting_approval"

    retry = {"action": "retry", "comment": "The bank asked for another try."}
    path = f"/v1/refunds/{operation}/resolution"
    assert (await home.post(acme.admin, path, retry)).status_code in (200, 202)
    found: dict[str, Any] = {}

    async def is_over() -> bool:
        found.update(await home.get(acme.auditor, f"/v1/operations/{operation}"))
        return (found["error"] or {}).get("code") != "refund_failed" and found["state"] != "running"

    await until(is_over, lambda: f"the retry does not end: {found}", home.patience)
    assert (found["state"], found["stage"]) == ("failed", "refund_failed")
    assert found["error"]["code"] == "amount_above_refundable"
    assert len(money.refunds(home.shop)) == made

    answer = await home.post(acme.admin, f"/v1/refunds/{waiting}/cancel", {"comment": "Not needed any more."})
    assert answer.status_code in (200, 202), answer.text
    await home.wait(acme, waiting, "cancelled")
    assert (await home.post(acme.admin, path, retry)).status_code in (200, 202)
    await home.wait(acme, operation, "completed")
    assert len(money.refunds(home.shop)) == made + 1
