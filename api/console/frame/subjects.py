"""What an operation is about, with its type, and the names by which people know it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cancellations.cancellation import CancellationSubject
from billing.cases.case import NOUNS, CaseObject, CaseSubject
from billing.core.money import Money
from billing.core.operations import Kind
from billing.core.text import one_line
from billing.money.credit import CreditSubject
from billing.money.refund import RefundSubject
from billing.money.waiver import WAIVERS, WaiverSubject
from billing.operations.payloads import OperationSubject, read_subject
from billing.plan_changes.subject import PlanChangeSubject, Terms
from db.tables import Customer, Invoice, Operation, PaymentRow

Document = Mapping[str, Any]
GIVEN = frozenset({CaseObject.REFUND, CaseObject.CREDIT_NOTE, CaseObject.BALANCE_TRANSACTION})
"""What goes to a customer; the rest is given up, or comes off what they owe."""


@dataclass(frozen=True)
class About:
    """The names of what subjects mention: plans by their short names, customers and invoices by their ids.
    `paid` are the invoices that payments are of."""

    plans: Mapping[str, str]
    customers: Mapping[str, str]
    numbers: Mapping[str, str]
    paid: Mapping[str, str] = field(default_factory=dict)

    def subject(self, kind: str, document: Document | None) -> OperationSubject | None:
        return read_subject(kind, document)

    def headline(self, kind: str, subject: Document | None, request: Document) -> str:
        """`Growth to Scale, 8 seats`, `Refund of USD 13.00 to Hazel Ltd` or `Portal trouble of Hazel Ltd`."""
        match read_subject(kind, subject):
            case PlanChangeSubject() as change:
                return self._terms(change.from_, change.to)
            case CancellationSubject() as end:
                return self._end(end.action, end.terms.plan)
            case CaseSubject() as made:
                return f"Case: {self._made(made)}"
            case RefundSubject() | CreditSubject() as given:
                return f"{Kind(kind).label} of {given.amount.format()}{self._to(given.customer)}"
            case WaiverSubject() as given_up:
                amount, customer = given_up.amount.format(), self.customer(given_up.customer)
                return f"{Kind(kind).label} of {amount} for {customer}"
            case _:
                return self._requested(kind, request)

    def customer(self, id_: str | None) -> str:
        return one_line(self.customers.get(id_ or "") or "a customer")

    def _to(self, customer: str | None) -> str:
        return f" to {self.customer(customer)}" if customer else ""

    def _plan(self, slug: str) -> str:
        return one_line(self.plans.get(slug, slug))

    def _requested(self, kind: str, request: Document) -> str:
        """As far as it is known before anything was read in Stripe."""
        if kind == Kind.PLAN_CHANGE and "plan" in request:
            seats = f", {_seats(request['seats'])}" if request.get("seats") else ""
            return f"Plan change to {self._plan(request['plan'])}{seats}"
        if kind == Kind.CANCELLATION:
            return self._end(request["action"], None)
        if request.get("amount_minor") and request.get("currency"):
            asked = Money(amount_minor=request["amount_minor"], currency=request["currency"])
            return f"{Kind(kind).label} of {asked.format()}{self._to(request.get('customer'))}"
        if kind in WAIVERS and (number := self.numbers.get(request.get("invoice") or "")):
            return f"{Kind(kind).label} of invoice {one_line(number)}"
        if kind == Kind.PORTAL_ACCESS and request.get("customer"):
            return f"{Kind(kind).label} of {self.customer(request['customer'])}"
        return Kind(kind).label

    def _end(self, action: str, plan: str | None) -> str:
        what = f"{self._plan(plan)}: " if plan else ""
        words = {"now": "Immediate cancellation", "take_back": "Take back the cancellation"}
        return f"{what}{words.get(action, 'Cancellation at the end of the period')}"

    def _made(self, made: CaseSubject) -> str:
        """What somebody made in Stripe itself."""
        if made.terms and made.cancelled:
            return f"{self._plan(made.terms[0].plan)} cancelled"
        if made.terms:
            return self._terms(*made.terms)
        if made.amount is None:
            return NOUNS[made.object_kind]
        given = made.object_kind in GIVEN
        whose = self._to(made.customer) if given else f" for {self.customer(made.customer)}"
        return f"{NOUNS[made.object_kind]} of {made.amount.format()}{whose}"

    def _terms(self, old: Terms, new: Terms) -> str:
        before, after = self._plan(old.plan), self._plan(new.plan)
        seats = _seats(new.seats)
        if old.others != new.others and (old.plan, old.seats) == (new.plan, new.seats):
            return f"Add-ons of {after}"
        return f"{before} to {after}, {seats}" if before != after else f"{after}, {old.seats} to {seats}"


def _seats(number: int) -> str:
    return f"{number} {'seat' if number == 1 else 'seats'}"


async def about(
    session: AsyncSession,
    organization: str,
    plans: Mapping[str, str],
    documents: Sequence[Document | None],
    payments: Collection[str] = (),
) -> About:
    """Looks up the customers and invoices that subjects and requests name, and the invoices of `payments`, in
    one statement each."""
    customers = {document["customer"] for document in documents if document and document.get("customer")}
    invoices = {document["invoice"] for document in documents if document and document.get("invoice")}
    names: dict[str, str] = {}
    numbers: dict[str, str] = {}
    if customers:
        found = await session.exec(
            select(Customer).where(Customer.organization_id == organization, col(Customer.id).in_(customers))
        )
        names = {row.id: row.name or row.email or row.id for row in found}
    if invoices:
        bills = await session.exec(
            select(Invoice).where(Invoice.organization_id == organization, col(Invoice.id).in_(invoices))
        )
        numbers = {row.id: row.number or row.id for row in bills}
    paid: dict[str, str] = {}
    if payments:
        of_payments = await session.exec(
            select(PaymentRow.id, Invoice)
            .join(Invoice, col(Invoice.id) == PaymentRow.invoice_id)
            .where(PaymentRow.organization_id == organization, col(PaymentRow.id).in_(payments))
        )
        for payment, invoice in of_payments:
            paid[payment], numbers[invoice.id] = invoice.id, invoice.number or invoice.id
    return About(plans, names, numbers, paid)


def payments_of(document: Document | None) -> set[str]:
    """The payments that a subject or a request is about."""
    parts = (document or {}).get("parts") or ()
    named = {(document or {}).get("payment_intent"), *(part.get("payment_intent") for part in parts)}
    return {payment for payment in named if payment}


async def headlines(
    session: AsyncSession, organization: str, plans: Mapping[str, str], operations: Collection[str]
) -> Mapping[str, str]:
    """What these operations are called, by their ids."""
    of_ours = select(Operation).where(Operation.organization_id == organization)
    found = (await session.exec(of_ours.where(col(Operation.id).in_(operations)))).all()
    documents = [document for row in found for document in (row.subject, row.request)]
    names = await about(session, organization, plans, documents)
    return {row.id: names.headline(row.kind, row.subject, row.request) for row in found}
