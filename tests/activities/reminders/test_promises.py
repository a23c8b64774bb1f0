"""Promises to pay: kept or broken once, by what the invoice has come to, and told to who follows them."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import select

from activities.reminders.promises import PromiseRecords
from billing.core.operations import CUSTOMER
from billing.mail.messages import MailRequest
from billing.reminders.runs import SettlePromises
from db.core.session import Database
from db.reminders import facts
from db.tables import Invoice, Outbox, PaymentPromise, ReminderPause, Setback

from ...support.builders import NOW, a_customer, an_invoice, store, tenant
from ...support.portal_rows import a_link, a_promise

DAY = NOW.date() + timedelta(days=3)
OVER = NOW + timedelta(days=4)


class Promised:
    """An invoice that its customer promised to pay in three days."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.records = PromiseRecords(database)

    async def make(self, **fields: Any) -> PaymentPromise:
        acme = await tenant(self.database, zone="UTC", country="XX")
        customer = a_customer(acme.id, name="Blue Bottle")
        invoice = an_invoice(customer, number="AC-0042")
        link = a_link(invoice)
        row = a_promise(link, day=DAY, ends_at=OVER, **fields)
        pause = ReminderPause(
            invoice_id=invoice.id,
            organization_id=acme.id,
            until=DAY + timedelta(days=1),
            reason="They promised to pay before then.",
            paused_by=CUSTOMER,
            paused_at=NOW,
        )
        await store(self.database, customer, invoice, link, row, pause)
        return row

    async def invoice(self, promise: PaymentPromise, **values: Any) -> None:
        async with self.database.transaction() as session:
            row = await session.get(Invoice, promise.invoice_id)
            assert row is not None
            for name, value in values.items():
                setattr(row, name, value)
            session.add(row)

    async def settle(self, at: Any = OVER) -> int:
        return await self.records.settle_promises(SettlePromises(at=at))

    async def outcome(self, promise: PaymentPromise) -> str | None:
        async with self.database.reading() as session:
            found = await session.get(PaymentPromise, promise.id)
            assert found is not None
            return found.outcome

    async def mails(self) -> list[MailRequest]:
        async with self.database.reading() as session:
            rows = await session.exec(select(Outbox).order_by(Outbox.id))
            return [MailRequest.model_validate(row.payload) for row in rows]

    async def paused(self) -> list[str]:
        async with self.database.reading() as session:
            return list(await session.exec(select(ReminderPause.paused_by)))


@pytest.fixture
def promised(database: Database) -> Promised:
    return Promised(database)


async def test_when_the_day_is_over_the_admins_hear_of_it_once_and_the_pause_ends(promised: Promised) -> None:
    promise = await promised.make(word="After our pay run")
    assert await promised.settle(OVER - timedelta(seconds=1)) == 0
    assert await promised.settle() == 1
    assert await promised.settle() == 0
    assert await promised.outcome(promise) == "broken"
    assert await promised.paused() == []
    [mail] = await promised.mails()
    assert (mail.template, mail.roles, mail.organization) == (
        "promise_broken",
        ("billing_admin",),
        promise.organization_id,
    )
    told = mail.context.promise
    assert told is not None
    assert (told.number, told.customer, told.day, told.word) == (
        "AC-0042",
        "Blue Bottle",
        DAY,
        "After our pay run",
    )


@pytest.mark.parametrize(
    ("status", "outcome"), [("paid", "kept"), ("void", "over"), ("uncollectible", "over")]
)
async def test_what_is_paid_or_void_is_settled_at_once_and_tells_nobody(
    promised: Promised, status: str, outcome: str
) -> None:
    promise = await promised.make()
    await promised.invoice(promise, status=status)
    assert await promised.settle(NOW) == 1
    assert await promised.outcome(promise) == outcome
    assert (await promised.mails(), await promised.paused()) == ([], [])


async def test_a_promise_that_was_replaced_is_never_settled(promised: Promised) -> None:
    promise = await promised.make(replaced_at=NOW)
    assert await promised.settle() == 0
    assert await promised.outcome(promise) is None


async def test_a_persons_pause_stays_when_a_promise_is_broken(promised: Promised, database: Database) -> None:
    promise = await promised.make()
    async with database.transaction() as session:
        pause = await session.get(ReminderPause, promise.invoice_id)
        assert pause is not None
        pause.paused_by = "per_bea"
        session.add(pause)
    await promised.settle()
    assert await promised.paused() == ["per_bea"]


async def test_one_promise_that_fails_keeps_no_other(
    promised: Promised, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    poor, fine = await promised.make(), await promised.make()
    settle = promised.records._settle

    async def failing(promise: str, at: Any) -> bool:
        if promise == poor.id:
            raise ValueError("spoilt")
        return await settle(promise, at)

    monkeypatch.setattr(promised.records, "_settle", failing)
    assert await promised.settle() == 1
    assert [await promised.outcome(one) for one in (poor, fine)] == [None, "broken"]
    async with database.reading() as session:
        assert [row.unit for row in await session.exec(select(Setback))] == [poor.id]


async def test_the_reminders_know_the_promise_that_stands(promised: Promised, database: Database) -> None:
    promise = await promised.make()
    async with database.reading() as session:
        found = await facts.of_invoice(session, promise.organization_id, promise.invoice_id, at=NOW)
    assert found is not None
    known = found[0].promise
    assert known is not None
    assert (known.id, known.day) == (promise.id, date(2026, 3, 5))
