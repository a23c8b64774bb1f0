"""A change that waits for its payment is seen to have been asked for, however it stands by then."""

import pytest

from billing.stripe.effects import Effect
from db.mirror import bills
from db.operations import intents

from .effecting import Job, Killed, dying

CARD = "pm_card_authenticationRequired"
HOUR = 3600


async def _upgrade(job: Job) -> Effect:
    await job.shop.use_card(job.tenant, CARD)
    effect = await job.upgrade()
    return effect.model_copy(update={"params": effect.params | {"payment_behavior": "pending_if_incomplete"}})


async def _is_asked_once(job: Job, effect: Effect, invoice: str) -> None:
    assert [line["executed"] for line in job.sent(effect)].count(True) == 1
    assert await job.charges() == [(6000, invoice)]
    intent = await job.intent(effect)
    assert (intent.state, intent.stripe_id) == (intents.DONE, effect.target)


async def test_it_is_done_once_stripe_keeps_it(job: Job) -> None:
    effect = await _upgrade(job)
    outcome = await job.attempt(effect)
    pending = (await job.subscription())["pending_update"]
    assert outcome.detail["pending_until"] == pending["expires_at"]
    assert pending["metadata"]["plixo_effect"] == effect.key
    await _is_asked_once(job, effect, "open")
    assert await job.mirrored() == ("starter", 6)


@pytest.mark.parametrize("fault", ["drop_after", "error_after"])
async def test_one_whose_answer_was_lost_is_read_back_while_it_waits(job: Job, fault: str) -> None:
    effect = await _upgrade(job)
    job.shop.stand_in.fault(fault, method="POST", path=effect.target)
    await job.fails(effect)
    outcome = await job.attempt(effect)
    assert (await job.intent(effect)).read_back
    assert outcome.detail["latest_invoice"] is None
    await _is_asked_once(job, effect, "open")


async def test_one_that_was_paid_meanwhile_is_read_back_as_applied(job: Job) -> None:
    effect = await _upgrade(job)
    with pytest.raises(Killed):
        await job.attempt(effect, kinds=dying("subscription.update", after=True))
    [invoice] = [one for one in await job.shop.invoices(job.tenant) if one.status == "open"]
    card = await job.shop.client.v1.payment_methods.attach_async(
        "pm_card_visa", {"customer": job.tenant.organization.stripe_customer}
    )
    await job.shop.client.v1.invoices.pay_async(str(invoice.id), {"payment_method": card.id})
    await job.attempt(effect)
    await _is_asked_once(job, effect, "paid")
    assert await job.mirrored() == ("growth", 6)


@pytest.mark.parametrize("hours", [24, 48])
async def test_one_that_stripe_has_dropped_meanwhile_is_not_asked_for_again(job: Job, hours: int) -> None:
    """Nothing of it is on the subscription any more, and the key may be forgotten."""
    effect = await _upgrade(job)
    with pytest.raises(Killed):
        await job.attempt(effect, kinds=dying("subscription.update", after=True))
    job.shop.stand_in.advance(hours * HOUR)
    outcome = await job.attempt(effect)
    assert (await job.intent(effect)).read_back
    [invoice] = [one for one in await job.shop.invoices(job.tenant) if one.status == "void"]
    assert outcome.detail["latest_invoice"] == invoice.id
    assert "pending_until" in outcome.detail
    await _is_asked_once(job, effect, "void")
    assert await job.mirrored() == ("starter", 6)


async def test_it_is_read_back_without_reading_what_the_account_has_done_since(job: Job) -> None:
    """An account's events of some days are many pages."""
    effect = await _upgrade(job)
    with pytest.raises(Killed):
        await job.attempt(effect, kinds=dying("subscription.update", after=True))
    job.shop.stand_in.advance(24 * HOUR)
    subscription = job.tenant.organization.stripe_subscription
    for number in range(201):
        await job.shop.client.v1.subscriptions.update_async(
            subscription, {"description": f"The {number}th of many."}
        )
    since = len(job.shop.stand_in.requests())
    await job.attempt(effect)
    assert (await job.intent(effect)).read_back
    asked = [one["path"] for one in job.shop.stand_in.requests()[since:]]
    assert asked.count("/v1/events") <= 2, asked


async def test_its_invoice_is_voided_once_and_mirrored_as_the_organizations_own(job: Job) -> None:
    applied = await job.attempt(await _upgrade(job))
    invoice = applied.detail["latest_invoice"]
    effect = job.effect("bill.void", invoice, step="void")
    with pytest.raises(Killed):
        await job.attempt(effect, kinds=dying("bill.void", after=True))
    await job.attempt(effect)
    assert (await job.intent(effect)).read_back
    assert [line["executed"] for line in job.sent(effect)] == [True]
    async with job.database.reading() as session:
        row = await bills.invoice(session, job.tenant.id, invoice)
    assert row is not None
    assert row.status == "void"
    assert (await job.subscription())["pending_update"] is None
