"""The books of a busy organization, for benchmarks of what people look at, written straight into tables."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlmodel import SQLModel

from billing.approvals.ladder import Rung
from billing.core.hashing import digest
from billing.core.money import Money
from billing.core.operations import Kind, Role
from billing.money.credit import CreditSubject
from billing.plan_changes.plans import Plan, PlanLimits, Price
from billing.policy.policy import Policy
from db.core.session import Database
from db.mirror import mirror
from db.tables import (
    Approval,
    Commitment,
    Customer,
    CustomerMail,
    Invoice,
    InvoiceLines,
    Operation,
    OperationObject,
    Organization,
    PaymentRow,
    Person,
    PortalLink,
    RefundRow,
    TimelineEvent,
    new_id,
)

CHUNK = 2_000
CUSTOMERS, OPEN_APPROVALS = 2_000, 100
HOME = "org_books"
DAY = timedelta(days=1)
BETWEEN_OPERATIONS = timedelta(minutes=26)
"""Twenty thousand in a year."""
STATUSES = ("open", "paid", "paid", "paid", "void", "draft", "uncollectible", "open")


PLAN = Plan(
    plan="growth",
    name="Growth",
    product="prod_growth",
    seats_included=10,
    limits=PlanLimits(seats=50, customers=None, ar_balance=None),
    prices=(Price(id="price_growth", interval="month", unit_amount=4_900, currency="usd"),),
)


@dataclass(frozen=True)
class Books:
    """Whom to look as, and ids of things that pages are about."""

    people: Mapping[Role, Person]
    invoice: str
    paid: str
    payment: str
    customer: str
    operation: str
    approval: str


async def fill(database: Database, policy: Policy, invoices: int, operations: int, now: datetime) -> Books:
    """An organization with so many invoices and operations, and what belongs to them."""
    order = random.Random(14)
    home = Organization(
        id=HOME,
        name="Books",
        zone="Europe/Berlin",
        country="DE",
        stripe_customer="cus_books",
        stripe_subscription="sub_books",
        subscription={
            "plan": PLAN.plan,
            "price": PLAN.prices[0].id,
            "seats": 10,
            "interval": "month",
            "currency": "usd",
            "period_start": int(now.timestamp()),
            "period_end": int((now + 30 * DAY).timestamp()),
            "status": "active",
        },
        synced_at=now,
        created_at=now,
    )
    people = {role: _person(role, now) for role in Role}
    async with database.transaction() as session:
        session.add(home)
        await session.flush()
        session.add_all(people.values())
        await mirror.store_plan(session, PLAN, synced_at=now)
    customers = [_customer(number, now) for number in range(CUSTOMERS)]
    bills = [_invoice(number, order.choice(customers), now) for number in range(invoices)]
    paid = [bill for bill in bills if bill.status == "paid"]
    payments = [_payment(bill) for bill in paid]
    mailed = [bill for bill in bills if bill.status not in ("draft", "void")]
    admin, document = people[Role.BILLING_ADMIN], policy.model_dump(mode="json")
    asked = [_operation(number, order.choice(paid), admin, document, now) for number in range(operations)]
    waiting = [_approval(one, now) for one in asked[:OPEN_APPROVALS]]
    rows: Sequence[Sequence[SQLModel]] = (
        customers,
        bills,
        [_lines(bill) for bill in bills],
        payments,
        [_refund(payment) for payment in payments[:: max(1, len(payments) // (operations // 2))]],
        [_link(bill) for bill in mailed],
        [_mail(bill) for bill in mailed],
        asked,
        [_object(one) for one in asked],
        [_event(one) for one in asked],
        [_commitment(one) for one in asked],
        waiting,
    )
    for table in rows:
        await _store(database, table)
    return Books(
        people,
        invoice=next(bill.id for bill in reversed(bills) if bill.status == "open"),
        paid=asked[0].request["invoice"],
        payment=payments[-1].id,
        customer=asked[0].customer_id or "",
        operation=asked[0].id,
        approval=waiting[0].id,
    )


async def _store(database: Database, rows: Sequence[SQLModel]) -> None:
    for chunk in _chunks([row.model_dump() for row in rows]):
        async with database.transaction() as session:
            await (await session.connection()).execute(insert(type(rows[0])), chunk)


def _chunks(values: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def _person(role: Role, now: datetime) -> Person:
    return Person(
        id=f"per_{role.value}",
        organization_id=HOME,
        name=f"Ann {role.value}",
        email=f"{role.value}@books.example",
        roles=[role.value],
        created_at=now,
    )


def _customer(number: int, now: datetime) -> Customer:
    return Customer(
        id=f"cus_{number:06}",
        organization_id=HOME,
        name=f"Customer {number:06} & Sons",
        email=f"payables.{number:06}@customer.example",
        currency="usd",
        balance=-(number % 7) * 100,
        created_at=now - number * timedelta(hours=3),
        synced_at=now,
    )


def _invoice(number: int, customer: Customer, now: datetime) -> Invoice:
    status, total = STATUSES[number % len(STATUSES)], 1_000 + number * 37 % 900_000
    unpaid = total if status in ("open", "uncollectible") else 0
    created = now - number * timedelta(minutes=11)
    return Invoice(
        id=f"in_{number:06}",
        organization_id=HOME,
        customer_id=customer.id,
        number=None if status == "draft" else f"BOOK-{number:06}",
        status=status,
        currency="usd",
        total=total,
        amount_due=total,
        amount_paid=total - unpaid,
        amount_remaining=unpaid,
        due_date=created + 30 * DAY,
        created_at=created,
        synced_at=now,
        finalized_at=created,
        collection_method="send_invoice",
    )


def _lines(bill: Invoice) -> InvoiceLines:
    begins = int(bill.created_at.timestamp())
    line = {"description": "Service", "quantity": 1, "period_start": begins, "period_end": begins + 86_400}
    return InvoiceLines(
        invoice_id=bill.id,
        organization_id=HOME,
        lines=[line | {"amount": bill.total}],
        complete=True,
        synced_at=bill.synced_at,
    )


def _payment(bill: Invoice) -> PaymentRow:
    return PaymentRow(
        id=bill.id.replace("in_", "pi_"),
        organization_id=HOME,
        customer_id=bill.customer_id,
        invoice_id=bill.id,
        charge=bill.id.replace("in_", "ch_"),
        currency="usd",
        amount=bill.total,
        status="succeeded",
        created_at=bill.created_at,
        synced_at=bill.synced_at,
    )


def _refund(payment: PaymentRow) -> RefundRow:
    return RefundRow(
        id=payment.id.replace("pi_", "re_"),
        organization_id=HOME,
        customer_id=payment.customer_id,
        payment_intent=payment.id,
        amount=100,
        currency="usd",
        status="succeeded",
        created_at=payment.created_at,
        synced_at=payment.synced_at,
    )


def _link(bill: Invoice) -> PortalLink:
    return PortalLink(
        id=bill.id.replace("in_", "plk_"),
        organization_id=HOME,
        customer_id=bill.customer_id,
        invoice_id=bill.id,
        issued_by="system",
        reason="reminder",
        created_at=bill.created_at,
        expires_at=bill.created_at + 60 * DAY,
    )


def _mail(bill: Invoice) -> CustomerMail:
    return CustomerMail(
        id=bill.id.replace("in_", "cml_"),
        organization_id=HOME,
        customer_id=bill.customer_id,
        invoice_id=bill.id,
        step="due-7d",
        template="reminder",
        state="sent",
        reason="sent",
        amount_minor=bill.total,
        currency="usd",
        decided_at=bill.created_at,
        due_at=bill.created_at,
        settled_at=bill.created_at,
    )


def _operation(number: int, bill: Invoice, by: Person, policy: dict[str, Any], now: datetime) -> Operation:
    """A credit; the latest ones wait for an approval."""
    amount = Money(amount_minor=60_000 + number, currency="usd")
    nothing, id_ = Money.zero("usd"), new_id("op")
    subject = CreditSubject(
        customer=bill.customer_id,
        instrument="balance",
        invoice=None,
        invoice_number=None,
        amount=amount,
        reduces_due=nothing,
        to_balance=amount,
        reason="goodwill",
        note="The service was down for a day.",
    ).model_dump(mode="json")
    at = now - timedelta(hours=1) - number * BETWEEN_OPERATIONS
    return Operation(
        id=id_,
        organization_id=HOME,
        kind=Kind.CREDIT.value,
        state="completed",
        stage="done",
        request={"invoice": bill.id, "customer": bill.customer_id, "reason": "goodwill"},
        request_hash="1" * 64,
        idempotency_key=f"books-{number}",
        subject=subject,
        policy=policy if number % 100 == 0 else {},
        requested_by=by.id,
        workflow_id=f"operation-{id_}",
        created_at=at,
        updated_at=at,
        closed_at=at,
        authors=[{"person": by.id, "at": at.isoformat(), "how": "asked"}],
        customer_id=bill.customer_id,
        amount_minor=amount.amount_minor,
        currency="usd",
    )


def _object(operation: Operation) -> OperationObject:
    return OperationObject(
        object_id=operation.request["invoice"], operation_id=operation.id, organization_id=HOME
    )


def _event(operation: Operation) -> TimelineEvent:
    return TimelineEvent(
        operation_id=operation.id,
        seq=1,
        key="requested",
        at=operation.created_at,
        actor=operation.requested_by,
        code="credit_requested",
        detail=operation.request,
        prev_hash="0" * 64,
        hash="1" * 64,
    )


def _commitment(operation: Operation) -> Commitment:
    return Commitment(
        operation_id=operation.id,
        part=0,
        organization_id=HOME,
        kind=operation.kind,
        amount_minor=operation.amount_minor or 0,
        currency="usd",
        person_id=operation.requested_by,
        customer_id=operation.customer_id,
        authority_of=operation.requested_by,
        decided_at=operation.created_at,
        created_at=operation.created_at,
    )


def _approval(operation: Operation, now: datetime) -> Approval:
    """Its operation waits, too."""
    operation.state, operation.stage, operation.closed_at = "awaiting_approval", "review", None
    operation.approval_id = f"apr_{operation.id.removeprefix('op_')}-1"
    ladder = [
        Rung(roles=(role,), opens_at=now + wait, deadline=now + wait + DAY, remind_at=(), state=state)
        for role, wait, state in ((Role.CONTROLLER, -DAY / 24, "active"), (Role.LEGAL, DAY, "waiting"))
    ]
    return Approval(
        id=operation.approval_id,
        organization_id=HOME,
        operation_id=operation.id,
        kind=operation.kind,
        round=1,
        subject=operation.subject or {},
        subject_hash=digest(operation.subject or {}),
        amount_minor=operation.amount_minor,
        currency="usd",
        state="open",
        ladder=[rung.model_dump(mode="json") for rung in ladder],
        deadline=ladder[0].deadline,
        requested_by=operation.requested_by,
        opened_at=operation.created_at,
        customer_id=operation.customer_id,
        authors=operation.authors,
        counted=[Kind.REFUND.value, Kind.CREDIT.value],
    )
