"""Invoices that are voided or written off: once, whatever happens on the way, and only by our own doing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from activities.stripe import events_of_requests
from billing.core.operations import Problem
from billing.stripe.effects import Effect, EffectKind
from db.core.session import Database
from db.tables import Invoice

from ...support import money
from ...support.shop import Shop
from .effecting import Job, Killed, a_job, dying
from .test_faults import EXECUTED, NOT_EXECUTED

DAY_AND_HOUR = 25 * 3600
"""Stripe forgets idempotency keys after a day."""


@dataclass(frozen=True)
class Ending:
    """An open invoice that is about to end; in the Dashboard somebody may do the same."""

    job: Job
    effect: Effect
    status: str
    elsewhere: Callable[[], Awaitable[object]]

    async def check_ended_once(self) -> None:
        """Stripe has ended it once, and so do our records say."""
        invoice = await self.job.shop.client.v1.invoices.retrieve_async(self.effect.target)
        assert invoice.status == self.status
        assert [line["executed"] for line in self.job.sent(self.effect)].count(True) == 1
        intent = await self.job.intent(self.effect)
        assert (intent.state, intent.stripe_id) == ("done", self.effect.target)
        assert (intent.result or {})["status"] == self.status
        assert [event.code for event in await self.job.events()] == ["asked_of_stripe", "changed_in_stripe"]
        async with self.job.database.reading() as session:
            row = await session.get(Invoice, self.effect.target)
        assert row is not None
        assert (row.status, row.organization_id) == (self.status, self.job.tenant.id)


@pytest.fixture(params=["invoice.void", "invoice.mark_uncollectible"])
async def ending(request: pytest.FixtureRequest, shop: Shop, database: Database) -> Ending:
    kind: EffectKind = request.param
    job = await a_job(shop, database)
    invoice = await money.invoice(shop, await money.customer(shop, job.tenant), 5000)
    v1 = shop.client.v1.invoices
    end, status = (
        (v1.void_invoice_async, "void")
        if kind == "invoice.void"
        else (v1.mark_uncollectible_async, "uncollectible")
    )
    return Ending(job, job.effect(kind, invoice, step="waiver"), status, lambda: end(invoice))


async def test_it_is_done_and_closed_with_its_mirror_and_its_event(ending: Ending) -> None:
    done = await ending.job.attempt(ending.effect)
    assert (done.outcome, done.stripe_id) == ("done", ending.effect.target)
    assert not (await ending.job.intent(ending.effect)).read_back
    await ending.check_ended_once()


@pytest.mark.parametrize("fault", EXECUTED)
async def test_one_whose_answer_was_lost_is_read_back(ending: Ending, fault: str) -> None:
    ending.job.shop.stand_in.fault(fault, method="POST", path=ending.effect.target)
    await ending.job.fails(ending.effect)
    await ending.job.attempt(ending.effect)
    assert (await ending.job.intent(ending.effect)).read_back
    await ending.check_ended_once()


@pytest.mark.parametrize("fault", NOT_EXECUTED)
async def test_what_was_not_executed_is_sent_again_under_the_same_key(ending: Ending, fault: str) -> None:
    ending.job.shop.stand_in.fault(fault, method="POST", path=ending.effect.target)
    await ending.job.fails(ending.effect)
    await ending.job.attempt(ending.effect)
    assert not (await ending.job.intent(ending.effect)).read_back
    await ending.check_ended_once()


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
async def test_a_worker_that_is_killed_leaves_it_done_once(ending: Ending, after: bool) -> None:
    with pytest.raises(Killed):
        await ending.job.attempt(ending.effect, kinds=dying(ending.effect.kind, after=after))
    await ending.job.attempt(ending.effect)
    assert (await ending.job.intent(ending.effect)).read_back is after
    await ending.check_ended_once()


async def test_one_is_found_again_when_stripe_has_forgotten_its_key(ending: Ending) -> None:
    ending.job.shop.stand_in.fault("drop_after", method="POST", path=ending.effect.target)
    await ending.job.fails(ending.effect)
    ending.job.shop.stand_in.advance(seconds=DAY_AND_HOUR)
    await ending.job.attempt(ending.effect)
    await ending.check_ended_once()


async def test_it_is_looked_for_among_the_events_of_that_minute_however_many_others_there_are(
    ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_of_requests, "PAGE", 1)
    shop = ending.job.shop

    async def others() -> None:
        customer = await money.customer(shop, ending.job.tenant)
        for _ in range(3):
            other = await money.invoice(shop, customer, 100)
            await shop.client.v1.invoices.mark_uncollectible_async(other)
            await shop.client.v1.invoices.void_invoice_async(other)
        shop.stand_in.advance(600)

    await others()
    shop.stand_in.fault("drop_after", method="POST", path=ending.effect.target)
    await ending.job.fails(ending.effect)
    shop.stand_in.advance(600)
    await others()
    before = shop.stand_in.last_request()

    await ending.job.attempt(ending.effect)

    asked = [line for line in shop.stand_in.requests(before) if line["path"] == "/v1/events"]
    assert len(asked) == 1
    await ending.check_ended_once()


@pytest.mark.parametrize("begun", [False, True], ids=["before it was asked for", "after an attempt"])
async def test_what_somebody_else_did_is_not_taken_for_ours(ending: Ending, begun: bool) -> None:
    if begun:
        ending.job.shop.stand_in.fault("drop_before", method="POST", path=ending.effect.target)
        await ending.job.fails(ending.effect)
    await ending.elsewhere()
    refused = await ending.job.attempt(ending.effect)
    assert (refused.outcome, refused.stripe_id) == ("refused", None)
    assert isinstance(refused.problem, Problem)
    assert (await ending.job.intent(ending.effect)).state == "refused"


async def test_a_note_is_written_on_an_invoice_that_has_ended(ending: Ending) -> None:
    await ending.job.attempt(ending.effect)
    noted = ending.job.effect(
        "invoice.note", ending.effect.target, {"metadata": {"plixo_note": money.NOTE}}, step="note"
    )
    ending.job.shop.stand_in.fault("drop_after", method="POST", path=ending.effect.target)
    await ending.job.fails(noted)
    await ending.job.attempt(noted)
    invoice = await ending.job.shop.client.v1.invoices.retrieve_async(ending.effect.target)
    assert (invoice.status, (invoice.metadata or {})["plixo_note"]) == (ending.status, money.NOTE)
