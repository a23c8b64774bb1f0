"""What refunds and credits ask of Stripe: what can be given back, and what became of it.

Only what belongs to the organization is shown: the Stripe customer's metadata says whose it is. Another
organization's is answered exactly as what does not exist. Whatever is read refreshes our mirror,
but for what is read for a quote.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import stripe
from temporalio import activity
from temporalio.exceptions import ApplicationError

from billing.core.errors import Code
from billing.core.operations import Problem
from billing.money.credit import CreditableFacts, CreditableInvoice, CreditableQuery, CreditFound, CreditRead
from billing.money.credit_lines import CreditLine, LineCredit, NoteFigures, figures_of, lines_asked, reckoned
from billing.money.dispute import withdrawn
from billing.money.invoice_money import CreditedAmount, InvoiceCap, InvoiceMoney
from billing.money.refund import (
    Payment,
    RefundableFacts,
    RefundableQuery,
    RefundFound,
    RefundInStripe,
    RefundRead,
    cap_of,
)
from billing.stripe.invoice_json import known_rates
from db.cases.cases import CaseRules
from db.core.clock import utc_now
from db.core.session import Database
from db.stripe import ours

from ..mirror.objects.customer import BalanceTransactionSnapshot, CustomerSnapshot, is_theirs
from ..mirror.objects.invoice import CreditNoteSnapshot, InvoiceSnapshot
from ..mirror.objects.payment import PaymentSnapshot, invoice_of
from ..mirror.objects.snapshot import Document, Owner, Snapshot, claim_of
from ..plan_changes.invoices import StripeInvoices
from ..stripe.failures import ask, ask_for
from . import payments

CREDITABLE = ("open", "paid")
"""What an invoice is on which we issue credit notes."""

BESIDE = (0, 1, -1, 2, -2)
"""By how many minor units Stripe's sum of a few lines may be another than what was reckoned."""


class MoneyReads:
    def __init__(self, client: stripe.StripeClient, database: Database, rules: CaseRules) -> None:
        self._client = client
        self._database = database
        self._rules = rules
        self._invoices = StripeInvoices(client)

    @activity.defn
    async def read_refundable(self, query: RefundableQuery) -> RefundableFacts:
        """What can still be refunded of one payment, or of each payment of one invoice."""
        if query.invoice is not None:
            return await self._of_invoice(query, query.invoice)
        assert query.payment_intent is not None, "one of the two is given"
        return await self._of_payment(query, query.payment_intent)

    @activity.defn
    async def read_creditable(self, query: CreditableQuery) -> CreditableFacts:
        """The customer's balance, and what credit notes may still take of the invoice, where one is named."""
        read_at = utc_now()
        billed = await ask_for(CustomerSnapshot.read(self._client, query.customer))
        if billed is None or not await is_theirs(self._database, billed.customer, query.organization):
            return CreditableFacts(
                problem=_unknown(Code.CUSTOMER_UNKNOWN, f"customer {query.customer}", "of yours")
            )
        customer = billed.customer
        mirrored: Snapshot = billed
        facts = CreditableFacts(
            customer=customer["id"], currency=customer.get("currency"), balance=customer["balance"]
        )
        if query.invoice is not None:
            found = await ask_for(InvoiceSnapshot.read(self._client, query.invoice))
            if found is None or found.invoice["customer"] != customer["id"]:
                of_whom = f"of customer {query.customer}"
                return facts.model_copy(
                    update={"problem": _unknown(Code.INVOICE_UNKNOWN, f"invoice {query.invoice}", of_whom)}
                )
            mirrored = found
            cap = await self._credit_cap(query.organization, found.invoice)
            facts = facts.model_copy(update={"invoice": _creditable(found.invoice), "cap": cap})
            if query.lines:
                facts = await self._with_lines(facts, query.lines, query.organization, found.invoice)
        if query.mirror:
            await self._mirror(query.organization, read_at, mirrored)
        return facts

    @activity.defn
    async def read_refund(self, query: RefundRead) -> RefundFound:
        """A refund as it is now."""
        read_at = utc_now()
        snapshot = await ask(PaymentSnapshot.read_refund(self._client, query.refund))
        assert snapshot is not None, "a refund of ours is of a payment intent"
        await self._mirror(query.organization, read_at, snapshot)
        [found] = snapshot.refunds
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
    async def read_credit(self, query: CreditRead) -> CreditFound:
        """A credit as it is now, with what the customer's balance and the invoice have become."""
        if query.instrument == "balance":
            return await self._balance_credit(query)
        read_at = utc_now()
        snapshot = await ask(CreditNoteSnapshot.read(self._client, query.object))
        await self._mirror(query.organization, read_at, snapshot)
        note, transaction = snapshot.note, snapshot.transaction
        figures = None
        if query.lines:
            rates = await ask(self._invoices.rates(note))
            figures = figures_of(note, known_rates(snapshot.invoice) | dict(rates), query.lines)
        return CreditFound(
            object=note["id"],
            amount=note["amount"],
            currency=note["currency"],
            reduces_due=note["pre_payment_amount"],
            to_balance=-transaction["amount"] if transaction else 0,
            balance_after=_balance(snapshot.customer),
            invoice_remaining=snapshot.invoice["amount_remaining"],
            lines=figures.lines if figures else (),
            taxes=figures.taxes if figures else (),
            voided=note["status"] == "void",
            metadata=note.get("metadata") or {},
        )

    async def _with_lines(
        self, facts: CreditableFacts, lines: Sequence[CreditLine], organization: str, invoice: Document
    ) -> CreditableFacts:
        """With what these lines come to, as Stripe previews their note, and what is left of each."""
        whole = await ask(self._invoices.whole(invoice))
        found = reckoned(lines, whole["lines"]["data"], await self._line_credits(organization, invoice))
        if isinstance(found, Problem):
            return facts.model_copy(update={"problem": found})
        total = found.total
        if invoice["status"] in CREDITABLE and total <= _creditable(invoice).left + len(lines):
            note = await self._previewed_note(lines, total, invoice)
            if isinstance(note, Problem):
                return facts.model_copy(update={"problem": note})
            facts = facts.model_copy(update={"note": note})
        return facts.model_copy(update={"lines": found.lines, "of_lines": total})

    async def _line_credits(self, organization: str, invoice: Document) -> Mapping[str, list[LineCredit]]:
        """What credit notes have taken of each of the invoice's lines."""
        notes = await ask(payments.all_notes_of(self._client, invoice))
        by = await self._operations(organization, notes)
        found: dict[str, list[LineCredit]] = {}
        for note in notes:
            for line in await ask(payments.lines_of_note(self._client, note)):
                amount = line["amount"] if note["status"] == "issued" else 0
                credit = LineCredit(operation=by.get(note["id"]), amount=amount)
                found.setdefault(line.get("invoice_line_item") or "", []).append(credit)
        return found

    async def _previewed_note(
        self, lines: Sequence[CreditLine], total: int, invoice: Document
    ) -> NoteFigures | Problem:
        """Stripe wants to be told what of it goes to the balance: what was reckoned, or a cent or two beside
        it, as Stripe may have rounded elsewhere. Where nothing does, there is one way to ask."""
        refusals: list[str] = []
        for back in dict.fromkeys(max(total + one - invoice["amount_remaining"], 0) for one in BESIDE):
            asked: Any = {"invoice": invoice["id"], "lines": lines_asked(lines)}
            if back:
                asked["credit_amount"] = back
            try:
                found = await ask(self._client.v1.credit_notes.preview_async(asked))
            except ApplicationError as error:
                if not error.non_retryable:
                    raise
                refusals.append(error.message)
                continue
            note = found.to_dict()
            rates = await ask(self._invoices.rates(note))
            return figures_of(note, known_rates(invoice) | dict(rates), lines)
        return Problem(code=Code.CREDIT_LINES_REFUSED, message=refusals[0])

    async def _balance_credit(self, query: CreditRead) -> CreditFound:
        read_at = utc_now()
        snapshot = await ask(BalanceTransactionSnapshot.read(self._client, query.customer, query.object))
        await self._mirror(query.organization, read_at, snapshot)
        transaction = snapshot.transaction
        return CreditFound(
            object=transaction["id"],
            amount=-transaction["amount"],
            currency=transaction["currency"],
            reduces_due=0,
            to_balance=-transaction["amount"],
            balance_after=_balance(snapshot.customer),
            metadata=transaction.get("metadata") or {},
        )

    async def _of_payment(self, query: RefundableQuery, payment_intent: str) -> RefundableFacts:
        organization, read_at = query.organization, utc_now()
        payment = await ask_for(payments.payment(self._client, payment_intent))
        if payment is None or not await is_theirs(self._database, payment.customer, organization):
            return _payment_unknown(f"payment {payment_intent}")
        invoice = await ask(invoice_of(self._client, payment_intent))
        payment = replace(payment, invoice=invoice["id"] if invoice else None)
        if query.mirror:
            await self._mirror(organization, read_at, payment)
        facts = _facts(payment_intent, invoice, [payment], await self._ours(organization, [payment]))
        if facts.problem is not None or invoice is None:
            return facts
        paid = [payment]
        if facts.payments[0].paid != invoice["amount_paid"]:  # others have paid a part of it
            paid = await ask(payments.payments_of(self._client, invoice["id"]))
        return facts.model_copy(update={"cap": await self._cap(organization, invoice, paid)})

    async def _of_invoice(self, query: RefundableQuery, invoice_id: str) -> RefundableFacts:
        organization, read_at = query.organization, utc_now()
        billed = await ask_for(InvoiceSnapshot.read(self._client, invoice_id))
        if billed is None or not await is_theirs(self._database, billed.customer, organization):
            return _payment_unknown(f"invoice {invoice_id}")
        invoice = billed.invoice
        paid = await ask(payments.payments_of(self._client, invoice_id))
        if query.mirror:
            await self._mirror(organization, read_at, billed, *paid)
        named = invoice.get("number") or invoice_id
        facts = _facts(named, invoice, paid, await self._ours(organization, paid))
        if facts.problem is not None:
            return facts
        return facts.model_copy(update={"cap": await self._cap(organization, invoice, paid)})

    async def _credit_cap(self, organization: str, invoice: Document) -> InvoiceCap | None:
        """What a credit note may give back; None where nothing was paid: it only lowers what is due."""
        if not _paid(invoice):
            return None
        paid = await ask(payments.payments_of(self._client, invoice["id"]))
        return await self._cap(organization, invoice, paid)

    async def _cap(self, organization: str, invoice: Document, paid: Sequence[PaymentSnapshot]) -> InvoiceCap:
        money = await self._money(organization, invoice, paid)
        return cap_of(money, _payments(paid, await self._ours(organization, paid)))

    async def _money(
        self, organization: str, invoice: Document, paid: Sequence[PaymentSnapshot]
    ) -> InvoiceMoney:
        """What was paid for the invoice by these payments and otherwise, and what of it was given back."""
        notes = await ask(payments.notes_of(self._client, invoice))
        by = await self._operations(organization, notes)
        return InvoiceMoney(
            invoice=invoice["id"],
            number=invoice.get("number"),
            currency=invoice["currency"],
            paid=_paid(invoice),
            refunded=sum(one.charge["amount_refunded"] for one in paid if one.charge is not None),
            disputed=sum(
                _withdrawn(one.charge, one.disputes or ()) for one in paid if one.charge is not None
            ),
            overpaid=invoice["amount_overpaid"],
            notes=tuple(
                CreditedAmount(credit_note=note["id"], amount=_given_by(note), operation=by.get(note["id"]))
                for note in notes
            ),
        )

    async def _ours(self, organization: str, paid: Sequence[PaymentSnapshot]) -> Mapping[str, str]:
        """The operations of ours, by the refunds that they made."""
        return await self._operations(
            organization, [refund for payment in paid for refund in payment.refunds]
        )

    async def _operations(self, organization: str, made: Sequence[Document]) -> Mapping[str, str]:
        """The operations of ours, by the objects that they made."""
        async with self._database.reading() as session:
            return await ours.operations(session, organization, {one["id"]: claim_of(one) for one in made})

    async def _mirror(self, organization: str, read_at: datetime, *snapshots: Snapshot) -> None:
        for one in snapshots:  # each by itself: holding several's rows, two readers could wait for each other
            async with self._database.transaction() as session:
                await one.store(session, self._rules, Owner(organization), read_at)


def _facts(
    named: str, invoice: Document | None, paid: Sequence[PaymentSnapshot], operations: Mapping[str, str]
) -> RefundableFacts:
    """The payments that came in, the oldest first."""
    came_in = _payments(paid, operations)
    if not came_in:
        message = f"Nothing was paid through Stripe for {named}: there is nothing to refund."
        return RefundableFacts(problem=Problem(code=Code.NOTHING_PAID, message=message))
    return RefundableFacts(
        customer=paid[0].payment["customer"],
        invoice=invoice["id"] if invoice else None,
        currency=paid[0].payment["currency"],
        payments=came_in,
    )


def _payments(paid: Sequence[PaymentSnapshot], operations: Mapping[str, str]) -> tuple[Payment, ...]:
    came_in = (one for one in paid if one.charge is not None and one.payment["status"] == "succeeded")
    return tuple(_payment(one, operations) for one in came_in)


def _payment(snapshot: PaymentSnapshot, operations: Mapping[str, str]) -> Payment:
    charge = snapshot.charge
    assert charge is not None
    return Payment(
        payment_intent=snapshot.payment["id"],
        charge=charge["id"],
        paid=charge["amount_captured"],
        refunded=charge["amount_refunded"],
        disputed=snapshot.held_by_dispute is not False,
        refunds=tuple(
            RefundInStripe(
                refund=refund["id"],
                amount=refund["amount"],
                status=refund["status"],
                operation=operations.get(refund["id"]),
            )
            for refund in snapshot.refunds
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


def _withdrawn(charge: Document, disputes: Sequence[Document]) -> int:
    """What the customer's bank has taken back; all of it where a dispute is in another currency."""
    captured = int(charge["amount_captured"])
    taken = [
        int(one["amount"]) if one["currency"] == charge["currency"] else captured
        for one in disputes
        if not one["is_charge_refundable"]
    ]
    return withdrawn(captured, int(charge["amount_refunded"]), taken)


def _balance(customer: Document | None) -> int:
    """Of one that was deleted Stripe tells none."""
    return int((customer or {}).get("balance", 0))


def _payment_unknown(payment: str) -> RefundableFacts:
    return RefundableFacts(problem=_unknown(Code.PAYMENT_UNKNOWN, payment, "for any of your customers"))


def _unknown(code: Code, object_name: str, of_whom: str) -> Problem:
    return Problem(code=code, message=f"Stripe has no {object_name} {of_whom}.")
