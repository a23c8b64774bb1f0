"""What refunds and credits ask of Stripe: what can be given back, and what became of it.

Only what belongs to the organization is shown: the Stripe customer's metadata says whose it is. Another
organization's is answered exactly as what does not exist. Whatever is read refreshes our mirror.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import stripe
from temporalio import activity

from billing.credit import CreditableFacts, CreditableInvoice, CreditableQuery, CreditFound, CreditRead
from billing.errors import Code
from billing.operations import Problem
from billing.refund import Payment, RefundableFacts, RefundableQuery, Refunded, RefundFound, RefundRead
from db.session import Database

from . import payment_reads, seen_mirror, stripe_objects
from .mirror_pages import OWNER
from .money_rows import operation_of
from .stripe_objects import Document, Seen
from .stripe_reads import ask, ask_for


class MoneyReads:
    def __init__(self, client: stripe.StripeClient, database: Database) -> None:
        self._client = client
        self._database = database

    @activity.defn
    async def refundable(self, query: RefundableQuery) -> RefundableFacts:
        """What can still be refunded of one payment, or of each payment of one invoice."""
        if query.invoice is not None:
            return await self._of_invoice(query.organization, query.invoice)
        assert query.payment_intent is not None, "one of the two is given"
        return await self._of_payment(query.organization, query.payment_intent)

    @activity.defn
    async def creditable(self, query: CreditableQuery) -> CreditableFacts:
        """The customer's balance, and what credit notes may still take of the invoice, where one is named."""
        read_at = datetime.now(UTC)
        seen = await ask_for(stripe_objects.customer(self._client, query.customer))
        if seen is None or not _is_of(query.organization, seen.customer):
            return CreditableFacts(
                problem=_unknown(Code.CUSTOMER_UNKNOWN, f"customer {query.customer}", "of yours")
            )
        customer = seen.main
        facts = CreditableFacts(
            customer=customer["id"], currency=customer.get("currency"), balance=customer["balance"]
        )
        if query.invoice is not None:
            found = await ask_for(stripe_objects.invoice(self._client, query.invoice))
            if found is None or found.main["customer"] != customer["id"]:
                whose = f"of customer {query.customer}"
                return facts.model_copy(
                    update={"problem": _unknown(Code.INVOICE_UNKNOWN, f"invoice {query.invoice}", whose)}
                )
            seen = found
            facts = facts.model_copy(update={"invoice": _creditable(found.main)})
        await self._mirror(query.organization, read_at, seen)
        return facts

    @activity.defn
    async def refund(self, query: RefundRead) -> RefundFound:
        """A refund as it is now."""
        read_at = datetime.now(UTC)
        seen = await ask(stripe_objects.refund(self._client, query.refund))
        await self._mirror(query.organization, read_at, seen)
        found = seen.main
        return RefundFound(
            refund=found["id"],
            status=found["status"],
            amount=found["amount"],
            currency=found["currency"],
            payment_intent=found["payment_intent"],
            pending_reason=found.get("pending_reason"),
            failure_reason=found.get("failure_reason"),
            metadata=found.get("metadata") or {},
        )

    @activity.defn
    async def credit(self, query: CreditRead) -> CreditFound:
        """A credit as it is now, with what the customer's balance and the invoice have become."""
        read_at = datetime.now(UTC)
        seen = await ask(self._credit(query))
        await self._mirror(query.organization, read_at, seen)
        found, given = seen.main, seen.transaction
        balance = (seen.customer or {}).get("balance", 0)
        if query.instrument == "balance":
            return CreditFound(
                object=found["id"],
                amount=-found["amount"],
                currency=found["currency"],
                reduces_due=0,
                to_balance=-found["amount"],
                balance_after=balance,
                metadata=found.get("metadata") or {},
            )
        return CreditFound(
            object=found["id"],
            amount=found["amount"],
            currency=found["currency"],
            reduces_due=found["pre_payment_amount"],
            to_balance=-given["amount"] if given else 0,
            balance_after=balance,
            invoice_remaining=seen.invoice["amount_remaining"] if seen.invoice else None,
            voided=found["status"] == "void",
            metadata=found.get("metadata") or {},
        )

    async def _credit(self, query: CreditRead) -> Seen:
        if query.instrument == "balance":
            return await stripe_objects.transaction(self._client, query.customer, query.object)
        return await stripe_objects.credit_note(self._client, query.object)

    async def _of_payment(self, organization: str, payment_intent: str) -> RefundableFacts:
        read_at = datetime.now(UTC)
        seen = await ask_for(payment_reads.payment(self._client, payment_intent))
        if seen is None or not _is_of(organization, seen.customer):
            return _payment_unknown(f"payment {payment_intent}")
        invoice = await ask(payment_reads.invoice_of(self._client, payment_intent))
        await self._mirror(organization, read_at, seen, invoice=invoice)
        return _facts(payment_intent, invoice, [seen])

    async def _of_invoice(self, organization: str, invoice: str) -> RefundableFacts:
        read_at = datetime.now(UTC)
        billed = await ask_for(stripe_objects.invoice(self._client, invoice))
        if billed is None or not _is_of(organization, billed.customer):
            return _payment_unknown(f"invoice {invoice}")
        seen = await ask(payment_reads.payments_of(self._client, invoice))
        await self._mirror(organization, read_at, billed, *seen, invoice=invoice)
        return _facts(billed.main.get("number") or invoice, invoice, seen)

    async def _mirror(
        self, organization: str, read_at: datetime, *seen: Seen, invoice: str | None = None
    ) -> None:
        for one in seen:  # each by itself: holding several's rows, two readers could wait for each other
            async with self._database.transaction() as session:
                await seen_mirror.store(session, one, organization, read_at, invoice=invoice)


def _facts(named: str, invoice: str | None, seen: Sequence[Seen]) -> RefundableFacts:
    """The payments that came in, the oldest first."""
    paid = [_payment(one) for one in seen if one.charge is not None and one.main["status"] == "succeeded"]
    if not paid:
        message = f"Nothing was paid through Stripe for {named}: there is nothing to refund."
        return RefundableFacts(problem=Problem(code=Code.NOTHING_PAID, message=message))
    return RefundableFacts(
        customer=seen[0].main["customer"],
        invoice=invoice,
        currency=seen[0].main["currency"],
        payments=tuple(paid),
    )


def _payment(seen: Seen) -> Payment:
    assert seen.charge is not None
    return Payment(
        payment_intent=seen.main["id"],
        charge=seen.charge["id"],
        paid=seen.charge["amount_captured"],
        refunded=seen.charge["amount_refunded"],
        disputed=seen.charge["disputed"],
        refunds=tuple(
            Refunded(
                refund=refund["id"],
                amount=refund["amount"],
                status=refund["status"],
                operation=operation_of(refund),
            )
            for refund in seen.refunds
        ),
    )


def _creditable(invoice: Document) -> CreditableInvoice:
    """Stripe takes voided credit notes off these sums again."""
    return CreditableInvoice(
        invoice=invoice["id"],
        number=invoice.get("number"),
        status=invoice["status"],
        currency=invoice["currency"],
        total=invoice["total"],
        remaining=invoice["amount_remaining"],
        credited=invoice["pre_payment_credit_notes_amount"] + invoice["post_payment_credit_notes_amount"],
    )


def _is_of(organization: str, customer: Document | None) -> bool:
    """Of one that was deleted Stripe tells no metadata: it is nobody's."""
    return ((customer or {}).get("metadata") or {}).get(OWNER) == organization


def _payment_unknown(named: str) -> RefundableFacts:
    return RefundableFacts(problem=_unknown(Code.PAYMENT_UNKNOWN, named, "of one of your customers"))


def _unknown(code: Code, named: str, whose: str) -> Problem:
    return Problem(code=code, message=f"Stripe has no {named} {whose}.")
