"""Money back: given once, whatever happens on the way, and never taken for somebody else's."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from temporalio.exceptions import ApplicationError

from activities.effects import credits, refunds
from billing.stripe.effects import EffectOutcome
from db.core.session import Database
from db.operations import operations
from db.tables import BalanceTransactionRow, CreditNoteRow, Intent, OperationObject, RefundRow

from ...support.shop import Shop
from ..giving_back import GIVINGS, NOTE, Giving, a_balance_credit, a_credit_note, a_refund, payment_row
from .effecting import Killed, dying
from .test_faults import EXECUTED, NOT_EXECUTED

DAY_AND_HOUR = 25 * 3600
"""Stripe forgets idempotency keys after a day."""


# --- Done -------------------------------------------------------------------------------------------------


async def test_a_refund_is_made_and_closed_with_its_mirror_and_its_event(
    shop: Shop, database: Database
) -> None:
    giving = await a_refund(shop, database)
    payment = giving.effect.target

    performed = await giving.job.attempt(giving.effect)

    one = await giving.check_given_once()
    [sent] = giving.job.sent(giving.effect)
    assert performed == EffectOutcome(
        outcome="done",
        key=giving.effect.key,
        stripe_id=one["id"],
        request_id=sent["request_id"],
        detail=performed.detail,
    )
    given = {"status": "succeeded", "amount": 1200, "payment_intent": payment, "charge": one["charge"]}
    assert performed.detail.items() >= given.items()
    assert performed.detail["metadata"] == one["metadata"]
    assert one["metadata"] == NOTE | {
        "plixo_payment": payment,
        "plixo_operation": giving.job.operation.id,
        "plixo_effect": giving.effect.key,
    }
    [row] = await giving.mirrored()
    assert (row.payment_intent, row.customer_id, row.status) == (payment, one["customer"], "succeeded")
    assert (row.reason, row.failure_reason) == ("duplicate", None)
    paid = await payment_row(database, payment)
    assert (paid.amount, paid.amount_refunded, paid.charge, paid.status) == (
        5000,
        1200,
        one["charge"],
        "succeeded",
    )


async def test_a_credit_note_on_an_open_invoice_takes_off_what_is_owed(
    shop: Shop, database: Database
) -> None:
    giving = await a_credit_note(shop, database)

    performed = await giving.job.attempt(giving.effect)

    given = {
        "amount": 1200,
        "pre_payment_amount": 1200,
        "post_payment_amount": 0,
        "currency": "usd",
    }
    assert performed.detail.items() >= given.items()
    one = await giving.check_given_once()
    assert (one["status"], one["metadata"]["plixo_note"]) == ("issued", NOTE["plixo_note"])
    [row] = await giving.mirrored()
    assert (row.invoice_id, row.customer_id, row.number) == (
        giving.effect.target,
        one["customer"],
        one["number"],
    )


async def test_a_credit_note_on_a_paid_invoice_is_mirrored_with_the_balance_that_it_gives(
    shop: Shop, database: Database
) -> None:
    giving = await a_credit_note(shop, database, paid=True)

    performed = await giving.job.attempt(giving.effect)

    assert (performed.detail["pre_payment_amount"], performed.detail["post_payment_amount"]) == (0, 1200)
    one = await giving.check_given_once()
    balance = replace(giving, row=(await a_balance_credit(shop, database)).row)
    [row] = await balance.mirrored()
    assert (row.id, row.type, row.amount, row.ending_balance) == (
        one["customer_balance_transaction"],
        "credit_note",
        -1200,
        -1200,
    )
    assert row.operation_id == giving.job.operation.id


async def test_a_balance_credit_is_negative_and_tells_the_balance_after_it(
    shop: Shop, database: Database
) -> None:
    giving = await a_balance_credit(shop, database)

    performed = await giving.job.attempt(giving.effect)

    given = {"amount": -1200, "currency": "usd", "ending_balance": -1200}
    assert performed.detail.items() >= given.items()
    one = await giving.check_given_once()
    [row] = await giving.mirrored()
    assert (row.customer_id, row.type, row.ending_balance) == (one["customer"], "adjustment", -1200)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("card", "status"),
    [
        ("pm_card_pendingRefund", "pending"),
        ("pm_card_refundRequiresAction", "requires_action"),
        ("pm_card_refundFailAtOnce", "failed"),
    ],
)
async def test_a_refund_that_has_not_come_through_is_made_all_the_same(
    shop: Shop, database: Database, card: str, status: str
) -> None:
    giving = await a_refund(shop, database, card=card)

    performed = await giving.job.attempt(giving.effect)

    assert (performed.outcome, performed.detail["status"]) == ("done", status)
    assert (await giving.check_given_once())["status"] == status
    [row] = await giving.mirrored()
    assert (row.status, row.failure_reason) == (status, "declined" if status == "failed" else None)


# --- Faults -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", EXECUTED)
async def test_what_was_given_is_read_back_when_the_answer_was_lost(giving: Giving, fault: str) -> None:
    giving.job.shop.stand_in.fault(fault, method="POST", path=giving.path)
    await giving.job.fails(giving.effect)

    await giving.job.attempt(giving.effect)

    assert len(giving.job.sent(giving.effect)) == 1
    assert (await giving.job.intent(giving.effect)).read_back
    await giving.check_given_once()


@pytest.mark.parametrize("fault", NOT_EXECUTED)
async def test_what_was_not_given_is_sent_again_under_the_same_key(giving: Giving, fault: str) -> None:
    giving.job.shop.stand_in.fault(fault, method="POST", path=giving.path)
    await giving.job.fails(giving.effect)
    assert (await giving.made(), await giving.mirrored()) == ([], [])

    await giving.job.attempt(giving.effect)

    assert [line["executed"] for line in giving.job.sent(giving.effect)] == [False, True]
    await giving.check_given_once()


@pytest.mark.parametrize("fault", ["drop_before", "error_before", "bad_gateway", "rate_limit"])
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_nothing_is_sent_again_before_stripe_could_be_read(giving: Giving, fault: str) -> None:
    giving.job.shop.stand_in.fault("drop_after", method="POST", path=giving.path)
    giving.job.shop.stand_in.fault(fault, method="GET", path=giving.path)
    await giving.job.fails(giving.effect)
    await giving.job.fails(giving.effect)
    assert len(giving.job.sent(giving.effect)) == 1

    await giving.job.attempt(giving.effect)

    await giving.check_given_once()


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", list(GIVINGS))
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(faults=st.lists(st.sampled_from([*EXECUTED, *NOT_EXECUTED]), max_size=4))
async def test_whatever_goes_wrong_in_whatever_order_it_is_given_once(
    shop: Shop, database: Database, kind: str, faults: list[str]
) -> None:
    giving = await GIVINGS[kind](shop, database)
    for fault in faults:
        shop.stand_in.fault(fault, path=giving.path)

    performed = await giving.job.attempts(giving.effect, len(faults) + 1)

    shop.stand_in.clear_faults()
    assert performed.outcome == "done"
    await giving.check_given_once()
    assert len(await giving.made()) == 1


# --- Killed, and long after -------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
async def test_killed_on_the_way_the_next_attempt_gives_it_once(giving: Giving, after: bool) -> None:
    with pytest.raises(Killed):
        await giving.job.attempt(giving.effect, kinds=dying(giving.effect.kind, after=after))
    assert len(await giving.made()) == int(after)
    assert await giving.mirrored() == []

    await giving.job.attempt(giving.effect)

    assert len(giving.job.sent(giving.effect)) == 1
    assert (await giving.job.intent(giving.effect)).read_back == after
    await giving.check_given_once()


async def test_when_stripe_has_forgotten_the_key_it_is_read_back_and_not_given_again(giving: Giving) -> None:
    giving.job.shop.stand_in.fault("drop_after", method="POST", path=giving.path)
    await giving.job.fails(giving.effect)
    giving.job.shop.stand_in.advance(DAY_AND_HOUR)

    performed = await giving.job.attempt(giving.effect)

    assert performed.outcome == "done"
    assert len(giving.job.sent(giving.effect)) == 1
    await giving.check_given_once()


async def test_when_stripe_has_forgotten_the_key_and_did_nothing_it_is_sent_again(giving: Giving) -> None:
    giving.job.shop.stand_in.fault("drop_before", method="POST", path=giving.path)
    await giving.job.fails(giving.effect)
    giving.job.shop.stand_in.advance(DAY_AND_HOUR)

    await giving.job.attempt(giving.effect)

    assert [line["executed"] for line in giving.job.sent(giving.effect)] == [False, True]
    await giving.check_given_once()


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_it_is_found_however_much_was_given_since(
    giving: Giving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refunds, "PAGE", 2)
    monkeypatch.setattr(credits, "PAGE", 2)
    giving.job.shop.stand_in.fault("drop_after", method="POST", path=giving.path)
    await giving.job.fails(giving.effect)
    small = giving.effect.params | {"amount": 100 if giving.effect.params["amount"] > 0 else -100}
    for number in range(5):
        await giving.job.attempt(giving.another(step=f"later:{number}", params=small).effect)
    giving.job.shop.stand_in.advance(DAY_AND_HOUR)

    performed = await giving.job.attempt(giving.effect)

    assert performed.stripe_id == (await giving.made())[0]["id"]
    assert len(await giving.made()) == 6
    assert len(giving.job.sent(giving.effect)) == 1


@pytest.mark.both_databases
async def test_two_attempts_at_the_same_time_give_it_once(giving: Giving) -> None:
    other = Database(giving.job.database.url)
    zombie = replace(giving.job, database=other)

    outcomes = await asyncio.gather(
        giving.job.attempt(giving.effect), zombie.attempt(giving.effect), return_exceptions=True
    )
    await other.dispose()

    for outcome in outcomes:  # the second may have come while the key was in use
        assert isinstance(outcome, EffectOutcome) or (
            isinstance(outcome, ApplicationError) and not outcome.non_retryable
        )
    assert (await giving.job.attempts(giving.effect, 3)).outcome == "done"
    await giving.check_given_once()
    assert len(await giving.made()) == 1


# --- Somebody else's --------------------------------------------------------------------------------------


async def test_another_operations_look_alike_is_not_taken_for_ours(giving: Giving) -> None:
    theirs = await giving.of_another_operation()
    await theirs.job.attempt(theirs.effect)
    giving.job.shop.stand_in.fault("drop_before", method="POST", path=giving.path)
    await giving.job.fails(giving.effect)

    performed = await giving.job.attempt(giving.effect)

    assert len(await giving.made()) == 2
    one = await giving.check_given_once()
    assert performed.stripe_id == one["id"] != (await theirs.check_given_once())["id"]


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_an_earlier_version_is_not_taken_for_the_one_that_a_person_asked_for_anew(
    shop: Shop, database: Database
) -> None:
    giving = await a_refund(shop, database, card="pm_card_refundFailAtOnce")
    await giving.job.attempt(giving.effect)
    again = giving.another(version=2)
    shop.stand_in.fault("drop_before", method="POST", path=giving.path)
    await again.job.fails(again.effect)

    performed = await again.job.attempt(again.effect)

    assert [one["metadata"]["plixo_effect"][-2:] for one in await giving.made()] == [":1", ":2"]
    assert performed.stripe_id == (await giving.made())[1]["id"]


# --- After a restore --------------------------------------------------------------------------------------


async def restored(giving: Giving) -> None:
    """The records know nothing of what was done since, and Stripe nothing of its keys."""
    async with giving.job.database.transaction() as session:
        for table in (RefundRow, CreditNoteRow, BalanceTransactionRow, OperationObject, Intent):
            await session.exec(delete(table))
        await operations.restored(session, giving.job.operation.id, datetime.now(UTC))
    giving.job.shop.stand_in.advance(DAY_AND_HOUR)


async def test_after_a_restore_what_a_later_try_has_given_is_not_given_again(giving: Giving) -> None:
    """The first one was refused; both were made since the backup."""
    later = giving.another(version=2)
    done = await later.job.attempt(later.effect)
    await restored(giving)

    performed = await giving.job.attempt(giving.effect)

    assert (performed.outcome, performed.stripe_id) == ("done", done.stripe_id)
    assert len(await giving.made()) == 1


async def test_after_a_restore_what_was_given_otherwise_is_not_given_besides(giving: Giving) -> None:
    """It was revised since the backup, and what was asked for at first is approved again."""
    params = giving.effect.params
    less = {name: params[name] * 3 // 4 for name in ("amount", "credit_amount") if name in params}
    revised = giving.another(params=params | less)
    await revised.job.attempt(revised.effect)
    await restored(giving)

    performed = await giving.job.attempt(giving.effect)
    again = await giving.job.attempt(giving.effect)

    assert len(await giving.made()) == 1
    assert performed.problem is not None
    assert (performed.outcome, performed.problem.code) == ("refused", "given_otherwise")
    assert again == performed
