"""Effects on Stripe: at most once, never unknown, whatever happens to the worker in between."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest
import stripe
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.exceptions import ApplicationError

from activities.effects.protocol import EffectResult
from activities.effects.registry import EFFECTS
from activities.effects.subscriptions import SubscriptionUpdate
from activities.mirror.objects.snapshot import Owner
from activities.mirror.objects.subscription import SubscriptionSnapshot
from billing.core.events import EventCode
from billing.core.operations import SYSTEM
from billing.stripe.effects import Effect, EffectBegins, EffectOutcome
from db.cases.cases import CaseRules
from db.core.session import Database
from db.mirror import mirror
from db.operations import operations
from db.tables import Organization

from .effecting import Job, Killed, dying

DAY_AND_HOUR = 25 * 3600
"""Stripe forgets idempotency keys after a day."""


# --- Done -------------------------------------------------------------------------------------------------


async def test_its_operation_says_what_it_begins_once_and_before_stripe_is_asked(job: Job) -> None:
    begins = EffectBegins(event=EventCode.APPLYING, stage="applying")
    effect = (await job.upgrade()).model_copy(update={"begins": begins})

    with pytest.raises(Killed):
        await job.attempt(effect, kinds=dying(effect.kind, after=False))
    async with job.database.reading() as session:
        operation = await operations.get_fresh(session, job.operation.id)
    assert (operation.state, operation.stage, operation.allowed_actions) == ("running", "applying", [])
    await job.attempt(effect)

    told = [event.code for event in await job.events()]
    assert told == ["applying", "asked_of_stripe", "changed_in_stripe"]


async def test_an_effect_is_done_and_closed_with_its_mirror_and_its_event(job: Job) -> None:
    effect = await job.upgrade()

    performed = await job.attempt(effect)

    [sent] = job.sent(effect)
    assert performed == EffectOutcome(
        outcome="done",
        key=effect.key,
        stripe_id=effect.target,
        request_id=sent["request_id"],
        detail=performed.detail,
    )
    assert performed.detail["status"] == "active"
    intent = await job.intent(effect)
    assert (intent.attempts, intent.read_back, intent.stripe_request_id) == (1, False, sent["request_id"])
    assert (intent.effect, intent.step, intent.version) == ("subscription.update", "apply", 1)
    asked, event = await job.events()
    assert (asked.key, asked.code, asked.actor) == ("asked:apply:1", "asked_of_stripe", SYSTEM)
    assert list(asked.records) == list(event.records) == [f"intents/{effect.key}"]
    assert (event.key, event.code, event.actor) == ("effect:apply:1", "changed_in_stripe", SYSTEM)
    assert event.detail == {
        "step": "apply",
        "kind": "subscription.update",
        "object": effect.target,
        "idempotency_key": f"{job.tenant.id}:{job.operation.id}:apply:1",
        "stripe_request": sent["request_id"],
        "read_back": False,
    }
    await job.check_upgraded_once(effect)


async def test_what_was_changed_bears_the_operation_and_the_effect(job: Job) -> None:
    effect = await job.upgrade()
    await job.attempt(effect)

    assert (await job.subscription())["metadata"] == {
        "plixo_operation": job.operation.id,
        "plixo_effect": effect.key,
    }


async def test_a_closed_effect_is_answered_without_asking_stripe(job: Job) -> None:
    effect = await job.upgrade()
    first = await job.attempt(effect)
    seen = job.seen()

    assert await job.attempt(effect) == first
    assert job.shop.stand_in.requests(seen) == []
    assert (await job.intent(effect)).attempts == 1


async def test_two_attempts_at_the_same_time_have_one_effect(job: Job) -> None:
    """An attempt that Temporal gave up may still be running when the next one starts."""
    effect = await job.upgrade()
    other = Database(job.database.url)
    zombie = replace(job, database=other)

    outcomes = await asyncio.gather(job.attempt(effect), zombie.attempt(effect), return_exceptions=True)
    await other.dispose()

    for outcome in outcomes:  # the second may have come while the key was in use
        assert isinstance(outcome, EffectOutcome) or (
            isinstance(outcome, ApplicationError) and not outcome.non_retryable
        )
    assert (await job.attempts(effect, 3)).outcome == "done"
    await job.check_upgraded_once(effect)


# --- Killed -----------------------------------------------------------------------------------------------


async def test_killed_before_the_call_the_next_attempt_reads_back_and_calls_once(job: Job) -> None:
    effect = await job.upgrade()
    with pytest.raises(Killed):
        await job.attempt(effect, kinds=dying(effect.kind, after=False))
    await job.check_untouched()
    seen = job.seen()

    performed = await job.attempt(effect)

    path = f"/v1/subscriptions/{effect.target}"
    requests = job.shop.stand_in.requests(seen)
    assert [(line["method"], line["path"]) for line in requests] == [("GET", path), ("POST", path)]
    assert (performed.outcome, (await job.intent(effect)).attempts) == ("done", 2)
    await job.check_upgraded_once(effect)


async def test_killed_after_the_call_the_next_attempt_reads_back_and_calls_no_more(job: Job) -> None:
    effect = await job.upgrade()
    with pytest.raises(Killed):
        await job.attempt(effect, kinds=dying(effect.kind, after=True))
    assert (await job.intent(effect)).state == "open"

    performed = await job.attempt(effect)

    assert (performed.outcome, performed.stripe_id) == ("done", effect.target)
    assert len(job.sent(effect)) == 1
    [_, event] = await job.events()
    assert (event.detail["read_back"], (await job.intent(effect)).read_back) == (True, True)
    await job.check_upgraded_once(effect)


class UnwritableSnapshot(SubscriptionSnapshot):
    async def store(self, session: AsyncSession, rules: CaseRules, owner: Owner, read_at: datetime) -> None:
        held = (await session.get_one(Organization, owner.organization)).subscription
        document = {**(held or {}), "unwritable": object()}
        await mirror.store_subscription(session, rules, owner.organization, document, synced_at=read_at)


class Unwritable(SubscriptionUpdate):
    """Its mirror document can't be stored: the closing transaction fails, on PostgreSQL with its last
    statement."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        return replace(await super().call(client, effect), snapshot=UnwritableSnapshot({}))


async def test_intent_mirror_and_event_are_written_together_or_not_at_all(job: Job) -> None:
    effect = await job.upgrade()
    with pytest.raises(Exception, match="not JSON serializable"):
        await job.attempt(effect, kinds={effect.kind: Unwritable()})
    assert (await job.intent(effect)).state == "open"
    assert [event.code for event in await job.events()] == ["asked_of_stripe"]
    assert await job.mirrored() == ("starter", 6)

    await job.attempt(effect)

    await job.check_upgraded_once(effect)


# --- Long after -------------------------------------------------------------------------------------------


async def test_when_stripe_has_forgotten_the_key_it_is_read_back_and_not_repeated(job: Job) -> None:
    effect = await job.upgrade()
    job.shop.stand_in.fault("drop_after", method="POST", path=effect.target)
    await job.fails(effect)
    job.shop.stand_in.advance(DAY_AND_HOUR)

    performed = await job.attempt(effect)

    assert performed.outcome == "done"
    assert len(job.sent(effect)) == 1
    await job.check_upgraded_once(effect)


async def test_when_stripe_has_forgotten_the_key_and_did_nothing_it_is_sent_again(job: Job) -> None:
    effect = await job.upgrade()
    job.shop.stand_in.fault("drop_before", method="POST", path=effect.target)
    await job.fails(effect)
    job.shop.stand_in.advance(DAY_AND_HOUR)

    await job.attempt(effect)

    assert [line["executed"] for line in job.sent(effect)] == [False, True]
    await job.check_upgraded_once(effect)


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


async def test_a_refusal_that_speaks_of_our_own_first_use_is_no_refusal(job: Job) -> None:
    effect = job.effect("schedule.create", job.tenant.organization.stripe_subscription)
    with pytest.raises(Killed):
        await job.attempt(effect, kinds=dying(effect.kind, after=True))
    job.shop.stand_in.advance(DAY_AND_HOUR)

    performed = await job.attempt(effect, kinds={effect.kind: Blind()})

    assert [line["status"] for line in job.sent(effect)] == [200, 400]
    assert (performed.outcome, performed.stripe_id) == ("done", (await job.subscription())["schedule"])
    assert (await job.intent(effect)).read_back


# --- What the mirror cannot show --------------------------------------------------------------------------


async def test_an_effect_on_a_subscription_that_is_no_plan_is_closed_all_the_same(job: Job) -> None:
    """Somebody has added a second item in Stripe: our mirror can't show it, the effect is there."""
    effect = await job.upgrade()
    items: Any = {"items": [{"price": job.shop.price["scale", "month"], "quantity": 1}]}
    await job.shop.client.v1.subscriptions.update_async(effect.target, items)

    performed = await job.attempt(effect)

    assert (performed.outcome, (await job.intent(effect)).state) == ("done", "done")
    assert await job.mirrored() == ("starter", 6)
