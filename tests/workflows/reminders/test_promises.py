"""A customer promises to pay by a day: until then nobody reminds them, and then somebody hears of it."""

from datetime import date, timedelta

from sqlmodel import select

from billing.portal.promises import is_over_at
from db.portal import promises
from db.tables import Invoice, PaymentPromise

from ...support.house import until
from ...support.portal_rows import a_link, a_promise
from ..conftest import ON_BOTH_DATABASES
from .test_workflow import Sweep, counted
from .test_workflow import sweep as sweep


async def promised(sweep: Sweep, day: date, number: str) -> str:
    invoice = await sweep.invoice()
    await sweep.change(invoice, number=number)
    async with sweep.home.database.transaction() as session:
        row = await session.get(Invoice, invoice)
        assert row is not None
        link = a_link(row, created_at=sweep.monday, expires_at=sweep.monday + timedelta(days=60))
        session.add(link)
        await session.flush()
        word, at = "After our pay run", sweep.monday - timedelta(days=3)
        await promises.make(
            session, a_promise(link, day=day, ends_at=is_over_at(day, "UTC"), word=word, promised_at=at)
        )
    return invoice


@ON_BOTH_DATABASES
async def test_whose_day_is_to_come_is_left_alone_and_whose_has_passed_is_reminded_and_told_of(
    sweep: Sweep,
) -> None:
    today = sweep.monday.date()
    await promised(sweep, today, "AC-1")
    passed = await promised(sweep, today - timedelta(days=1), "AC-2")

    [run] = await sweep.by_schedule()

    assert counted(run)[("skipped", "paused")] == (1, {"usd": 10_000})
    assert counted(run)[("sent", "sent")] == (1, {"usd": 10_000})
    assert [step.split(":")[0] for step, state, _ in await sweep.mails() if state == "sent"] == ["promise-1d"]

    async def told() -> bool:
        return "promise_broken" in sweep.home.mail.names()

    await until(told, lambda: f"the admins heard nothing: {sweep.home.mail.names()}")
    [mail] = [one for one in sweep.home.mail.mailbox.mails if sweep.acme.admin.person.email in one["to"]]
    assert mail["subject"] == "Not paid by the promised day: invoice AC-2, USD 100.00"
    for words in ("promised to pay invoice AC-2 by Sun, ", "  > After our pay run", f"/invoices/{passed}"):
        assert words in mail["text"]
    async with sweep.home.database.reading() as session:
        found = await session.exec(select(PaymentPromise.outcome).order_by(PaymentPromise.day))
        assert list(found) == ["broken", None]
