"""Mails to customers: decided once, sent by one claimant at a time, settled by nobody else."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.core.operations import Kind, State
from billing.reminders.runs import Count
from db.core.session import Database
from db.mail import customer_mails
from db.reminders import runs as reminder_runs
from db.tables import Customer, CustomerMail, Operation, new_id

from ...support.builders import NOW, a_customer, an_invoice, an_operation, store, tenant

UNTIL = NOW + timedelta(seconds=60)
LATER = NOW + timedelta(minutes=5)


class Books:
    """An organization with a run, a customer and their invoice."""

    def __init__(self, database: Database, run: Operation, other: Operation, customer: Customer) -> None:
        self.database, self.run, self.other, self.customer = database, run, other, customer
        self.invoice = an_invoice(customer, id="in_1")

    def mail(self, step: str = "due-7d", **fields: Any) -> CustomerMail:
        defaults: dict[str, Any] = {
            "id": new_id("cml"),
            "organization_id": self.run.organization_id,
            "customer_id": self.customer.id,
            "invoice_id": "in_1",
            "step": step,
            "template": "reminder",
            "operation_id": self.run.id,
            "state": "due",
            "reason": "due",
            "amount_minor": 10_000,
            "currency": "usd",
            "decided_at": NOW,
            "due_at": NOW,
        }
        return CustomerMail(**defaults | fields)

    async def add(self, *mails: CustomerMail) -> None:
        async with self.database.transaction() as session:
            await customer_mails.add_decisions(session, [mail.model_dump() for mail in mails])

    async def change(self, mail: CustomerMail, *, was: str, now: datetime = NOW, **new: Any) -> None:
        values = {
            "state": mail.state,
            "reason": mail.reason,
            "due_at": mail.due_at,
            "decided_at": now,
            "settled_at": None,
            "operation_id": self.run.id,
            "amount_minor": mail.amount_minor,
        } | new
        row = {"which": mail.id, "was": was, "now": now} | {f"new_{k}": v for k, v in values.items()}
        async with self.database.transaction() as session:
            await customer_mails.change_decisions(session, [row])

    async def claim(self, at: datetime = NOW, **which: str) -> CustomerMail | None:
        which = which or {"operation": self.run.id}
        async with self.database.transaction() as session:
            until = at + timedelta(seconds=60)
            found = await customer_mails.claim(session, at=at, until=until, most=1, **which)
            return found[0] if found else None

    async def claimed(self, at: datetime = NOW, **which: str) -> CustomerMail:
        mail = await self.claim(at, **which)
        assert mail is not None
        return mail

    async def settle(self, how: str, mail: CustomerMail, **values: Any) -> bool:
        async with self.database.transaction() as session:
            settled: bool = await getattr(customer_mails, how)(session, mail, **values)
        return settled

    async def read(self, mail: CustomerMail) -> CustomerMail:
        async with self.database.reading() as session:
            found = await session.get(CustomerMail, mail.id)
        assert found is not None
        return found

    async def all(self) -> list[CustomerMail]:
        async with self.database.reading() as session:
            return (await reminder_runs.of_invoice(self.run.organization_id, "in_1").page(session)).rows


@pytest.fixture
async def books(database: Database) -> Books:
    acme = await tenant(database)
    run, other = (an_operation(acme, kind=Kind.REMINDER_RUN.value) for _ in range(2))
    customer = a_customer(acme.id)
    books = Books(database, run, other, customer)
    await store(database, run, other, customer)
    await store(database, books.invoice)
    return books


# --- Decisions --------------------------------------------------------------------------------------------


async def test_a_step_is_decided_once_by_whoever_comes_first(books: Books) -> None:
    first, second = books.mail(), books.mail(state="skipped", reason="paused")

    await books.add(first)
    await books.add(second, books.mail("due-1d"))

    found = await books.all()
    assert {(mail.step, mail.state) for mail in found} == {("due-7d", "due"), ("due-1d", "due")}
    assert first.id in {mail.id for mail in found}


async def test_two_who_decide_at_the_same_time_decide_each_step_once(books: Books) -> None:
    steps = [f"step-{number:02}" for number in range(40)]

    await asyncio.gather(
        *(
            books.add(*(books.mail(step, operation_id=run.id) for step in steps))
            for run in (books.run, books.other, books.run, books.other)
        )
    )

    assert sorted(mail.step for mail in await books.all()) == steps


async def test_a_dry_run_decides_apart_from_all_others(books: Books) -> None:
    await books.add(books.mail())
    await books.add(books.mail(dry_run=books.other.id), books.mail("due-1d", dry_run=books.other.id))

    assert [mail.step for mail in await books.all()] == ["due-7d"]


async def test_what_is_held_is_released_once(books: Books) -> None:
    mail = books.mail(state="held", reason="quiet_hours", due_at=LATER)
    await books.add(mail)

    await books.change(mail, was="held", now=LATER, state="due", reason="due", operation_id=books.other.id)
    await books.change(mail, was="held", now=LATER, state="skipped", reason="paid", settled_at=LATER)

    found = await books.read(mail)
    assert (found.state, found.reason, found.operation_id) == ("due", "due", books.other.id)
    assert (found.decided_at, found.settled_at) == (LATER, None)


async def test_what_somebody_is_sending_is_not_decided_anew_until_they_have_died(books: Books) -> None:
    mail = books.mail()
    await books.add(mail)
    await books.claimed()

    await books.change(mail, was="due", now=UNTIL - timedelta(seconds=1), state="skipped", reason="paid")
    assert (await books.read(mail)).state == "due"

    await books.change(mail, was="due", now=UNTIL, state="skipped", reason="paid", settled_at=UNTIL)
    found = await books.read(mail)
    assert (found.state, found.reason, found.settled_at) == ("skipped", "paid", UNTIL)


@pytest.mark.parametrize(
    ("status", "reason"),
    [("paid", "paid"), ("void", "void"), ("uncollectible", "uncollectible"), ("deleted", "not_open")],
)
async def test_what_waits_for_an_invoice_that_is_no_longer_open_is_skipped(
    books: Books, status: str, reason: str
) -> None:
    closed = an_invoice(books.customer, id="in_2", status=status)
    held, left, running = (
        books.mail("a", invoice_id="in_2", state="held", reason="weekend"),
        books.mail("b", invoice_id="in_2", operation_id=books.other.id),
        books.mail("c", invoice_id="in_2"),
    )
    open_ = books.mail(state="held", reason="weekend")
    await store(books.database, closed)
    await books.add(held, left, running, open_)
    async with books.database.transaction() as session:
        ended = await session.get(Operation, books.other.id)
        assert ended is not None
        ended.state, ended.closed_at = State.FAILED.value, NOW
        session.add(ended)

    async with books.database.transaction() as session:
        organization = books.run.organization_id
        assert await customer_mails.left_of_closed_invoices(session, organization, at=LATER)
        await customer_mails.skip_of_closed_invoices(
            session, organization, operation_id=books.run.id, at=LATER
        )
        assert not await customer_mails.left_of_closed_invoices(session, organization, at=LATER)

    for mail in (held, left):
        found = await books.read(mail)
        assert (found.state, found.reason, found.operation_id) == ("skipped", reason, books.run.id)
        assert found.settled_at == LATER
    # What a run that goes on is about to send is its own business; the other invoice is open.
    assert [(await books.read(mail)).state for mail in (running, open_)] == ["due", "held"]


async def test_nobody_has_to_look_before_a_held_reminder_of_a_paid_invoice_comes_due(books: Books) -> None:
    await store(books.database, an_invoice(books.customer, id="in_2", status="paid"))
    await books.add(books.mail(invoice_id="in_2", state="held", reason="weekend", due_at=LATER))

    async with books.database.reading() as session:
        looks = [
            await customer_mails.left_of_closed_invoices(session, books.run.organization_id, at=at)
            for at in (LATER - timedelta(seconds=1), LATER)
        ]
    assert looks == [False, True]


async def test_what_is_called_off_is_not_sent_but_for_what_is_on_its_way(books: Books) -> None:
    mails = [books.mail("a"), books.mail("b"), books.mail("c", operation_id=books.other.id)]
    await books.add(*mails, books.mail("d", state="held", reason="weekend"))
    sending = await books.claimed()

    async with books.database.transaction() as session:
        await customer_mails.call_off(session, books.run.id, at=NOW)

    [called_off] = [mail for mail in await books.all() if mail.reason == "called_off"]
    assert called_off.step == ({"a", "b"} - {sending.step}).pop()
    assert (called_off.state, called_off.settled_at) == ("skipped", NOW)
    assert await books.settle("settle_sent", sending, at=LATER, address="ann@customer.example")


# --- Sending ----------------------------------------------------------------------------------------------


async def test_a_mail_is_claimed_by_one_sender_until_they_have_died(books: Books) -> None:
    await books.add(books.mail())

    first = await books.claimed()

    assert (first.attempts, first.claimed_until) == (1, UNTIL)
    assert await books.claim(UNTIL - timedelta(seconds=1)) is None
    second = await books.claimed(UNTIL)
    assert (second.id, second.attempts) == (first.id, 2)


async def test_who_claims_at_the_same_time_gets_different_mails(books: Books) -> None:
    await books.add(*(books.mail(f"step-{number}") for number in range(6)))

    claimed = await asyncio.gather(*(books.claim() for _ in range(9)))
    found = {mail.id for mail in claimed if mail}
    # Who was passed over because another was just being claimed comes back.
    while again := await books.claim():
        assert again.id not in found
        found.add(again.id)

    assert len(found) == 6
    assert {mail.attempts for mail in await books.all()} == {1}


async def test_only_what_is_due_now_and_of_the_run_is_claimed(books: Books) -> None:
    await books.add(
        books.mail("later", due_at=LATER),
        books.mail("held", state="held", reason="weekend"),
        books.mail("sent", state="sent", reason="sent"),
        books.mail("another's", operation_id=books.other.id),
        books.mail("dry", dry_run=books.run.id),
    )

    assert await books.claim() is None
    assert (await books.claimed(LATER)).step == "later"
    assert await books.claim(LATER) is None


async def test_one_mail_can_be_claimed_by_its_name(books: Books) -> None:
    mail = books.mail("link:1", template="portal_link", operation_id=None)
    await books.add(mail, books.mail())

    assert (await books.claimed(mail=mail.id)).id == mail.id
    assert await books.claim(mail=mail.id) is None


async def test_a_sent_mail_keeps_where_it_went(books: Books) -> None:
    await books.add(books.mail())
    assert await books.settle("postpone", await books.claimed(), due_at=NOW, smtp_code=451)
    mail = await books.claimed()

    assert await books.settle("settle_sent", mail, at=LATER, address="ann@customer.example")

    found = await books.read(mail)
    assert (found.state, found.reason, found.address) == ("sent", "sent", "ann@customer.example")
    assert found.smtp_code is None, "no earlier try's"
    assert (found.settled_at, found.claimed_until) == (LATER, None)
    assert not await books.settle("settle_skipped", mail, at=LATER, reason="paid")


async def test_a_bounced_mail_is_not_tried_again(books: Books) -> None:
    await books.add(books.mail())
    mail = await books.claimed()

    assert await books.settle("settle_bounced", mail, at=LATER, address="ann@customer.example", smtp_code=550)

    found = await books.read(mail)
    assert (found.state, found.reason, found.smtp_code) == ("bounced", "bounced", 550)
    assert await books.claim(LATER) is None


async def test_a_postponed_mail_stays_due_for_later(books: Books) -> None:
    await books.add(books.mail())
    mail = await books.claimed()

    assert await books.settle("postpone", mail, due_at=LATER, smtp_code=451)

    found = await books.read(mail)
    assert (found.state, found.reason, found.due_at, found.smtp_code) == ("due", "later", LATER, 451)
    assert await books.claim(LATER - timedelta(seconds=1)) is None
    assert (await books.claimed(LATER)).attempts == 2


async def test_a_mail_whose_hour_is_over_is_held_again(books: Books) -> None:
    await books.add(books.mail())
    mail = await books.claimed()

    assert await books.settle("hold", mail, due_at=LATER, reason="quiet_hours")

    found = await books.read(mail)
    assert (found.state, found.reason, found.due_at) == ("held", "quiet_hours", LATER)
    assert await books.claim(LATER) is None


@pytest.mark.parametrize(
    ("how", "values"),
    [
        ("settle_sent", {"at": LATER, "address": "ann@customer.example"}),
        ("settle_bounced", {"at": LATER, "address": "ann@customer.example", "smtp_code": 550}),
        ("settle_skipped", {"at": LATER, "reason": "paid"}),
        ("postpone", {"due_at": LATER}),
        ("hold", {"due_at": LATER, "reason": "weekend"}),
    ],
)
async def test_who_comes_back_from_the_dead_settles_nothing(
    books: Books, how: str, values: dict[str, Any]
) -> None:
    await books.add(books.mail())
    dead = await books.claimed()
    alive = await books.claimed(UNTIL)

    assert not await books.settle(how, dead, **values)

    found = await books.read(alive)
    assert (found.state, found.reason, found.attempts) == ("due", "due", 2)
    assert found.claimed_until == UNTIL + timedelta(seconds=60)
    assert await books.settle("settle_sent", alive, at=LATER, address="ann@customer.example")


async def test_what_waits_is_counted(books: Books) -> None:
    one = books.mail("a")
    await books.add(one, books.mail("b", due_at=LATER), books.mail("c", state="held", reason="weekend"))

    async with books.database.reading() as session:
        assert await customer_mails.waiting(session, operation=books.run.id) == 2
        assert await customer_mails.waiting(session, operation=books.other.id) == 0
        assert await customer_mails.waiting(session, mail=one.id) == 1


# --- Reading ----------------------------------------------------------------------------------------------


async def test_a_run_is_summed_up_by_end_and_reason_with_amounts_by_currency(books: Books) -> None:
    await books.add(
        books.mail("a"),
        books.mail("b", amount_minor=250),
        books.mail("c", amount_minor=1_200, currency="jpy"),
        books.mail("d", state="skipped", reason="paid", amount_minor=0),
        books.mail("e", operation_id=books.other.id),
    )

    async with books.database.reading() as session:
        assert await reminder_runs.counts(session, books.run.id) == (
            Count(state="due", reason="due", mails=3, amounts={"jpy": 1_200, "usd": 10_250}),
            Count(state="skipped", reason="paid", mails=1, amounts={"usd": 0}),
        )


async def test_a_runs_decisions_are_paged_the_newest_first(books: Books) -> None:
    mails = [books.mail(f"step-{number}", id=f"cml_{number}") for number in range(5)]
    await books.add(*mails, books.mail("held", state="held", reason="weekend"))

    async with books.database.reading() as session:
        decisions = reminder_runs.decisions(books.run.id, state="due")
        first = await decisions.page(session, limit=3)
        rest = await decisions.page(session, limit=3, cursor=first.next_cursor)

    assert [mail.step for mail in first.rows] == ["step-4", "step-3", "step-2"]
    assert ([mail.step for mail in rest.rows], rest.next_cursor) == (["step-1", "step-0"], None)


async def test_an_invoice_of_another_organization_has_no_mails(books: Books) -> None:
    await books.add(books.mail())

    async with books.database.reading() as session:
        assert (await reminder_runs.of_invoice("org_other", "in_1").page(session)).rows == []
