"""Cancellations under fire: now, planned for the end of the period, and taken back."""

from collections.abc import Sequence
from typing import ClassVar

from ..support import cancellations
from ..support.builders import Tenant
from ..support.house import House
from .plan import Step, commit, request
from .records import approve, check_records, until_state

SUBSCRIPTION = "/v1/subscriptions/sub_[^/]+"
PREVIEW = "/v1/invoices/create_preview"

INTENT = commit("the intent", "^intent$")
EFFECT = commit("the effect", "^effect:cancel:1$")
REVIEWED: Sequence[Step] = (
    request("the read of the subscription", "GET", SUBSCRIPTION),
    request("the preview", "POST", PREVIEW),
    commit("the check", "^checked:1$"),
    commit("the opened approval", ":opened$"),
    request("the re-check", "GET", SUBSCRIPTION, 2),
    INTENT,
)
ENDED = commit("the end", "^ended$")


class CancelNow:
    """The plan ends at once, with a credit."""

    call = request("the end", "DELETE", SUBSCRIPTION)
    steps: Sequence[Step] = (
        *REVIEWED,
        call,
        EFFECT,
        request("the look at the subscription", "GET", SUBSCRIPTION, 3),
        request("the look at the last invoice", "GET", "/v1/invoices/in_[^/]+"),
        request("the note", "POST", SUBSCRIPTION),
        ENDED,
    )
    calls: Sequence[str] = ("POST /v1/cancellations$", "/decision$")
    action: ClassVar[str] = "now"
    method: ClassVar[str] = "DELETE"
    status: ClassVar[str] = "canceled"

    async def prepare(self, home: House) -> None:
        self.acme: Tenant = await home.shop.tenant(home.database, "growth", seats=6)
        self.since = home.stand_in.last_request()

    async def act(self, home: House) -> None:
        self.operation = await cancellations.cancel(home, self.acme, self.action)
        await approve(home, self.acme.controller, self.operation)
        await self.until_done(home)

    async def until_done(self, home: House) -> None:
        row = await until_state(home, self.operation, "completed", "failed", "mismatched")
        assert row.state == "completed", row.error

    async def check(self, home: House) -> None:
        path = f"/v1/subscriptions/{self.acme.organization.stripe_subscription}"
        made = [
            line for line in home.shop.changes(self.since) if line["path"] == path and not line["replayed"]
        ]
        assert [line["method"] for line in made] == [self.method, "POST"]  # the second is its note
        found = await home.shop.subscription(self.acme)
        assert (found.status, found.metadata["plixo_note"][: len(cancellations.NOTE)]) == (
            self.status,
            cancellations.NOTE,
        )
        await check_records(home, self.operation, ["cancel:1", "keep-note:1"], decisions=1)


class PlanTheEnd(CancelNow):
    """The plan is set to end with its period."""

    call = request("the change", "POST", SUBSCRIPTION)
    steps: Sequence[Step] = (
        *REVIEWED,
        call,
        EFFECT,
        request("the look at the subscription", "GET", SUBSCRIPTION, 3),
        request("the note", "POST", SUBSCRIPTION, 2),
        commit("the wait", "^planned$"),
    )
    action = "at_period_end"
    method = "POST"
    status = "active"

    async def until_done(self, home: House) -> None:
        row = await until_state(home, self.operation, "running", "failed", "mismatched", stage="ending")
        assert row.state == "running", row.error


class TakeItBack(PlanTheEnd):
    """A plan that was set to end in Stripe goes on."""

    steps: Sequence[Step] = (*PlanTheEnd.steps[:-1], ENDED)
    action = "take_back"

    async def prepare(self, home: House) -> None:
        await super().prepare(home)
        await home.shop.client.v1.subscriptions.update_async(
            self.acme.organization.stripe_subscription, {"cancel_at_period_end": True}
        )
        self.since = home.stand_in.last_request()

    async def until_done(self, home: House) -> None:
        await CancelNow.until_done(self, home)
        assert (await home.shop.subscription(self.acme)).cancel_at is None
