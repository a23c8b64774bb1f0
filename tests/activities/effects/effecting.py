"""A plan change that has come to its step in Stripe: attempts at it, and what they left behind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import stripe
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.effects.perform import StripeEffects
from activities.effects.protocol import EffectResult, StripeEffect
from activities.effects.registry import EFFECTS
from billing.stripe.effects import Effect, EffectKind, EffectOutcome
from db.core import timeline
from db.core.session import Database
from db.mirror import mirror
from db.operations import intents
from db.tables import Intent, Operation, TimelineEvent

from ...support.builders import Tenant, an_operation, store
from ...support.case_rules import case_rules
from ...support.shop import Shop

Kinds = Mapping[EffectKind, StripeEffect]


@dataclass(frozen=True)
class Job:
    """An operation of an organization that is on Starter with six seats since just now."""

    shop: Shop
    database: Database
    tenant: Tenant
    operation: Operation

    # --- acting -------------------------------------------------------------------------------------------

    async def upgrade(self, **fields: Any) -> Effect:
        """To Growth with as many seats, charged at once: 6 × (20 − 10) from the period's first second."""
        item = await self.item()
        params = {
            "items": [{"id": item["id"], "price": self.shop.price["growth", "month"], "quantity": 6}],
            "proration_behavior": "always_invoice",
            "proration_date": item["current_period_start"],
            "payment_behavior": "error_if_incomplete",
        }
        subscription = self.tenant.organization.stripe_subscription
        return self.effect("subscription.update", subscription, params, **fields)

    def effect(
        self, kind: EffectKind, target: str, params: dict[str, Any] | None = None, **fields: Any
    ) -> Effect:
        given = {
            "organization": self.tenant.id,
            "operation": self.operation.id,
            "step": "apply",
            "kind": kind,
            "target": target,
            "params": params or {},
        }
        return Effect.model_validate(given | fields)

    async def attempt(
        self, effect: Effect, *, client: stripe.StripeClient | None = None, kinds: Kinds = EFFECTS
    ) -> EffectOutcome:
        """One attempt, in an activity's context."""
        effects = StripeEffects(client or self.shop.client, self.database, case_rules(), kinds=kinds)
        return await ActivityEnvironment().run(effects.perform_effect, effect)

    async def fails(self, effect: Effect, **how: Any) -> ApplicationError:
        """One attempt, which must ask to be tried again."""
        with pytest.raises(ApplicationError) as failed:
            await self.attempt(effect, **how)
        assert not failed.value.non_retryable
        return failed.value

    async def attempts(self, effect: Effect, most: int) -> EffectOutcome:
        """As many attempts as it takes, as Temporal would make them."""
        for _ in range(most - 1):
            try:
                return await self.attempt(effect)
            except ApplicationError as error:
                if error.non_retryable:
                    raise
        return await self.attempt(effect)

    # --- looking ------------------------------------------------------------------------------------------

    async def subscription(self) -> dict[str, Any]:
        return (await self.shop.subscription(self.tenant)).to_dict()

    async def item(self) -> dict[str, Any]:
        item: dict[str, Any] = (await self.subscription())["items"]["data"][0]
        return item

    async def charges(self) -> list[tuple[int, str | None]]:
        """Total and status of the invoices that changes of the subscription caused."""
        return [
            (invoice.total, invoice.status)
            for invoice in await self.shop.invoices(self.tenant)
            if invoice.billing_reason == "subscription_update"
        ]

    def sent(self, effect: Effect) -> list[dict[str, Any]]:
        """What was sent under the effect's key, as the stand-in logged it."""
        return [line for line in self.shop.stand_in.requests() if line["idempotency_key"] == effect.key]

    def seen(self) -> int:
        """The number of the log's last line."""
        return int(self.shop.stand_in.requests()[-1]["seq"])

    async def intent(self, effect: Effect) -> Intent:
        async with self.database.reading() as session:
            found = await session.get(Intent, effect.key)
        assert found is not None
        return found

    async def events(self) -> list[TimelineEvent]:
        async with self.database.reading() as session:
            return await timeline.read(session, self.operation.id)

    async def mirrored(self) -> tuple[str, int]:
        """Plan and seats, as our mirror of the subscription has them."""
        async with self.database.reading() as session:
            document = (await mirror.organization(session, self.tenant.id)).subscription
        assert document is not None
        return document["plan"], document["seats"]

    # --- judging ------------------------------------------------------------------------------------------

    async def check_upgraded_once(self, effect: Effect) -> None:
        """Stripe has the upgrade once, and so do our records."""
        item = await self.item()
        assert (item["price"]["id"], item["quantity"]) == (self.shop.price["growth", "month"], 6)
        assert await self.charges() == [(6000, "paid")]
        assert [line["executed"] for line in self.sent(effect)].count(True) == 1
        intent = await self.intent(effect)
        assert (intent.state, intent.stripe_id) == (intents.DONE, effect.target)
        assert [event.code for event in await self.events()] == ["asked_of_stripe", "changed_in_stripe"]
        assert await self.mirrored() == ("growth", 6)

    async def check_untouched(self) -> None:
        """Neither Stripe nor our mirror has anything of the upgrade."""
        item = await self.item()
        assert (item["price"]["id"], item["quantity"]) == (self.shop.price["starter", "month"], 6)
        assert await self.charges() == []
        assert "plixo_effect" not in (await self.subscription())["metadata"]
        assert await self.mirrored() == ("starter", 6)


async def a_job(shop: Shop, database: Database, **subscribed: Any) -> Job:
    tenant = await shop.tenant(database, **subscribed)
    operation = an_operation(tenant)
    await store(database, operation)
    return Job(shop, database, tenant, operation)


class Killed(Exception):
    """Stands for the end of the worker's process: what was in memory is gone."""


@dataclass(frozen=True)
class Dying:
    """A kind of effect in a worker that is killed just before its call, or just after."""

    kind: StripeEffect
    after: bool

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        if self.after:
            await self.kind.call(client, effect)
        raise Killed

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        return await self.kind.read_back(client, effect)


def dying(kind: EffectKind, *, after: bool) -> Kinds:
    return {kind: Dying(EFFECTS[kind], after)}
