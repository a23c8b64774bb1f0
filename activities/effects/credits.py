"""Credits: credit notes on invoices, and changes of customers' balances."""

from datetime import datetime
from typing import Any

import stripe

from billing.stripe.effects import Effect

from ..stripe.objects import CREDIT_NOTE_PARTS, TRANSACTION_PARTS, of_credit_note, of_transaction
from .money import PAGE, keeping, made_by, now
from .protocol import Found, marked, options, plain, request_of


class CreditNoteCreate:
    """Issues a credit note; `target` is the invoice, which `params` name too."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> Found:
        params: Any = marked(effect) | {"expand": CREDIT_NOTE_PARTS}
        asked_at = now()
        return self._found(
            effect, await client.v1.credit_notes.create_async(params, options(effect)), asked_at
        )

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> Found | None:
        asked_at = now()
        of: Any = {"invoice": effect.target, "limit": PAGE}
        made = await made_by(effect, client.v1.credit_notes.list_async(of), "amount")
        if made is None:
            return None
        note = await client.v1.credit_notes.retrieve_async(made, {"expand": CREDIT_NOTE_PARTS})
        return self._found(effect, note, asked_at)

    def _found(self, effect: Effect, note: stripe.CreditNote, asked_at: datetime) -> Found:
        detail = {
            "amount": note.amount,
            "pre_payment_amount": note.pre_payment_amount,
            "post_payment_amount": note.post_payment_amount,
            "currency": note.currency,
            "invoice": note.invoice if isinstance(note.invoice, str) else note.invoice.id,
            "number": note.number,
            "created": note.created,
            "metadata": plain(note.metadata),
        }
        return Found(note.id, request_of(note), detail, keeping(effect, of_credit_note(note), asked_at))


class BalanceCreate:
    """Changes a customer's balance, credit being negative; `target` is the customer."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> Found:
        params: Any = marked(effect) | {"expand": TRANSACTION_PARTS}
        asked_at = now()
        service = client.v1.customers.balance_transactions
        return self._found(
            effect, await service.create_async(effect.target, params, options(effect)), asked_at
        )

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> Found | None:
        asked_at = now()
        service = client.v1.customers.balance_transactions
        made = await made_by(effect, service.list_async(effect.target, {"limit": PAGE}), "amount", "currency")
        if made is None:
            return None
        transaction = await service.retrieve_async(effect.target, made, {"expand": TRANSACTION_PARTS})
        return self._found(effect, transaction, asked_at)

    def _found(
        self, effect: Effect, transaction: stripe.CustomerBalanceTransaction, asked_at: datetime
    ) -> Found:
        detail = {
            "amount": transaction.amount,
            "currency": transaction.currency,
            "ending_balance": transaction.ending_balance,
            "created": transaction.created,
            "metadata": plain(transaction.metadata),
        }
        seen = of_transaction(transaction)
        return Found(transaction.id, request_of(transaction), detail, keeping(effect, seen, asked_at))


class NotedCreditNote:
    async def read(self, client: stripe.StripeClient, target: str) -> stripe.CreditNote:
        return await client.v1.credit_notes.retrieve_async(target)

    async def write(
        self, client: stripe.StripeClient, target: str, params: Any, options: stripe.RequestOptions
    ) -> stripe.CreditNote:
        return await client.v1.credit_notes.update_async(target, params, options)


class NotedTransaction:
    """`target` is the customer and the transaction, with a slash between."""

    async def read(self, client: stripe.StripeClient, target: str) -> stripe.CustomerBalanceTransaction:
        customer, _, transaction = target.partition("/")
        return await client.v1.customers.balance_transactions.retrieve_async(customer, transaction)

    async def write(
        self, client: stripe.StripeClient, target: str, params: Any, options: stripe.RequestOptions
    ) -> stripe.CustomerBalanceTransaction:
        customer, _, transaction = target.partition("/")
        service = client.v1.customers.balance_transactions
        return await service.update_async(customer, transaction, params, options)
