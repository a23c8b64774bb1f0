"""Invoices that are voided or written off.

Stripe takes no metadata here, and anybody can do the same in its Dashboard: only Stripe's event names the
request that did it, by our idempotency key.
"""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, ClassVar

import stripe
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.stripe.effects import Effect
from db.cases.cases import CaseRules

from ..mirror.objects.invoice import InvoiceSnapshot
from ..mirror.objects.snapshot import Owner, taken_out
from ..stripe.events_of_requests import object_told
from .protocol import EffectResult, options, plain, request_of

PARTS = ["customer"]
"""What to expand in the request for the invoice."""


class InvoiceEnd(ABC):
    """Ends an open invoice, for good; `target` is the invoice."""

    status: ClassVar[str]
    """What the invoice then is."""
    event: ClassVar[Any]
    """Stripe's type of the event that tells of it."""
    moment: ClassVar[str]
    """Which of the invoice's `status_transitions` it is."""
    snapshot: ClassVar[type[InvoiceSnapshot]] = InvoiceSnapshot
    """What the mirror has of it."""

    @abstractmethod
    async def send(self, client: stripe.StripeClient, effect: Effect) -> stripe.Invoice:
        """Sends the request under the effect's key."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        return self._result(await self.send(client, effect))

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        """There is one when an event of Stripe's names our request, whatever became of the invoice since."""
        invoice = await client.v1.invoices.retrieve_async(effect.target, {"expand": PARTS})
        ended_at: int | None = invoice.status_transitions[self.moment]
        if ended_at is None or not await self._told(client, effect, ended_at):
            return None
        return self._result(invoice)

    async def _told(self, client: stripe.StripeClient, effect: Effect, ended_at: int) -> bool:
        told = await object_told(client, self.event, effect.key, ended_at)
        return told is not None and bool(told["id"] == effect.target)

    def _result(self, invoice: stripe.Invoice) -> EffectResult:
        assert invoice.id is not None, "a finalized invoice has an id"
        request, document = request_of(invoice), invoice.to_dict()
        detail = {
            "status": self.status,
            "number": invoice.number,
            "total": invoice.total,
            "amount_paid": invoice.amount_paid,
            "currency": invoice.currency,
            "metadata": plain(invoice.metadata),
        }
        snapshot = self.snapshot(taken_out(document, "customer"), document)
        return EffectResult(invoice.id, request, detail, snapshot)


class InvoiceVoid(InvoiceEnd):
    status, event, moment = "void", "invoice.voided", "voided_at"

    async def send(self, client: stripe.StripeClient, effect: Effect) -> stripe.Invoice:
        return await client.v1.invoices.void_invoice_async(effect.target, {"expand": PARTS}, options(effect))


class BillSnapshot(InvoiceSnapshot):
    """An invoice to the organization itself."""

    async def store(self, session: AsyncSession, rules: CaseRules, owner: Owner, read_at: datetime) -> None:
        await super().store(session, rules, owner._replace(subscriber=True), read_at)


class BillVoid(InvoiceVoid):
    """Voids the invoice of a change that waits for its payment: Stripe drops the change with it."""

    snapshot = BillSnapshot


class InvoiceWriteOff(InvoiceEnd):
    status, event, moment = "uncollectible", "invoice.marked_uncollectible", "marked_uncollectible_at"

    async def send(self, client: stripe.StripeClient, effect: Effect) -> stripe.Invoice:
        return await client.v1.invoices.mark_uncollectible_async(
            effect.target, {"expand": PARTS}, options(effect)
        )


class NotedInvoice:
    async def read(self, client: stripe.StripeClient, target: str) -> stripe.Invoice:
        return await client.v1.invoices.retrieve_async(target)

    async def write(
        self, client: stripe.StripeClient, target: str, params: Any, options: stripe.RequestOptions
    ) -> stripe.Invoice:
        return await client.v1.invoices.update_async(target, params, options)
