"""A promise to pay by a day: what may be promised, what it pauses, and that nothing is done twice."""

from datetime import date, datetime, timedelta
from time import sleep
from zoneinfo import ZoneInfo

import pytest
from httpx import Response
from sqlmodel import select

from db.core.session import Database
from db.reminders import pauses
from db.tables import Invoice, PaymentPromise, ReminderPause

from ...support.builders import NOW, Tenant, store
from ..conftest import ON_ONE_DATABASE, Api
from ..portal_customer import BROWSER, Visitor
from .test_account import at_account, mailed
from .test_account import visitor as visitor


def today(plus: int = 0) -> date:
    """The day where the customer is, who has no zone of their own. Never in its last seconds: a test would
    begin on one day and end on the next."""
    at = datetime.now(ZoneInfo("America/New_York"))
    if (at.hour, at.minute) == (23, 59):
        sleep(60 - at.second)
        return today(plus)
    return at.date() + timedelta(days=plus)


def friday() -> date:
    return today(5)


async def promise(visitor: Visitor, day: date | str, **more: str) -> Response:
    return await visitor.post("promise", day=str(day), **more)


async def promises(database: Database) -> list[PaymentPromise]:
    async with database.reading() as session:
        return list(await session.exec(select(PaymentPromise).order_by(PaymentPromise.id)))


@pytest.fixture
async def at_invoice(visitor: Visitor) -> Visitor:
    _, token = await visitor.link()
    await visitor.enter(token)
    return visitor


async def test_a_promise_pauses_reminders_and_is_shown_to_everybody(
    at_invoice: Visitor, api: Api, acme: Tenant, database: Database
) -> None:
    assert "Tell us when you will pay" in (await at_invoice.look()).text
    made = await promise(at_invoice, friday(), word="After our\npay run")
    assert (made.status_code, made.headers["location"]) == (303, at_invoice.page)
    page = await at_invoice.look()
    assert f"You said that you will pay by {friday():%B} {friday().day}, {friday().year}" in page.text
    assert "Choose another day" in page.text
    assert await at_invoice.outcomes() == ["opened", "promised"]

    path = f"/v1/invoices/{at_invoice.invoice.id}"
    shown = (await api.get(path, acme.auditor)).json()
    assert shown["promises"] == [
        {
            "day": str(friday()),
            "word": "After our pay run",
            "amount": {"amount_minor": 10_000, "currency": "usd"},
            "promised_at": shown["promises"][0]["promised_at"],
            "state": "open",
            "settled_at": None,
        }
    ]
    pause = shown["reminders"]["pause"]
    assert (pause["until"], pause["paused_by"]) == (str(today(6)), "customer")
    assert shown["reminders"]["why_none"]["reason"] == "paused"
    for promised, found in ((True, [at_invoice.invoice.id]), (False, ["in_open"])):
        listed = (await api.get("/v1/invoices", acme.auditor, promised=promised, status="open")).json()
        mine = {row["id"] for row in listed["data"]} - {"in_colleague"}
        assert mine == set(found)


async def test_the_same_promise_again_changes_nothing_and_another_replaces_it_once(
    at_invoice: Visitor, database: Database
) -> None:
    for _ in range(3):
        assert (await promise(at_invoice, friday())).status_code == 303
    assert [row.replaced_at for row in await promises(database)] == [None]
    assert (await promise(at_invoice, today())).status_code == 303
    first, second = await promises(database)
    assert (first.replaced_at, second.day) == (second.promised_at, today())
    async with database.reading() as session:
        pause = await pauses.get(session, at_invoice.invoice.id)
    assert pause is not None
    assert pause.until == today(1)
    third = await promise(at_invoice, friday())
    assert third.status_code == 422
    assert "A day can no longer be chosen" in third.text
    assert len(await promises(database)) == 2
    assert "Choose another day" not in (await at_invoice.look()).text


@ON_ONE_DATABASE
@pytest.mark.parametrize("day", ["", "soon", "2026-02-30", "20260401", -1, 34])
async def test_a_wrong_day_is_answered_with_those_that_are_allowed(
    at_invoice: Visitor, database: Database, day: int | str
) -> None:
    wanted = today(day) if isinstance(day, int) else day
    answer = await promise(at_invoice, wanted, word='"><b>soon')
    last = today(33)  # 30 after the due date
    assert answer.status_code == 422
    assert f"to {last:%B} {last.day}, {last.year}" in answer.text
    assert 'role="alert"' in answer.text
    assert "<b>" not in answer.text
    assert "&lt;b&gt;soon" in answer.text
    assert await promises(database) == []


@ON_ONE_DATABASE
async def test_the_last_day_is_allowed(at_invoice: Visitor) -> None:
    assert (await promise(at_invoice, today(33))).status_code == 303


@ON_ONE_DATABASE
async def test_who_is_long_overdue_or_has_paid_can_promise_nothing(
    at_invoice: Visitor, database: Database
) -> None:
    for values in ({"due_date": NOW - timedelta(days=300)}, {"status": "paid", "amount_remaining": 0}):
        async with database.transaction() as session:
            row = await session.get(Invoice, at_invoice.invoice.id)
            assert row is not None
            for name, value in values.items():
                setattr(row, name, value)
            session.add(row)
        assert "promise" not in (await at_invoice.look()).text
        form = await at_invoice.api.http.get(f"{at_invoice.page}promise", headers=BROWSER)
        assert "A day can no longer be chosen" in form.text
        assert (await promise(at_invoice, today())).status_code == 422
    assert await promises(database) == []


@ON_ONE_DATABASE
async def test_another_site_can_promise_nothing(at_invoice: Visitor, database: Database) -> None:
    answer = await at_invoice.api.http.post(
        f"{at_invoice.page}promise",
        data={"day": str(friday())},
        headers=BROWSER | {"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403
    assert await promises(database) == []


@pytest.mark.parametrize(("until", "stays"), [(None, True), (60, True), (2, False)])
async def test_a_persons_pause_that_lasts_longer_stays(
    at_invoice: Visitor, acme: Tenant, database: Database, until: int | None, stays: bool
) -> None:
    pause = ReminderPause(
        invoice_id=at_invoice.invoice.id,
        organization_id=acme.id,
        until=None if until is None else today(until),
        reason="They dispute two hours.",
        paused_by=acme.admin.id,
        paused_at=NOW,
    )
    await store(database, pause)
    await promise(at_invoice, friday())
    async with database.reading() as session:
        kept = await pauses.get(session, at_invoice.invoice.id)
    assert kept is not None
    assert (kept.paused_by == acme.admin.id) is stays


async def test_a_customer_promises_another_invoice_on_their_account(
    visitor: Visitor, database: Database
) -> None:
    await at_account(visitor, await mailed(visitor))
    async with database.transaction() as session:
        row = await session.get(Invoice, "in_open")
        assert row is not None
        row.due_date = visitor.invoice.due_date
        session.add(row)
    form = await visitor.api.http.get(f"{visitor.page}promise?invoice=in_open", headers=BROWSER)
    assert "When will you pay invoice AC-2?" in form.text
    made = await promise(visitor, friday(), invoice="in_open")
    assert made.headers["location"] == f"{visitor.page}account"
    [row] = await promises(database)
    assert row.invoice_id == "in_open"
    page = await visitor.api.http.get(f"{visitor.page}account", headers=BROWSER)
    assert page.text.count("You said that you will pay by") == 1
