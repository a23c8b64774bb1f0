"""Effects on Stripe: at most once, never unknown.

    write the intent ── call with its key ── close the intent, with the timeline event, in one transaction
            │                  │
            │                  └ outcome unknown: the attempt fails, the next one finds the intent open
            └ intent already open: read back; done → close, not done → call again with the same key

A worker can be killed between any two of these steps; the next attempt goes on from the intent's row.
"""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import stripe
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError

from billing.core.events import EventCode
from billing.core.operations import SYSTEM, Problem, State
from billing.operations.messages import Progress
from billing.operations.standing import NOTES, SettleBegun
from billing.stripe.effect_limits import LIMITS, until_free
from billing.stripe.effects import Effect, EffectKind, EffectOutcome
from db.approvals import approvals
from db.cases import money_cases
from db.cases.cases import CaseRules
from db.core import timeline
from db.core.clock import Clock, utc_now
from db.core.pending import is_taken
from db.core.session import Database
from db.operations import intents, operations
from db.tables import Intent

from ..mirror.objects.snapshot import Owner
from ..operations.abandonment import must_be_open
from ..operations.records import write
from ..operations.replacement import take_place
from ..stripe.failures import JITTER, Failure, translate
from .protocol import EffectResult, MadeOtherwise, StripeEffect
from .registry import EFFECTS


class StripeEffects:
    """Does one thing to Stripe, exactly once, and says how it ended."""

    def __init__(
        self,
        client: stripe.StripeClient,
        database: Database,
        rules: CaseRules,
        clock: Clock = utc_now,
        kinds: Mapping[EffectKind, StripeEffect] = EFFECTS,
    ) -> None:
        self._client = client
        self._database = database
        self._rules = rules
        self._clock = clock
        self._kinds = kinds

    @activity.defn
    async def perform_effect(self, effect: Effect) -> EffectOutcome:
        """Performs the effect, or learns that an earlier attempt did.

        A definite refusal is a result, not an error; anything else that went wrong raises, to be tried again.
        Other parameters than those of an earlier attempt are final: ApplicationError `intent_changed`.
        """
        intent, fresh = await self._open(effect)
        if intent.state != intents.OPEN:
            return _as_closed(intent)
        kind = self._kinds[effect.kind]
        try:
            if not fresh:
                asked_at = self._clock()
                found = await self._read_back(kind, effect)
                if found is not None:
                    return await self._close_done(effect, found, asked_at, read_back=True)
            return await self._call(kind, effect, fresh)
        except MadeOtherwise as other:
            return await self._close_refused(effect, _given_otherwise(other))

    @activity.defn
    async def settle_effect(self, order: SettleBegun) -> EffectOutcome:
        """Brings an effect to its end that an earlier run of the workflow began, as it was begun then."""
        async with self._database.reading() as session:
            found = await intents.of_operation(session, order.operation)
        [intent] = [one for one in found if (one.step, one.version) == (order.step, order.version)]
        if intent.state != intents.OPEN:
            return _as_closed(intent)
        return await self.perform_effect(
            Effect.model_validate(
                {
                    "organization": intent.organization_id,
                    "operation": intent.operation_id,
                    "step": intent.step,
                    "kind": intent.effect,
                    "target": intent.target,
                    "params": intent.params,
                    "version": intent.version,
                }
            )
        )

    async def _open(self, effect: Effect) -> tuple[Intent, bool]:
        """The intent, and whether nothing can have been sent for it yet."""
        # What an operation begins is held against its timeline; notes of what has ended need no open one.
        alone = effect.replaces is None and not effect.kind.endswith(NOTES)
        try:
            if alone:
                opened = await self._database.held(partial(self._begun, effect))
            else:
                async with self._database.transaction() as session:
                    opened = await self._begun(effect, session)
        except IntegrityError as error:
            if not is_taken(error, Intent):
                raise
            raise ApplicationError("Another attempt begins it just now.", type="begun") from error
        except intents.IntentChanged as error:
            raise ApplicationError(str(error), type="intent_changed", non_retryable=True) from error
        if isinstance(opened, timedelta):
            raise ApplicationError(
                "Stripe accepts no more changes to the same object for now.",
                type="object_limit",
                next_retry_delay=opened * random.uniform(1.0, 1.0 + JITTER),
            )
        return opened

    async def _begun(self, effect: Effect, session: AsyncSession) -> tuple[Intent, bool] | timedelta:
        """Or how long it has to wait: told once, and committed before this attempt ends."""
        now = self._clock()
        wait, begun = await _too_soon(session, effect, now)
        if begun:
            # What has begun is finished in any case.
            return await intents.take_up(session, _intent(effect, now)), False
        if wait is None:
            await _begin(session, effect, now)
            restored = await _check_open(session, effect)
            opened = await self._open_intent(session, effect, now)
            if effect.replaces is not None:
                await take_place(session, effect.replaces, effect.operation, now)
            return opened, not restored
        await timeline.append(
            session,
            effect.operation,
            key=f"postponed:{effect.step}:{effect.version}",
            event=EventCode.POSTPONED,
            actor=SYSTEM,
            at=now,
            detail={"step": effect.step, "until": (now + wait).isoformat(timespec="seconds")},
        )
        return wait

    async def _open_intent(self, session: AsyncSession, effect: Effect, now: datetime) -> Intent:
        """Of two attempts at the same moment one fails here, and is tried again."""
        intent = _intent(effect, now)
        await intents.begin(session, intent)
        detail = {"step": effect.step, "kind": effect.kind, "idempotency_key": effect.key}
        await timeline.append(
            session,
            effect.operation,
            key=f"asked:{effect.step}:{effect.version}",
            event=EventCode.ASKED_OF_STRIPE,
            actor=SYSTEM,
            at=now,
            detail=detail,
        )
        return intent

    async def _read_back(self, kind: StripeEffect, effect: Effect) -> EffectResult | None:
        """Raises MadeOtherwise where the records were restored: elsewhere that is not of our doing."""
        try:
            return await kind.read_back(self._client, effect)
        except MadeOtherwise:
            async with self._database.reading() as session:
                operation = await operations.get_one(session, effect.operation)
            if operation.restored_at is None:
                return None
            raise
        except stripe.StripeError as error:
            failure = translate(error)
            if error.http_status == 404 or failure.problem.code == "resource_missing":
                return None  # what does not exist bears no effect
            raise failure.as_retry() from error

    async def _call(self, kind: StripeEffect, effect: Effect, fresh: bool) -> EffectOutcome:
        asked_at = self._clock()
        try:
            found = await kind.call(self._client, effect)
        except stripe.StripeError as error:
            failure = translate(error)
            if failure.verdict != "refusal":
                raise failure.as_retry() from error
            # A refusal under a key that was used before may speak of that first use: ask Stripe what is.
            # The refusal of a first use speaks for itself, and what is there then is not of our doing.
            asked_at = self._clock()
            earlier = None if fresh else await self._read_back(kind, effect)
            if earlier is not None:
                return await self._close_done(effect, earlier, asked_at, read_back=True)
            return await self._close_refused(effect, failure)
        return await self._close_done(effect, found, asked_at, read_back=False)

    async def _close_done(
        self, effect: Effect, found: EffectResult, asked_at: datetime, *, read_back: bool
    ) -> EffectOutcome:
        now = self._clock()
        async with self._database.transaction() as session:
            intent = await intents.close_done(
                session,
                effect.key,
                at=now,
                stripe_id=found.stripe_id,
                stripe_request_id=found.request_id,
                result=found.detail,
                read_back=read_back,
            )
            if found.snapshot is not None:
                await found.snapshot.store(session, self._rules, Owner(effect.organization), asked_at)
            await money_cases.closed(session, self._rules, intent, now)
            detail = {"step": effect.step, "kind": effect.kind, "object": found.stripe_id}
            await self._tell(session, effect, EventCode.CHANGED_IN_STRIPE, now, detail | _how(intent))
        return _as_closed(intent)

    async def _close_refused(self, effect: Effect, failure: Failure) -> EffectOutcome:
        now = self._clock()
        error = failure.problem.model_dump() | {"declined": failure.declined}
        async with self._database.transaction() as session:
            intent = await intents.close_refused(
                session, effect.key, at=now, error=error, stripe_request_id=failure.request_id
            )
            await money_cases.closed(session, self._rules, intent, now)
            detail = {"step": effect.step, "kind": effect.kind} | failure.problem.model_dump()
            await self._tell(session, effect, EventCode.REFUSED_BY_STRIPE, now, detail | _how(intent))
        return _as_closed(intent)

    async def _tell(
        self, session: Any, effect: Effect, event: EventCode, at: datetime, detail: dict[str, Any]
    ) -> None:
        await timeline.append(
            session,
            effect.operation,
            key=f"effect:{effect.step}:{effect.version}",
            event=event,
            actor=SYSTEM,
            at=at,
            detail=detail,
        )


def _intent(effect: Effect, at: datetime) -> Intent:
    return intents.new(
        organization_id=effect.organization,
        operation_id=effect.operation,
        step=effect.step,
        version=effect.version,
        effect=effect.kind,
        target=effect.target,
        params=effect.params,
        at=at,
    )


async def _too_soon(session: AsyncSession, effect: Effect, now: datetime) -> tuple[timedelta | None, bool]:
    """How long Stripe's limits of one object make it wait; and whether it has begun."""
    limits = LIMITS.get(effect.kind, ())
    most = max((limit.most for limit in limits), default=0)
    newest, begun = await intents.newest(
        session, effect.organization, effect.kind, limit=most, key=effect.key
    )
    return until_free(limits, newest, now) if limits else None, begun


async def _check_open(session: AsyncSession, effect: Effect) -> bool:
    """Nothing is begun for an operation that has ended or on which people still decide, nor can it be ended
    while something is begun. Whether it was restored from a backup: what is begun now may have been done."""
    if effect.kind.endswith(NOTES):
        return False
    operation = await must_be_open(session, effect.operation)
    if await approvals.open_of(session, effect.operation):
        raise ApplicationError("Nobody has approved it yet.", type="in_review", non_retryable=True)
    return operation.restored_at is not None


async def _begin(session: AsyncSession, effect: Effect, at: datetime) -> None:
    """The operation says what it begins."""
    if effect.begins is None:
        return
    progress = Progress(
        operation=effect.operation,
        key=effect.begins.stage,
        event=effect.begins.event,
        at=at,
        state=State.RUNNING,
        stage=effect.begins.stage,
        allowed_actions=(),
    )
    await write(session, progress)


def _given_otherwise(other: MadeOtherwise) -> Failure:
    """Refused by us: what was done since the backup was not what is asked for now."""
    message = (
        f"Stripe already has {other.object} of this operation, with another amount: it was made after the "
        "backup from which the records were restored. Nothing more was done; request what is missing."
    )
    return Failure("refusal", Problem(code="given_otherwise", message=message), sent=False)


def _how(intent: Intent) -> dict[str, Any]:
    return {
        "idempotency_key": intent.idempotency_key,
        "stripe_request": intent.stripe_request_id,
        "read_back": intent.read_back,
    }


def _as_closed(intent: Intent) -> EffectOutcome:
    if intent.state == intents.DONE:
        return EffectOutcome(
            outcome="done",
            key=intent.idempotency_key,
            stripe_id=intent.stripe_id,
            request_id=intent.stripe_request_id,
            detail=intent.result or {},
        )
    error = intent.error or {}
    return EffectOutcome(
        outcome="refused",
        key=intent.idempotency_key,
        request_id=intent.stripe_request_id,
        problem=Problem(code=error["code"], message=error["message"]),
        declined=bool(error.get("declined")),
    )
