"""What must hold whatever the adversary does."""

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlmodel import col, select

from billing.core.operations import Kind, Role
from billing.money.messages import Commit
from db.money import commitments, weighing
from db.tables import Case, Commitment

from ...support.case_rules import case_rules
from .adversary_scene import Scene


async def check(scene: Scene) -> None:
    """In the end, when everything was compared."""
    record = await recorded(scene)
    assert record == scene.books.of_customers(), "what the record counts is what was given"
    for customer in scene.customers:
        assert await in_window(scene, customer) == record.get(customer, 0), "the window counts all of it"
    async with scene.database.reading() as session:
        open_ = set(await session.exec(select(Case.object_id).where(col(Case.closed_at).is_(None))))
        given = {one.operation for one in scene.asked if (scene.customer, one.operation) in scene.books.given}
        rows = await session.exec(select(Commitment).where(col(Commitment.operation_id).in_(given)))
        assert all(row.decided_at is not None and row.authority_of is not None for row in rows)
        wanted = select(Case.customer_id, Case.object_id, Commitment.amount_minor).join(
            Commitment, col(Commitment.operation_id) == col(Case.operation_id)
        )
        counted = await session.exec(
            wanted.where(col(Commitment.released_at).is_(None), Commitment.amount_minor > 0)
        )
        cases = by_gift(counted)
    outside = [(*one, amount) for one, amount in scene.books.given.items() if one[1] in scene.books.outside]
    assert cases == by_gift(outside), "each counts what it gave"
    assert {what for _, what, _ in outside} <= open_, "what nobody asked for is an open case"


def by_gift(found: Iterable[tuple[str | None, str, int | None]]) -> dict[tuple[str | None, str], int]:
    """By customer and what it is of; a discount may be counted in several cases."""
    sums: dict[tuple[str | None, str], int] = {}
    for customer, what, amount in found:
        key = customer, what.partition(":")[0] if what.startswith("di_") else what
        sums[key] = sums.get(key, 0) + (amount or 0)
    return sums


async def recorded(scene: Scene) -> dict[str, int]:
    """What counts of each customer, whatever it is of."""
    async with scene.database.reading() as session:
        wanted = select(Commitment).where(
            col(Commitment.released_at).is_(None), col(Commitment.decided_at).is_not(None)
        )
        rows = list(await session.exec(wanted))
        undone = {one.operation for one in scene.asked if one.allowed and not scene.has_given(one)}
    found: dict[str, int] = {}
    for row in rows:
        if row.operation_id not in undone and row.amount_minor:
            found[str(row.customer_id)] = found.get(str(row.customer_id), 0) + row.amount_minor
    return found


async def in_window(scene: Scene, customer: str) -> int:
    """What the product says that the customer was given, were they given something now."""
    order = Commit.under(
        case_rules().policy,
        Kind.REFUND,
        "goodwill",
        organization=scene.tenant.id,
        operation="op_none",
        person=scene.tenant.admin.id,
        customer=customer,
        currency="usd",
        parts=(),
        at=datetime.now(UTC),
    )
    async with scene.database.reading() as session:
        _, figures = await weighing.weigh(session, order)
    waiting = sum(
        one.amount for one in scene.asked if one.allowed and not one.over and customer == scene.customer
    )
    return int(figures["used"]["30"]["to_customer"]["amount_minor"]) - waiting


async def covered(scene: Scene, kind: Kind, amount: int) -> bool:
    """Whether an admin may give the customer so much alone, by the policy's figures and all that counts of
    whatever kind."""
    async with scene.database.reading() as session:
        wanted = select(Commitment).where(
            col(Commitment.released_at).is_(None), col(Commitment.decided_at).is_not(None)
        )
        rows = list(await session.exec(wanted))
    [limit] = case_rules().policy.authority[kind][Role.BILLING_ADMIN]
    by_person = sum(row.amount_minor for row in rows if row.authority_of == scene.tenant.admin.id)
    to_customer = sum(row.amount_minor for row in rows if row.customer_id == scene.customer)
    assert limit.customer_total is not None
    return (
        amount <= limit.per_item.amount_minor
        and by_person + amount <= limit.window_total.amount_minor
        and to_customer + amount <= limit.customer_total.amount_minor
    )


async def check_held(scene: Scene) -> None:
    """What is held of the invoice that is asked for is never more than is left of it, once it is more."""
    invoice, payment = scene.paid[-1]
    paid, back = await standing(scene, invoice, payment)
    async with scene.database.reading() as session:
        of_invoice = await commitments.on_invoice(session, invoice, excluding="")
        of_payment = await commitments.on_payments(session, [payment], excluding="")
    held = [*of_invoice, *(row for row in of_payment if row.invoice_id != invoice)]
    waiting = [row for row in held if (scene.customer, row.operation_id) not in scene.books.given]
    if any(row.operation_id == scene.asked[-1].operation for row in waiting):
        assert sum(row.amount_minor for row in waiting) <= paid - back, (paid, back)


async def given_back(scene: Scene) -> list[tuple[int, int]]:
    """Of each invoice, what was paid for it and what was given back of it."""
    return [await standing(scene, *paid) for paid in scene.paid]


def check_given_back(before: list[tuple[int, int]], after: list[tuple[int, int]]) -> None:
    """What we have just given back of an invoice was there to give."""
    for was, (paid, back) in zip(before, after, strict=True):
        assert (paid, back) == was or back <= paid, (was, paid, back)


async def standing(scene: Scene, invoice: str, payment: str) -> tuple[int, int]:
    """What was paid for an invoice, and what was given back of it, as Stripe has it."""
    v1 = scene.shop.client.v1
    bill = await v1.invoices.retrieve_async(invoice)
    found = await v1.payment_intents.retrieve_async(payment, {"expand": ["latest_charge"]})
    back = int(found.to_dict()["latest_charge"]["amount_refunded"])
    notes = await v1.credit_notes.list_async({"invoice": invoice, "limit": 100})
    for one in notes.data:
        note = one.to_dict()
        back += note["post_payment_amount"] - sum(r["amount_refunded"] for r in note["refunds"])
    return bill.amount_paid - min(bill.starting_balance, 0), back
