"""What refunds and credits ask of Stripe: what can be given back, and what became of it.

Only what belongs to the organization is shown: the Stripe customer's metadata says whose it is. Another
organization's is answered exactly as what does not exist. Whatever is read refreshes our mirror.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import stripe
from temporalio import activity

from billing.core.errors import Code
from billing.core.operations import Problem
from billing.money.credit import CreditableFacts, CreditableInvoice, CreditableQuery, CreditFound, CreditRead
from billing.money.invoice_money import Credited, InvoiceCap, InvoiceMoney
from billing.money.refund import (
    Payment,
    RefundableFacts,
    RefundableQuery,
    Refunded,
    RefundFound,
    RefundRead,
    cap_of,
)
from db.cases.cases import CaseRules
from db.core.session import Database
from db.stripe import ours

from ..mirror import store as seen_mirror
from ..mirror.pages import OWNER
from ..mirror.rows import claim_of
from ..stripe import objects
from ..stripe import payments as payment_reads
from ..stripe.failures import ask, ask_for
from ..stripe.objects import Document, Seen


class MoneyReads:
    def __init__(self, client: stripe.StripeClient, database: Database, rules: CaseRules) -> None:
        self._client = client
        self._database = database
        self._rules = rules

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
        seen = await ask_for(objects.customer(self._client, query.customer))
        if seen is None or not _is_of(query.organization, seen.customer):
            return CreditableFacts(
                problem=_unknown(Code.CUSTOMER_UNKNOWN, f"customer {query.customer}", "of yours")
            )
        customer = seen.main
        facts = CreditableFacts(
            customer=customer["id"], currency=customer.get("currency"), balance=customer["balance"]
        )
        if query.invoice is not None:
            found = await ask_for(objects.invoice(self._client, query.invoice))
            if found is None or found.main["customer"] != customer["id"]:
                whose = f"of customer {query.customer}"
                return facts.model_copy(
                    update={"problem": _unknown(Code.INVOICE_UNKNOWN, f"invoice {query.invoice}", whose)}
                )
            seen = found
            cap = await self._credit_cap(query.organization, found.main)
            facts = facts.model_copy(update={"invoice": _creditable(found.main), "cap": cap})
        await self._mirror(query.organization, read_at, seen)
        return facts

    @activity.defn
    async def refund(self, query: RefundRead) -> RefundFound:
        """A refund as it is now."""
        read_at = datetime.now(UTC)
        seen = await ask(objects.refund(self._client, query.refund))
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
            return await objects.transaction(self._client, query.customer, query.object)
        return await objects.credit_note(self._client, query.object)

    async def _of_payment(self, organization: str, payment_intent: str) -> RefundableFacts:
        read_at = datetime.now(UTC)
        seen = await ask_for(payment_reads.payment(self._client, payment_intent))
        if seen is None or not _is_of(organization, seen.customer):
            return _payment_unknown(f"payment {payment_intent}")
        invoice = await ask(payment_reads.invoice_of(self._client, payment_intent))
        await self._mirror(organization, read_at, seen, invoice=invoice["id"] if invoice else None)
        facts = _facts(payment_intent, invoice, [seen], await self._ours(organization, [seen]))
        if facts.problem is not None or invoice is None:
            return facts
        paid = [seen]
        if facts.payments[0].paid != invoice["amount_paid"]:  # others have paid a part of it
            paid = await ask(payment_reads.payments_of(self._client, invoice["id"]))
        return facts.model_copy(update={"cap": await self._cap(organization, invoice, paid)})

    async def _of_invoice(self, organization: str, invoice: str) -> RefundableFacts:
        read_at = datetime.now(UTC)
        billed = await ask_for(objects.invoice(self._client, invoice))
        if billed is None or not _is_of(organization, billed.customer):
            return _payment_unknown(f"invoice {invoice}")
        seen = await ask(payment_reads.payments_of(self._client, invoice))
        await self._mirror(organization, read_at, billed, *seen, invoice=invoice)
        named = billed.main.get("number") or invoice
        facts = _facts(named, billed.main, seen, await self._ours(organization, seen))
        if facts.problem is not None:
            return facts
        return facts.model_copy(update={"cap": await self._cap(organization, billed.main, seen)})

    async def _credit_cap(self, organization: str, invoice: Document) -> InvoiceCap | None:
        """What a credit note may give back; None where nothing was paid: it only lowers what is due."""
        if not _paid(invoice):
            return None
        paid = await ask(payment_reads.payments_of(self._client, invoice["id"]))
        return await self._cap(organization, invoice, paid)

    async def _cap(self, organization: str, invoice: Document, payments: Sequence[Seen]) -> InvoiceCap:
        money = await self._money(organization, invoice, payments)
        return cap_of(money, _payments(payments, await self._ours(organization, payments)))

    async def _money(self, organization: str, invoice: Document, payments: Sequence[Seen]) -> InvoiceMoney:
        """What was paid for the invoice by these payments and otherwise, and what of it was given back."""
        notes = await ask(payment_reads.notes_of(self._client, invoice))
        async with self._database.reading() as session:
            by = await ours.operations(session, organization, {note["id"]: claim_of(note) for note in notes})
        return InvoiceMoney(
            invoice=invoice["id"],
            number=invoice.get("number"),
            currency=invoice["currency"],
            paid=_paid(invoice),
            refunded=sum(one.charge["amount_refunded"] for one in payments if one.charge is not None),
            overpaid=invoice["amount_overpaid"],
            notes=tuple(
                Credited(credit_note=note["id"], amount=_given_by(note), operation=by.get(note["id"]))
                for note in notes
            ),
        )

    async def _ours(self, organization: str, payments: Sequence[Seen]) -> Mapping[str, str]:
        """The operations of ours, by the refunds that they made."""
        claims = {refund["id"]: claim_of(refund) for seen in payments for refund in seen.refunds}
        async with self._database.reading() as session:
            return await ours.operations(session, organization, claims)

    async def _mirror(
        self, organization: str, read_at: datetime, *seen: Seen, invoice: str | None = None
    ) -> None:
        for one in seen:  # each by itself: holding several's rows, two readers could wait for each other
            async with self._database.transaction() as session:
                await seen_mirror.store(session, self._rules, one, organization, read_at, invoice=invoice)


def _facts(
    named: str, invoice: Document | None, seen: Sequence[Seen], operations: Mapping[str, str]
) -> RefundableFacts:
    """The payments that came in, the oldest first."""
    paid = _payments(seen, operations)
    if not paid:
        message = f"Nothing was paid through Stripe for {named}: there is nothing to refund."
        return RefundableFacts(problem=Problem(code=Code.NOTHING_PAID, message=message))
    return RefundableFacts(
        customer=seen[0].main["customer"],
        invoice=invoice["id"] if invoice else None,
        currency=seen[0].main["currency"],
        payments=paid,
    )


def _payments(seen: Sequence[Seen], operations: Mapping[str, str]) -> tuple[Payment, ...]:
    came_in = (one for one in seen if one.charge is not None and one.main["status"] == "succeeded")
    return tuple(_payment(one, operations) for one in came_in)


def _payment(seen: Seen, operations: Mapping[str, str]) -> Payment:
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
                operation=operations.get(refund["id"]),
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


def _paid(invoice: Document) -> int:
    """What was paid for it by whatever means, in minor units.

    What was taken off its total by the customer's balance counts, and so does what it took for an older debt.
    """
    settled = invoice["total"] - invoice["amount_remaining"] - invoice["pre_payment_credit_notes_amount"]
    return max(int(settled), int(invoice["amount_paid"]), 0)


def _given_by(note: Document) -> int:
    """What a credit note gave back of a payment, but for what the refunds gave that it names."""
    refunded = sum(int(one["amount_refunded"]) for one in note["refunds"])
    return max(int(note["post_payment_amount"]) - refunded, 0)


def _is_of(organization: str, customer: Document | None) -> bool:
    """Of one that was deleted Stripe tells no metadata: it is nobody's."""
    return ((customer or {}).get("metadata") or {}).get(OWNER) == organization


def _payment_unknown(named: str) -> RefundableFacts:
    return RefundableFacts(problem=_unknown(Code.PAYMENT_UNKNOWN, named, "of one of your customers"))


def _unknown(code: Code, named: str, whose: str) -> Problem:
    return Problem(code=code, message=f"Stripe has no {named} {whose}.")
