"""Refunds under fire: straight through, approved, pending, failing, taken back."""

from collections.abc import Sequence

import stripe

from db.tables import RefundRow

from ..support import builders, money
from ..support.builders import Tenant
from ..support.house import House
from .plan import Step, commit, request
from .records import (
    approve,
    check_commitment,
    check_mirror,
    check_notes,
    check_records,
    deliver,
    executed,
    taken,
    until_state,
)

REFUNDS = "/v1/refunds"
COMMENT = "The customer was paid by bank transfer instead."
SETTLES = 61
"""Seconds of Stripe's until a refund that pends has come through, or one that fails has failed."""

ASK = "POST /v1/refunds$"
"""To our API, as the other `calls` are: where it may die."""

REFUND = "/v1/refunds/re_[^/]+"
PAYMENT = "/v1/payment_intents/pi_[^/]+"

READ_PAYMENT = request("the read of the payment", "GET", PAYMENT)
READ_INVOICE = request("the read of the payment's invoice", "GET", "/v1/invoice_payments")
CREATE = request("the refund", "POST", REFUNDS)
LOOK = request("the look at the refund", "GET", REFUND)
CHECKED = commit("the check", "^checked:1$")
AUTHORITY = commit("the weighing of authority", "^authority:1$")
INTENT = commit("the intent", "^intent$")
EFFECT = commit("the effect", "^effect:refund:0:1$")
COMPLETED = commit("the end", "^completed:0$")

ASKED = (READ_PAYMENT, READ_INVOICE, CHECKED, AUTHORITY)
ISSUED = (INTENT, CREATE, EFFECT, LOOK)
REVIEWED = (
    commit("the opened approval", ":opened$"),
    request("the re-check of the payment", "GET", PAYMENT, 2),
    request("the re-check of the payment's invoice", "GET", "/v1/invoice_payments", 2),
)


class Refund:
    """One that is within the admin's authority and goes straight through."""

    steps: Sequence[Step] = (*ASKED, *ISSUED, COMPLETED)
    calls: Sequence[str] = (ASK,)
    card = "pm_card_visa"
    paid, amount = 80_000, 4_000

    async def prepare(self, home: House) -> None:
        self.acme: Tenant = await builders.tenant(home.database)
        self.customer = await money.customer(home.shop, self.acme)
        self.payment = await money.pay(home.shop, self.customer, self.paid, self.card)
        self.since = home.stand_in.last_request()

    async def act(self, home: House) -> None:
        await self.ask(home)
        await until_state(home, self.operation, "completed")

    async def check(self, home: House) -> None:
        (refund,) = await self.made(home, "succeeded")
        await check_notes(home, self.operation, [money.NOTE], refund.metadata, about=[self.payment])
        await check_records(home, self.operation, ["refund:0:1"])
        await self.check_authority(home)

    async def ask(self, home: House) -> None:
        self.operation = await money.refund(home, self.acme, self.payment, self.amount)

    async def made(self, home: House, *statuses: str) -> list[stripe.Refund]:
        """The refunds, the oldest first: of the right sum and status, each created once."""
        listed = await home.shop.client.v1.refunds.list_async(
            {"payment_intent": self.payment, "expand": ["data.charge"]}
        )
        refunds = listed.data[::-1]
        assert [(one.amount, one.status) for one in refunds] == [(self.amount, s) for s in statuses]
        assert len(executed(home, REFUNDS, self.since)) == len(statuses)
        back = self.amount * sum(status in ("succeeded", "pending") for status in statuses)
        assert all(one.charge.amount_refunded == back for one in refunds)  # type: ignore[union-attr]
        for one in refunds:
            await check_mirror(home, RefundRow, one, status=one.status, operation_id=self.operation)
        return refunds

    async def check_authority(self, home: House, *, released: bool = False) -> None:
        await check_commitment(
            home, self.operation, amount=self.amount, authority_of=self.acme.admin.id, released=released
        )

    async def time_passes(self, home: House) -> None:
        """At Stripe, which then tells of the refund."""
        home.stand_in.advance(SETTLES)
        await deliver(
            home, "refund.updated", lambda refund: refund["metadata"]["plixo_operation"] == self.operation
        )

    async def resolve(self, home: House, action: str) -> None:
        path = f"/v1/refunds/{self.operation}/resolution"
        taken(await home.post(self.acme.admin, path, {"action": action, "comment": COMMENT}))


class ApprovedRefund(Refund):
    """Beyond the admin's authority: the controller approves it."""

    steps: Sequence[Step] = (*ASKED, *REVIEWED, *ISSUED, COMPLETED)
    calls = (ASK, "/decision$")
    amount = 60_000

    async def act(self, home: House) -> None:
        await self.ask(home)
        await approve(home, self.acme.controller, self.operation)
        await until_state(home, self.operation, "completed")

    async def check(self, home: House) -> None:
        (refund,) = await self.made(home, "succeeded")
        await check_notes(home, self.operation, [money.NOTE], refund.metadata, about=[self.payment])
        await check_records(home, self.operation, ["refund:0:1"], decisions=1)
        await check_commitment(home, self.operation, amount=self.amount, authority_of=self.acme.controller.id)


class PendingRefund(Refund):
    """Stripe takes its time, and tells of the end by an event."""

    waiting: Sequence[Step] = (
        commit("the news that it is pending", "^pending:1$"),
        commit("the claim of what Stripe has told of", "^claim$"),
        request("the look after the event", "GET", REFUND, 2),
        commit("the wake after the event", "^wake$"),
        request("the last look", "GET", REFUND, 3),
        COMPLETED,
    )
    steps: Sequence[Step] = (*ASKED, *ISSUED, *waiting)
    calls = (ASK, "/webhooks/stripe$")
    card = "pm_card_pendingRefund"

    async def act(self, home: House) -> None:
        await self.ask(home)
        await until_state(home, self.operation, "running", stage="pending")
        await self.time_passes(home)
        await until_state(home, self.operation, "completed")


class UntoldRefund(PendingRefund):
    """Stripe takes its time, and no event arrives: it is found by looking."""

    async def time_passes(self, home: House) -> None:
        home.stand_in.advance(SETTLES)


class FailingRefund(Refund):
    """Fails after it had succeeded, and is tried once more."""

    after_failure: Sequence[Step] = (
        request("the look after the event", "GET", REFUND, 2),
        request("the look that finds it failed", "GET", REFUND, 3),
        commit("the failure", "^failed:1$"),
        commit("the start of the retry", "^retry:1$"),
        request("the look at what is left", "GET", PAYMENT, 2),
        commit("the second intent", "^intent$", 2),
        request("the second refund", "POST", REFUNDS, 2),
        commit("the second effect", "^effect:refund:0:2$"),
        request("the look at the second refund", "GET", REFUND, 4),
        commit("the second end", "^completed:1$"),
    )
    steps: Sequence[Step] = (*ASKED, *ISSUED, COMPLETED, *after_failure)
    calls = (ASK, "/webhooks/stripe$", "/resolution$")
    card = "pm_card_refundFail"

    async def act(self, home: House) -> None:
        await self.ask(home)
        await until_state(home, self.operation, "completed")
        await self.time_passes(home)
        await until_state(home, self.operation, "failed", stage="refund_failed")
        await self.resolve(home, "retry")
        await until_state(home, self.operation, "completed")

    async def check(self, home: House) -> None:
        for refund in await self.made(home, "failed", "succeeded"):
            await check_notes(home, self.operation, [money.NOTE], refund.metadata, about=[self.payment])
        await check_records(home, self.operation, ["refund:0:1", "refund:0:2"])
        await self.check_authority(home)


class ClosedRefund(Refund):
    """Fails at once, and is left at that with a comment, which is a note in both places."""

    at_the_end: Sequence[Step] = (
        commit("the failure", "^failed:1$"),
        commit("the note of who closes it", "^note:2$"),
        commit("the note's intent", "^intent$", 2),
        request("the note in Stripe", "POST", REFUND),
        commit("the note's effect", "^effect:keep-note:"),
        commit("the end", "^ended$"),
    )
    steps: Sequence[Step] = (*ASKED, *ISSUED, *at_the_end)
    calls = (ASK, "/resolution$")
    card = "pm_card_refundFailAtOnce"

    async def act(self, home: House) -> None:
        await self.ask(home)
        await until_state(home, self.operation, "failed", stage="refund_failed")
        await self.resolve(home, "close")
        await until_state(home, self.operation, "failed", stage="done")

    async def check(self, home: House) -> None:
        (refund,) = await self.made(home, "failed")
        notes = [money.NOTE, COMMENT]
        await check_notes(home, self.operation, notes, refund.metadata, about=[self.payment])
        assert len(executed(home, f"{REFUNDS}/{refund.id}", self.since)) == 1
        await check_records(home, self.operation, ["keep-note:1", "refund:0:1"])
        await self.check_authority(home, released=True)


class CancelledRefund(Refund):
    """Waits for the customer, and is taken back meanwhile."""

    taking_back: Sequence[Step] = (
        commit("the news that it waits", "^requires_action:1$"),
        commit("the cancellation's intent", "^intent$", 2),
        request("the cancellation", "POST", f"{REFUND}/cancel"),
        commit("the cancellation's effect", "^effect:cancel:0:1$"),
        commit("the end", "^ended$"),
    )
    steps: Sequence[Step] = (*ASKED, *ISSUED, *taking_back)
    calls = (ASK, "/cancel$")
    card = "pm_card_refundRequiresAction"

    async def act(self, home: House) -> None:
        await self.ask(home)
        await until_state(home, self.operation, "running", stage="requires_action")
        taken(await home.post(self.acme.admin, f"/v1/refunds/{self.operation}/cancel", {}))
        await until_state(home, self.operation, "cancelled")

    async def check(self, home: House) -> None:
        (refund,) = await self.made(home, "canceled")
        await check_notes(home, self.operation, [money.NOTE], refund.metadata, about=[self.payment])
        assert len(executed(home, f"{REFUNDS}/{refund.id}/cancel", self.since)) == 1
        await check_records(home, self.operation, ["cancel:0:1", "refund:0:1"])
        await self.check_authority(home, released=True)
