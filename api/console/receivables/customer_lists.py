"""Everything of one customer: each of the API's lists of it as rows of one shape."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from billing.core.money import Money
from billing.money.refund_report import FAILURES

from ...customers import history
from ...customers import routes as customers
from ...customers.schemas import CustomerMailAnswer, InvoicesQuery
from ...http.models import ListOf, Query
from ...money import payments
from ...money.schemas import GivenQuery, PaymentAnswer, PaymentsQuery
from ...operations import routes as operations
from ...operations.schemas import OperationsQuery
from ...portal_admin.schemas import PortalLinksQuery
from ...reminders.schemas import RemindersQuery
from ..frame.filters import invoice_state, sentence, standing
from ..frame.subjects import About
from ..frame.visit import PageVisit

MAIL_WORDS: Mapping[str, str] = {"reminder": "Reminder of", "portal_link": "Portal link to"}


@dataclass(frozen=True)
class CustomerRow:
    """One thing: `state` as `| state` takes it, `beside` in small letters below the words, `stripe` its id
    there where nothing else tells it from others."""

    at: datetime
    words: str
    href: str | None = None
    state: str | None = None
    amount: Money | None = None
    beside: str = ""
    stripe: str | None = None


@dataclass(frozen=True)
class CustomerLook:
    """Whose list is read, and from where on; `names` are those that operations mention."""

    visit: PageVisit
    id: str
    names: About
    cursor: str | None

    def number(self, invoice: str) -> str:
        return self.names.numbers.get(invoice, invoice)

    async def read(
        self, route: Callable[..., Awaitable[ListOf[Any]]], query: Query, *ids: str
    ) -> ListOf[Any]:
        """A page of a list of the API, from where this one begins."""
        visit, asked = self.visit, query.model_copy(update={"cursor": self.cursor})
        return await route(*ids, asked, visit.request, visit.caller, visit.context)


async def _invoices(look: CustomerLook) -> ListOf[Any]:
    return await look.read(customers.list_invoices, InvoicesQuery(customer=look.id))


async def _payments(look: CustomerLook) -> ListOf[Any]:
    return await look.read(payments.list_payments, PaymentsQuery(customer=look.id))


async def _operations(look: CustomerLook) -> ListOf[Any]:
    return await look.read(operations.list_operations, OperationsQuery(customer=look.id))


def _invoice(row: Any, look: CustomerLook) -> CustomerRow:
    unpaid = row.status == "open" and row.amount_remaining != row.total
    beside = f"{row.amount_remaining.format()} unpaid" if unpaid else ""
    href = f"/invoices/{row.id}"
    return CustomerRow(row.created_at, row.number or "Draft", href, invoice_state(row), row.total, beside)


def _payment(row: PaymentAnswer, look: CustomerLook) -> CustomerRow:
    href = f"/invoices/{row.invoice}" if row.invoice else None
    beside = f"{row.amount_refunded.format()} refunded" if row.amount_refunded.amount_minor else ""
    if row.disputed:
        beside = "Disputed by the customer"
    words = f"Payment of {look.number(row.invoice)}" if row.invoice else "Payment"
    return CustomerRow(row.created_at, words, href, row.status, row.amount, beside, row.id)


def _refund(row: Any, look: CustomerLook) -> CustomerRow:
    href = f"/operations/{row.operation}" if row.operation else None
    failed = FAILURES.get(row.failure_reason, row.failure_reason) if row.failure_reason else ""
    beside = sentence(failed) or ("" if row.operation else "Made in Stripe itself")
    return CustomerRow(row.created_at, "Refund", href, row.status, row.amount, beside, row.id)


def _credit_note(row: Any, look: CustomerLook) -> CustomerRow:
    href = f"/operations/{row.operation}" if row.operation else f"/invoices/{row.invoice}"
    beside = "" if row.operation else "Made in Stripe itself"
    return CustomerRow(row.created_at, f"Credit note {row.number}", href, row.status, row.amount, beside)


def _balance(row: Any, look: CustomerLook) -> CustomerRow:
    href = f"/operations/{row.operation}" if row.operation else None
    words = row.type.replace("_", " ").capitalize()
    return CustomerRow(
        row.created_at, words, href, None, row.amount, f"{row.ending_balance.format()} afterwards"
    )


def _operation(row: Any, look: CustomerLook) -> CustomerRow:
    words = look.names.headline(row.kind, row.subject, row.request)
    return CustomerRow(row.created_at, words, f"/operations/{row.id}", standing(row), row.amount)


def _link(row: Any, look: CustomerLook) -> CustomerRow:
    opened = f"Opened {row.opens} times" if row.opens != 1 else "Opened once"
    href = f"/invoices/{row.invoice}"
    beside = opened if row.opens else "Never opened"
    words = f"Portal link to {look.number(row.invoice)}"
    return CustomerRow(row.created_at, words, href, f"link_{row.state}", None, beside)


def _mail(row: CustomerMailAnswer, look: CustomerLook) -> CustomerRow:
    words = f"{MAIL_WORDS.get(row.template, row.template)} {look.number(row.invoice)}"
    to = f"To {row.address}" if row.address else ""
    beside = row.words if row.state in ("held", "skipped", "bounced") else to
    return CustomerRow(
        row.decided_at, words, f"/invoices/{row.invoice}", f"mail_{row.state}", row.amount, beside
    )


class CustomerTab(NamedTuple):
    words: str
    read: Callable[[CustomerLook], Awaitable[ListOf[Any]]]
    show: Callable[[Any, CustomerLook], CustomerRow]


TABS: Mapping[str, CustomerTab] = {
    "invoices": CustomerTab("Invoices", _invoices, _invoice),
    "payments": CustomerTab("Payments", _payments, _payment),
    "refunds": CustomerTab(
        "Refunds", lambda look: look.read(history.list_refunds, GivenQuery(), look.id), _refund
    ),
    "credit-notes": CustomerTab(
        "Credit notes", lambda look: look.read(history.list_credit_notes, GivenQuery(), look.id), _credit_note
    ),
    "balance": CustomerTab(
        "Balance", lambda look: look.read(history.list_balance_transactions, GivenQuery(), look.id), _balance
    ),
    "activity": CustomerTab("Activity", _operations, _operation),
    "links": CustomerTab(
        "Portal links", lambda look: look.read(history.list_portal_links, PortalLinksQuery(), look.id), _link
    ),
    "mails": CustomerTab(
        "Mails", lambda look: look.read(history.list_mails, RemindersQuery(), look.id), _mail
    ),
}


async def rows_of(tab: str, look: CustomerLook) -> tuple[list[CustomerRow], str | None]:
    """A page of the tab, and where the next one begins."""
    found = await TABS[tab].read(look)
    mentioned = await look.visit.names([row.model_dump(include={"invoice"}) for row in found.data])
    named = replace(look, names=replace(look.names, numbers=mentioned.numbers))
    return [TABS[tab].show(row, named) for row in found.data], found.next_cursor
