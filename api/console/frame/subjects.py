"""What an operation is about, with its type, and the names by which people know it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.core.operations import Kind
from billing.core.text import one_line
from billing.operations.payloads import OperationSubject, read_subject
from billing.plan_changes.subject import PlanChangeSubject
from db.tables import Customer, Invoice

from .words import KINDS

Document = Mapping[str, Any]


@dataclass(frozen=True)
class About:
    """The names of what subjects mention: plans by their short names, customers and invoices by their ids."""

    plans: Mapping[str, str]
    customers: Mapping[str, str]
    numbers: Mapping[str, str]

    def subject(self, kind: str, document: Document | None) -> OperationSubject | None:
        return read_subject(kind, document)

    def headline(self, kind: str, subject: Document | None, request: Document) -> str:
        """`Growth to Scale, 8 seats` or `Refund of USD 13.00 to Hazel Ltd`."""
        typed = read_subject(kind, subject)
        if isinstance(typed, PlanChangeSubject):
            return self._plan_change(typed)
        amount = getattr(typed, "amount", None)
        if isinstance(amount, Money):
            return f"{KINDS[kind]} of {amount.format()}{self._to(getattr(typed, 'customer', None))}"
        if kind == Kind.PLAN_CHANGE and "plan" in request:
            seats = f", {_seats(request['seats'])}" if request.get("seats") else ""
            return f"Plan change to {self._plan(request['plan'])}{seats}"
        if request.get("amount_minor") and request.get("currency"):
            asked = Money(amount_minor=request["amount_minor"], currency=request["currency"])
            return f"{KINDS[kind]} of {asked.format()}{self._to(request.get('customer'))}"
        return KINDS.get(kind, kind)

    def customer(self, id_: str | None) -> str:
        return one_line(self.customers.get(id_ or "") or "a customer")

    def _to(self, customer: str | None) -> str:
        return f" to {self.customer(customer)}" if customer else ""

    def _plan(self, slug: str) -> str:
        return one_line(self.plans.get(slug, slug))

    def _plan_change(self, subject: PlanChangeSubject) -> str:
        before, after = self._plan(subject.from_.plan), self._plan(subject.to.plan)
        seats = _seats(subject.to.seats)
        if before != after:
            return f"{before} to {after}, {seats}"
        return f"{after}, {subject.from_.seats} to {seats}"


def _seats(number: int) -> str:
    return f"{number} {'seat' if number == 1 else 'seats'}"


async def about(
    session: AsyncSession, organization: str, plans: Mapping[str, str], documents: Sequence[Document | None]
) -> About:
    """Looks up the customers and invoices that subjects and requests name, in one statement each."""
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
    return About(plans, names, numbers)
