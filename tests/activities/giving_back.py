"""Money back that has come to its step in Stripe, each kind of it, and what there is of it afterwards."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import select

from billing.stripe.effects import Effect
from db.core.session import Database
from db.tables import BalanceTransactionRow, CreditNoteRow, PaymentRow, RefundRow

from ..support import money
from ..support.builders import an_operation, store
from ..support.shop import Shop
from .effects.effecting import Job, a_job

NOTE = {"plixo_note": "Charged twice for March.", "plixo_note_by": "per_1 2026-04-01T00:00:00Z"}

Listing = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Giving:
    """An effect that gives money back, and where to look for what it makes."""

    job: Job
    effect: Effect
    path: str
    """Of the request that makes it, as a regular expression."""
    listing: Listing
    row: type[Any]

    async def made(self) -> list[dict[str, Any]]:
        """What Stripe has of its kind, the oldest first."""
        page = await self.listing()
        return [one.to_dict() async for one in page.auto_paging_iter()][::-1]

    async def ours(self) -> list[dict[str, Any]]:
        """Of what Stripe has, that which bears the effect's mark."""
        return [one for one in await self.made() if one["metadata"].get("plixo_effect") == self.effect.key]

    async def mirrored(self) -> list[Any]:
        """The rows that the mirror has of it."""
        async with self.job.database.reading() as session:
            return list(await session.exec(select(self.row).order_by(self.row.id)))

    def another(self, **changed: Any) -> "Giving":
        """The same again, as another effect."""
        return replace(self, effect=self.effect.model_copy(update=changed))

    async def of_another_operation(self) -> "Giving":
        """The same again, asked for by another operation of the organization."""
        operation = an_operation(self.job.tenant, kind="refund")
        await store(self.job.database, operation)
        job = replace(self.job, operation=operation)
        return replace(self.another(operation=operation.id), job=job)

    async def check_given_once(self) -> dict[str, Any]:
        """Stripe has it exactly once, and so do our records; gives Stripe's object."""
        [one] = await self.ours()
        intent = await self.job.intent(self.effect)
        assert (intent.state, intent.stripe_id) == ("done", one["id"])
        assert [event.code for event in await self.job.events()] == [
            "asked_of_stripe",
            "changed_in_stripe",
        ]
        [row] = [row for row in await self.mirrored() if row.id == one["id"]]
        assert (row.organization_id, row.operation_id) == (self.job.tenant.id, self.job.operation.id)
        assert (row.amount, row.currency) == (one["amount"], one["currency"])
        return one


async def a_refund(
    shop: Shop, database: Database, *, card: str = "pm_card_visa", paid: int = 5000, amount: int = 1200
) -> Giving:
    """A refund of USD 12.00 of a payment of USD 50.00."""
    job = await a_job(shop, database)
    customer = await money.customer(shop, job.tenant)
    return await refund_of(job, await money.pay(shop, customer, paid, card), amount)


async def refund_of(job: Job, payment: str, amount: int, **fields: Any) -> Giving:
    """A refund of a payment."""
    intent = await job.shop.client.v1.payment_intents.retrieve_async(payment)
    params = {
        "charge": intent.latest_charge,
        "amount": amount,
        "reason": "duplicate",
        "metadata": NOTE | {"plixo_payment": payment},
    }
    return Giving(
        job,
        job.effect("refund.create", payment, params, **{"step": "refund:0"} | fields),
        "/v1/refunds$",
        lambda: job.shop.client.v1.refunds.list_async({"payment_intent": payment, "limit": 100}),
        RefundRow,
    )


async def a_credit_note(shop: Shop, database: Database, *, paid: bool = False, amount: int = 1200) -> Giving:
    """A credit note over USD 12.00 on an invoice over USD 50.00."""
    job = await a_job(shop, database)
    customer = await money.customer(shop, job.tenant)
    invoice = await money.invoice(shop, customer, 5000, paid=paid)
    params: dict[str, Any] = {"invoice": invoice, "amount": amount, "metadata": NOTE}
    if paid:
        params["credit_amount"] = amount
    return Giving(
        job,
        job.effect("credit_note.create", invoice, params, step="credit"),
        "/v1/credit_notes$",
        lambda: shop.client.v1.credit_notes.list_async({"invoice": invoice, "limit": 100}),
        CreditNoteRow,
    )


async def a_balance_credit(shop: Shop, database: Database, *, amount: int = 1200) -> Giving:
    """USD 12.00 for a customer's next bill."""
    job = await a_job(shop, database)
    customer = await money.customer(shop, job.tenant)
    params = {"amount": -amount, "currency": "usd", "metadata": NOTE}
    return Giving(
        job,
        job.effect("balance.create", customer, params, step="credit"),
        f"/v1/customers/{customer}/balance_transactions$",
        lambda: shop.client.v1.customers.balance_transactions.list_async(customer, {"limit": 100}),
        BalanceTransactionRow,
    )


GIVINGS: dict[str, Callable[[Shop, Database], Awaitable[Giving]]] = {
    "refund": a_refund,
    "credit note": a_credit_note,
    "balance": a_balance_credit,
}


async def payment_row(database: Database, payment: str) -> PaymentRow:
    """A payment as the mirror has it."""
    async with database.reading() as session:
        return await session.get_one(PaymentRow, payment)
