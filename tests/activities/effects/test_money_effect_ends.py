"""Money back that Stripe refuses, that is taken back or noted on, and that is asked for twice at once."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
import stripe

from activities.effects.protocol import EffectResult
from activities.effects.registry import EFFECTS
from billing.core.operations import Problem
from billing.stripe.effects import Effect
from db.core.session import Database

from ...support.shop import Shop
from ..giving_back import GIVINGS, Giving, a_refund, payment_row, refund_of
from .effecting import Killed, dying

DAY_AND_HOUR = 25 * 3600
"""Stripe forgets idempotency keys after a day."""


# --- Refused ----------------------------------------------------------------------------------------------


async def test_more_than_is_left_is_refused_and_nothing_is_given(shop: Shop, database: Database) -> None:
    giving = await a_refund(shop, database, amount=5001)

    refused = await giving.job.attempt(giving.effect)

    assert refused.outcome == "refused"
    assert refused.problem == Problem(
        code="stripe_refused",
        message="Refund amount ($50.01) is greater than unrefunded amount on charge ($50.00)",
    )
    assert (await giving.made(), await giving.mirrored()) == ([], [])
    [_, event] = await giving.job.events()
    assert (event.code, event.detail["code"]) == ("refused_by_stripe", "stripe_refused")


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("card", "refunded", "code"),
    [
        ("pm_card_visa", 5000, "charge_already_refunded"),
        ("pm_card_createDispute", 0, "charge_disputed"),
    ],
)
async def test_stripes_own_reason_is_kept(
    shop: Shop, database: Database, card: str, refunded: int, code: str
) -> None:
    giving = await a_refund(shop, database, card=card)
    if refunded:
        await shop.client.v1.refunds.create_async({"payment_intent": giving.effect.target})

    refused = await giving.job.attempt(giving.effect)

    assert refused.problem is not None
    assert (refused.outcome, refused.problem.code, refused.declined) == ("refused", code, False)
    assert await giving.ours() == []


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", ["credit note", "balance"])
async def test_a_credit_that_does_not_fit_is_refused(shop: Shop, database: Database, kind: str) -> None:
    giving = await GIVINGS[kind](shop, database)
    given: Any = {"balance": {"currency": "eur"}, "credit note": {"amount": 5001}}[kind]
    first: Any = {"amount": -1, "currency": "usd"}
    if kind == "balance":
        await shop.client.v1.customers.balance_transactions.create_async(giving.effect.target, first)
    wrong = giving.another(params=giving.effect.params | given)

    refused = await wrong.job.attempt(wrong.effect)

    assert refused.outcome == "refused"
    assert await wrong.ours() == []


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_what_is_not_there_any_more_is_refused_not_tried_for_ever(giving: Giving) -> None:
    gone = giving.another(
        target=f"{giving.effect.target[:3]}none",
        params=giving.effect.params
        | {name: "none" for name in ("charge", "invoice") if name in giving.effect.params},
    )
    with pytest.raises(Killed):
        await gone.job.attempt(gone.effect, kinds=dying(gone.effect.kind, after=False))

    refused = await gone.job.attempt(gone.effect)

    assert refused.problem is not None
    assert (refused.outcome, refused.problem.code) == ("refused", "resource_missing")


@dataclass
class Blind:
    """A kind of effect whose first reading was just too early."""

    looked: bool = False

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        return await EFFECTS[effect.kind].call(client, effect)

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        if not self.looked:
            self.looked = True
            return None
        return await EFFECTS[effect.kind].read_back(client, effect)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_a_refusal_because_of_our_own_first_refund_is_none(shop: Shop, database: Database) -> None:
    giving = await a_refund(shop, database, amount=5000)
    with pytest.raises(Killed):
        await giving.job.attempt(giving.effect, kinds=dying(giving.effect.kind, after=True))
    shop.stand_in.advance(DAY_AND_HOUR)

    await giving.job.attempt(giving.effect, kinds={giving.effect.kind: Blind()})

    assert [line["status"] for line in giving.job.sent(giving.effect)] == [200, 400]
    await giving.check_given_once()


# --- Taken back -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", [None, "drop_before", "drop_after", "error_after"])
async def test_a_refund_that_waits_for_the_customer_is_taken_back_once(
    shop: Shop, database: Database, fault: str | None
) -> None:
    giving = await a_refund(shop, database, card="pm_card_refundRequiresAction")
    refund = (await giving.job.attempt(giving.effect)).stripe_id
    assert refund is not None
    cancel = giving.job.effect("refund.cancel", refund, {}, step="cancel:0")
    if fault:
        shop.stand_in.fault(fault, method="POST", path=f"{refund}/cancel$")
        await giving.job.fails(cancel)

    performed = await giving.job.attempt(cancel)

    assert (performed.outcome, performed.detail["status"]) == ("done", "canceled")
    assert [line["executed"] for line in giving.job.sent(cancel)].count(True) == 1
    [row] = await giving.mirrored()
    assert row.status == "canceled"
    assert (await payment_row(database, giving.effect.target)).amount_refunded == 0


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_a_refund_that_came_through_cannot_be_taken_back(shop: Shop, database: Database) -> None:
    giving = await a_refund(shop, database)
    refund = (await giving.job.attempt(giving.effect)).stripe_id
    assert refund is not None

    refused = await giving.job.attempt(giving.job.effect("refund.cancel", refund, {}, step="cancel:0"))

    assert (refused.outcome, (await giving.mirrored())[0].status) == ("refused", "succeeded")


# --- Notes ------------------------------------------------------------------------------------------------

SECOND = {"plixo_note_2": "Agreed with Finance.", "plixo_note_2_by": "per_2 2026-04-02T00:00:00Z"}


async def note_on(giving: Giving) -> Effect:
    """One more note on what the effect made."""
    performed = await giving.job.attempt(giving.effect)
    kind: Any = giving.effect.kind.replace(".create", ".note")
    target = str(performed.stripe_id)
    if kind == "balance.note":
        target = f"{giving.effect.target}/{target}"
    return giving.job.effect(kind, target, {"metadata": SECOND}, step="note:2")


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", [None, "drop_before", "drop_after", "error_after"])
async def test_a_note_is_added_to_those_that_are_there_and_the_mark_stays(
    giving: Giving, fault: str | None
) -> None:
    note = await note_on(giving)
    [before] = await giving.ours()
    if fault:
        giving.job.shop.stand_in.fault(fault, method="POST", path=f"{before['id']}$")
        await giving.job.fails(note)
        giving.job.shop.stand_in.advance(DAY_AND_HOUR)

    performed = await giving.job.attempt(note)

    assert (performed.outcome, performed.stripe_id) == ("done", before["id"])
    [after] = await giving.ours()
    assert after["metadata"] == before["metadata"] | SECOND
    assert [line["executed"] for line in giving.job.sent(note)].count(True) == 1


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_another_text_under_the_same_key_is_not_taken_for_the_note(giving: Giving) -> None:
    note = await note_on(giving)
    [made] = await giving.ours()
    giving.job.shop.stand_in.fault("drop_before", method="POST", path=f"{made['id']}$")
    await giving.job.fails(note)
    other: Any = {"metadata": {"plixo_note_2": "Something else."}}
    v1 = giving.job.shop.client.v1
    match note.kind:
        case "refund.note":
            await v1.refunds.update_async(made["id"], other)
        case "credit_note.note":
            await v1.credit_notes.update_async(made["id"], other)
        case _:
            await v1.customers.balance_transactions.update_async(made["customer"], made["id"], other)

    await giving.job.attempt(note)

    [after] = await giving.ours()
    assert after["metadata"]["plixo_note_2"] == SECOND["plixo_note_2"]
    assert not (await giving.job.intent(note)).read_back


# --- Several at once --------------------------------------------------------------------------------------


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_two_refunds_of_a_payment_at_once_never_exceed_it(shop: Shop, database: Database) -> None:
    giving = await a_refund(shop, database, amount=3000)
    other = await refund_of(giving.job, giving.effect.target, 3000, step="refund:1")

    # The charge is locked while one is made: the other may have to try again.
    outcomes = await asyncio.gather(
        giving.job.attempts(giving.effect, 5), other.job.attempts(other.effect, 5)
    )

    assert sorted(outcome.outcome for outcome in outcomes) == ["done", "refused"]
    assert [one["amount"] for one in await giving.made()] == [3000]
