"""Several invoices at once: each for itself, once for each key, and never by night."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from api.portal_admin import links
from db.core.session import Database
from db.mail import customer_mails
from db.tables import CustomerMail, Invoice, ReminderPause

from ...support.builders import Member, Tenant, a_customer, an_invoice, store
from ..conftest import ON_ONE_DATABASE, Api

DAY = timedelta(days=1)


@pytest.fixture
async def books(database: Database, acme: Tenant, other: Tenant) -> dict[str, Invoice]:
    """Two open invoices, one of a customer without an address, a draft, a paid one, and a stranger's."""
    blue, silent = a_customer(acme.id, name="Blue"), a_customer(acme.id, name="Silent", email=None)
    stranger = a_customer(other.id)
    late = {"due_date": datetime.now(UTC) - 3 * DAY, "collection_method": "send_invoice"}
    rows = {
        "one": an_invoice(blue, **late),
        "two": an_invoice(blue, **late),
        "silent": an_invoice(silent, **late),
        "draft": an_invoice(blue, status="draft"),
        "paid": an_invoice(blue, status="paid", amount_paid=10_000),
        "strange": an_invoice(stranger),
    }
    await store(database, blue, silent, stranger, *rows.values())
    return rows


async def ask(api: Api, who: Member, action: str, *invoices: Invoice, key: str = "k", **more: Any) -> Any:
    body = {"action": action, "invoices": [one.id for one in invoices], **more}
    answer = await api.post("/v1/invoices/bulk", who, body, key=key)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def codes(results: list[dict[str, Any]]) -> list[str | None]:
    return [one["problem"] and one["problem"]["code"] for one in results]


async def mails(database: Database) -> list[CustomerMail]:
    async with database.reading() as session:
        found = await session.exec(select(CustomerMail).order_by(col(CustomerMail.id)))
        return list(found)


async def test_each_link_is_mailed_or_says_why_it_is_not(
    api: Api, acme: Tenant, database: Database, books: dict[str, Invoice]
) -> None:
    wanted = [books[name] for name in ("one", "silent", "draft", "strange", "two")]
    results = await ask(api, acme.admin, "resend_links", *wanted)
    assert codes(results) == [
        None,
        "customer_without_address",
        "invoice_not_linkable",
        "not_found",
        None,
    ]
    assert [one["done"] for one in results] == [True, False, False, False, True]
    assert results[0]["customer_name"] == "Blue"
    assert (results[3]["number"], results[3]["customer_name"]) == (None, None)
    sent = await mails(database)
    assert sorted(mail.invoice_id for mail in sent) == sorted((books["one"].id, books["two"].id))
    assert {(mail.template, mail.asked_by) for mail in sent} == {("portal_link", acme.admin.id)}


@pytest.mark.parametrize("action", ["resend_links", "remind"])
async def test_a_request_that_comes_again_mails_nothing_twice(
    api: Api, acme: Tenant, database: Database, books: dict[str, Invoice], action: str
) -> None:
    first = await ask(api, acme.admin, action, books["one"], books["one"])
    again = await ask(api, acme.admin, action, books["one"], books["two"])
    assert (codes(first), codes(again)) == ([None], [None, None])
    assert sorted(mail.invoice_id for mail in await mails(database)) == sorted(
        (books["one"].id, books["two"].id)
    )
    [refused] = await ask(api, acme.admin, action, books["one"], key="another")
    assert refused["problem"]["code"] in ("link_mailed_just_now", "reminded_lately")


async def test_a_dry_run_says_the_same_and_does_nothing(
    api: Api, acme: Tenant, database: Database, books: dict[str, Invoice]
) -> None:
    wanted = [books[name] for name in ("one", "silent", "paid", "strange")]
    for action, expected in (
        ("resend_links", [None, "customer_without_address", None, "not_found"]),
        ("remind", [None, "no_address", "paid", "not_found"]),
        ("pause_reminders", [None, None, None, "not_found"]),
    ):
        results = await ask(api, acme.admin, action, *wanted, dry_run=True)
        assert codes(results) == expected, action
        assert not any(one["done"] for one in results)
    assert await mails(database) == []


async def test_a_reminder_by_hand_is_a_reminder(
    api: Api, acme: Tenant, database: Database, books: dict[str, Invoice]
) -> None:
    [done] = await ask(api, acme.controller, "remind", books["one"])
    assert done["done"]
    [mail] = await mails(database)
    assert (mail.template, mail.state, mail.asked_by) == (
        customer_mails.REMINDER,
        "due",
        acme.controller.id,
    )
    assert mail.step.startswith("asked:")


async def test_reminders_are_paused_with_a_reason(
    api: Api, acme: Tenant, database: Database, books: dict[str, Invoice]
) -> None:
    body = {"action": "pause_reminders", "invoices": [books["one"].id]}
    answer = await api.post("/v1/invoices/bulk", acme.admin, body, key="k")
    assert (answer.status_code, answer.json()["code"]) == (422, "pause_unexplained")
    past = str((datetime.now(UTC) - 3 * DAY).date())
    [refused] = await ask(api, acme.admin, "pause_reminders", books["one"], reason="On holiday.", until=past)
    assert refused["problem"]["code"] == "pause_over"
    await ask(api, acme.admin, "pause_reminders", books["one"], books["two"], reason="On holiday.")
    async with database.reading() as session:
        paused = (await session.exec(select(ReminderPause.invoice_id))).all()
    assert sorted(paused) == sorted((books["one"].id, books["two"].id))


async def test_one_that_breaks_stops_no_other(
    api: Api,
    acme: Tenant,
    database: Database,
    books: dict[str, Invoice],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check = links.check_resend

    async def breaks(session: Any, invoice: Invoice, at: datetime) -> None:
        if invoice.id == books["one"].id:
            raise RuntimeError("broken")
        await check(session, invoice, at)

    monkeypatch.setattr(links, "check_resend", breaks)
    results = await ask(api, acme.admin, "resend_links", books["one"], books["two"])
    assert codes(results) == ["internal_error", None]
    assert [mail.invoice_id for mail in await mails(database)] == [books["two"].id]


@ON_ONE_DATABASE
async def test_only_who_may_mail_customers_does(api: Api, acme: Tenant, books: dict[str, Invoice]) -> None:
    body = {"action": "remind", "invoices": [books["one"].id]}
    for who in (acme.finance, acme.legal, acme.auditor):
        assert (await api.post("/v1/invoices/bulk", who, body, key="k")).status_code == 403
    assert (await api.post("/v1/invoices/bulk", acme.admin, body)).status_code == 400


@ON_ONE_DATABASE
async def test_everything_of_a_customer_is_listed_and_nothing_of_anothers(
    api: Api, acme: Tenant, other: Tenant, books: dict[str, Invoice]
) -> None:
    await ask(api, acme.admin, "resend_links", books["one"], books["silent"])
    customer = books["one"].customer_id
    for what, number in (
        ("refunds", 0),
        ("credit-notes", 0),
        ("balance-transactions", 0),
        ("portal-links", 1),
        ("mails", 1),
    ):
        path = f"/v1/customers/{customer}/{what}"
        assert len((await api.get(path, acme.auditor)).json()["data"]) == number, what
        assert (await api.get(path, other.admin)).status_code == 404
