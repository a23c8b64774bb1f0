"""Credits: credit notes on invoices, and changes of customers' balances."""

from collections.abc import Mapping, Sequence
from typing import Any

import stripe

from billing.stripe.effects import Effect

from ..mirror.objects.customer import TRANSACTION_PARTS, BalanceTransactionSnapshot
from ..mirror.objects.invoice import CREDIT_NOTE_PARTS, CreditNoteSnapshot
from .money import PAGE, made_by
from .protocol import EffectResult, marked, options, plain, request_of


class CreditNoteCreate:
    """Issues a credit note; `target` is the invoice, which `params` name too."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        params: Any = marked(effect) | {"expand": CREDIT_NOTE_PARTS}
        return self._result(await client.v1.credit_notes.create_async(params, options(effect)))

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        of: Any = {"invoice": effect.target, "limit": PAGE}
        notes = client.v1.credit_notes.list_async(of)
        if (lines := effect.params.get("lines")) is not None:
            made = await made_by(effect, notes, alike=lambda note: _is_of_lines(note, lines))
        else:
            made = await made_by(effect, notes, "amount")
        if made is None:
            return None
        note = await client.v1.credit_notes.retrieve_async(made, {"expand": CREDIT_NOTE_PARTS})
        return self._result(note)

    def _result(self, note: stripe.CreditNote) -> EffectResult:
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
        return EffectResult(note.id, request_of(note), detail, CreditNoteSnapshot.of(note))


def _is_of_lines(note: stripe.CreditNote, asked: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it credits these lines, by the parameters that asked for them."""
    found = {line.invoice_line_item: line for line in note.lines.data}
    return len(found) == len(asked) and all(
        (line := found.get(one["invoice_line_item"])) is not None
        and all(getattr(line, name) == one[name] for name in ("amount", "quantity") if name in one)
        for one in asked
    )


class BalanceCreate:
    """Changes a customer's balance, credit being negative; `target` is the customer."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        params: Any = marked(effect) | {"expand": TRANSACTION_PARTS}
        service = client.v1.customers.balance_transactions
        return self._result(await service.create_async(effect.target, params, options(effect)))

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        service = client.v1.customers.balance_transactions
        made = await made_by(effect, service.list_async(effect.target, {"limit": PAGE}), "amount", "currency")
        if made is None:
            return None
        transaction = await service.retrieve_async(effect.target, made, {"expand": TRANSACTION_PARTS})
        return self._result(transaction)

    def _result(self, transaction: stripe.CustomerBalanceTransaction) -> EffectResult:
        detail = {
            "amount": transaction.amount,
            "currency": transaction.currency,
            "ending_balance": transaction.ending_balance,
            "created": transaction.created,
            "metadata": plain(transaction.metadata),
        }
        snapshot = BalanceTransactionSnapshot.of(transaction)
        return EffectResult(transaction.id, request_of(transaction), detail, snapshot)


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


class NotedCustomer:
    """Who has a discount, which takes no metadata. They bear the note of the last case of one."""

    async def read(self, client: stripe.StripeClient, target: str) -> stripe.Customer:
        return await client.v1.customers.retrieve_async(target)

    async def write(
        self, client: stripe.StripeClient, target: str, params: Any, options: stripe.RequestOptions
    ) -> stripe.Customer:
        return await client.v1.customers.update_async(target, params, options)
