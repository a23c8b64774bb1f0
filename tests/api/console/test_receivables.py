"""Invoices and customers in the console: several at once, a customer's settings, money without an invoice."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from sqlmodel import select

from api.quotes.service import QuoteDraft
from db.core.clock import utc_now
from db.core.session import Database
from db.tables import (
    Customer,
    CustomerMail,
    CustomerSettings,
    Invoice,
    InvoiceLines,
    Operation,
    PortalNetwork,
    ReminderPause,
)

from ...support.builders import Tenant, a_customer, an_invoice, store
from ...support.money_rows import a_credit_note, a_note, a_payment, a_refund_operation
from ..conftest import ON_ONE_DATABASE
from ..quoting import made
from ..sign_in.visitors import Visitor
from .conftest import SignIn

pytestmark = ON_ONE_DATABASE

LATE = datetime.now(UTC) - timedelta(days=3)


@pytest.fixture
async def blue(database: Database, acme: Tenant) -> Customer:
    customer = a_customer(acme.id, name="Blue Bottle")
    await store(database, customer)
    return customer


@pytest.fixture
async def invoices(database: Database, acme: Tenant, blue: Customer) -> tuple[Invoice, Invoice]:
    """One that can be mailed, and one whose customer has no address."""
    silent = a_customer(acme.id, name="Silent", email=None)
    one = an_invoice(blue, number="BLUE-1", due_date=LATE, collection_method="send_invoice")
    other = an_invoice(silent, number="SILENT-1", due_date=LATE, collection_method="send_invoice")
    await store(database, silent, one, other)
    return one, other


@pytest.fixture
async def admin(signed_in: SignIn, acme: Tenant) -> Visitor:
    return await signed_in(acme.admin)


class House(NamedTuple):
    """Where a quote looks up people and what they have given."""

    database: Database


async def chosen(visitor: Visitor, path: str, rows: tuple[Invoice, ...], **fields: str) -> str:
    """What is answered to a form in which these invoices are ticked."""
    answer = await visitor.post(path, invoice=[row.id for row in rows], **fields)
    assert answer.status_code == 200, answer.text
    found: str = answer.text
    return found


async def test_several_are_shown_first_then_done_once(
    admin: Visitor, database: Database, invoices: tuple[Invoice, Invoice]
) -> None:
    shown = await chosen(admin, "/console/invoices/selected", invoices, action="resend_links", back="q=x")
    assert "Mail the link" in shown
    assert "has no email address" in shown
    assert "/console/invoices?q=x" in shown
    [key] = re.findall(r'name="key" value="([^"]+)"', shown)
    fields = {"action": "resend_links", "key": key, "back": ""}
    for _ in range(2):  # as if it were reloaded
        done = await chosen(admin, "/console/invoices/selected/do", invoices[:1], **fields)
        assert "<h1>New links mailed for 1 invoice</h1>" in done
    async with database.reading() as session:
        assert len((await session.exec(select(CustomerMail))).all()) == 1


async def test_a_pause_of_several_needs_a_reason(
    admin: Visitor, database: Database, invoices: tuple[Invoice, Invoice]
) -> None:
    path = "/console/invoices/selected/do"
    fields = {"action": "pause_reminders", "key": "k"}
    answer = await admin.post(path, invoice=[row.id for row in invoices], **fields)
    assert answer.status_code == 422
    assert "Say in reason why" in answer.text
    await chosen(admin, path, invoices, reason="They are on holiday.", **fields)
    async with database.reading() as session:
        assert len((await session.exec(select(ReminderPause))).all()) == 2


async def test_only_an_invoice_with_something_to_open_is_diagnosed(
    admin: Visitor, database: Database, invoices: tuple[Invoice, Invoice]
) -> None:
    one, _ = invoices
    assert f"/invoices/{one.id}/access" in (await admin.get(f"/console/invoices/{one.id}")).text
    one.status = "void"
    async with database.transaction() as session:
        await session.merge(one)
    assert "/access" not in (await admin.get(f"/console/invoices/{one.id}")).text


async def test_a_list_of_invoices_tells_a_phone_when_each_is_due(
    admin: Visitor, invoices: tuple[Invoice, Invoice]
) -> None:
    assert 'data-th="Due"' in (await admin.get("/console/invoices")).text


async def test_who_selects_nothing_comes_back_to_the_list(admin: Visitor) -> None:
    answer = await admin.post("/console/invoices/selected", action="remind", back="status=open")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/invoices?status=open")
    assert (await admin.post("/console/invoices/selected", action="delete")).status_code == 404


async def test_empty_fields_of_the_list_ask_for_nothing_and_days_are_the_readers(
    admin: Visitor, invoices: tuple[Invoice, Invoice]
) -> None:
    due = str(LATE.date())
    for query, found in (
        ("q=&due_after=&due_before=&sort=-created_at", True),
        (f"due_after={LATE.date() - timedelta(days=1)}&due_before={due}", True),
        (f"due_before={LATE.date() - timedelta(days=2)}", False),
    ):
        answer = await admin.get(f"/console/invoices?{query}")
        assert ("BLUE-1" in answer.text) is found, query
    assert (await admin.get("/console/invoices?due_after=tomorrow")).status_code == 404


async def test_pages_of_a_list_lead_on_and_back(admin: Visitor, database: Database, blue: Customer) -> None:
    await store(database, *(an_invoice(blue, number=f"N-{n:02}") for n in range(45)))
    address, seen = "/console/invoices?sort=-total", []
    for direction in ("next", "next", "prev", "prev"):
        page = (await admin.get(address)).text
        seen.append(frozenset(re.findall(r"N-\d\d", page)))
        [link] = re.findall(rf'href="(\?[^"]+)" rel="{direction}"', page)
        address = "/console/invoices" + link.replace("&amp;", "&")
    assert seen[1] == seen[3]
    assert len(seen[0] | seen[1] | seen[2]) == 45
    assert frozenset(re.findall(r"N-\d\d", (await admin.get(address)).text)) == seen[0]


async def test_a_customers_settings_are_changed_by_the_apis_rules(
    admin: Visitor, database: Database, blue: Customer
) -> None:
    path = f"/console/customers/{blue.id}/settings"
    answer = await admin.post(path, zone="Mars/Olympus")
    assert answer.status_code == 422
    assert "Mars/Olympus" in answer.text
    answer = await admin.post(path, zone="Europe/Vienna", approval_cycle_days="30", opted_out="true")
    assert answer.status_code == 303
    answer = await admin.post(path, language="", zone="", approval_cycle_days="30")
    assert answer.status_code == 303
    async with database.reading() as session:
        row = await session.get(CustomerSettings, blue.id)
    assert row is not None
    assert (row.zone, row.approval_cycle_days, row.opted_out_at) == (None, 30, None)


async def test_a_refused_address_is_mailed_again(
    admin: Visitor, database: Database, acme: Tenant, blue: Customer
) -> None:
    refused = CustomerSettings(
        customer_id=blue.id,
        organization_id=acme.id,
        bounced_address=blue.email,
        bounced_at=LATE,
        updated_at=LATE,
        updated_by=acme.admin.id,
    )
    await store(database, refused)
    path = f"/console/customers/{blue.id}"
    assert "The mail server refused" in (await admin.get(path)).text
    assert (await admin.post(f"{path}/lift-bounce")).status_code == 303
    assert "The mail server refused" not in (await admin.get(path)).text


async def test_a_customers_personal_data_is_erased_by_the_apis_rules(admin: Visitor, blue: Customer) -> None:
    path = f"/console/customers/{blue.id}"
    assert blue.name is not None
    refused = await admin.post(f"{path}/erasure", because=f"{blue.name} asked for it.")
    assert refused.status_code == 422
    assert (await admin.post(f"{path}/erasure", because="Ticket 4711.")).status_code == 303
    page = (await admin.get(path)).text
    assert blue.name not in page
    assert "was erased" in page
    assert f"{path}/erasure" not in page


async def test_networks_of_a_customer_are_added_and_removed(
    admin: Visitor, database: Database, blue: Customer
) -> None:
    path = f"/console/customers/{blue.id}"
    wanted = {"action": "block", "network": "198.51.100.0/24", "reason": "A test network."}
    assert (await admin.post(f"{path}/networks", **wanted | {"network": "here"})).status_code == 422
    assert (await admin.post(f"{path}/networks", **wanted)).status_code == 303
    assert "198.51.100.0/24" in (await admin.get(path)).text
    async with database.reading() as session:
        network = (await session.exec(select(PortalNetwork))).one()
    assert (await admin.post(f"{path}/networks/{network.id}/remove")).status_code == 303
    assert "198.51.100.0/24" not in (await admin.get(path)).text


async def test_without_an_invoice_a_payment_is_chosen_or_a_credit_given(
    admin: Visitor, database: Database, acme: Tenant, blue: Customer
) -> None:
    new = f"new?customer={blue.id}"
    assert "No payment of this customer can be refunded" in (await admin.get(f"/console/refunds/{new}")).text
    payment = a_payment(acme.id, customer_id=blue.id)
    await store(database, payment)
    page = (await admin.get(f"/console/refunds/{new}")).text
    assert f"/console/refunds/new?payment_intent={payment.id}" in page
    assert "Amount in USD" in (await admin.get(f"/console/credits/{new}")).text


async def test_a_credit_to_a_customer_without_a_currency_asks_for_one(
    admin: Visitor, database: Database, acme: Tenant
) -> None:
    new = a_customer(acme.id, currency=None)
    await store(database, new)
    assert "field-currency" in (await admin.get(f"/console/credits/new?customer={new.id}")).text
    typed = {"customer": new.id, "instrument": "balance", "reason": "goodwill", "note": "For the trouble."}
    answer = await admin.post("/console/credits/quote", amount="5", currency="Dollars", **typed)
    assert answer.status_code == 422
    assert "a currency" in answer.text


@pytest.mark.parametrize(("resource", "reason"), [("voids", "billed_twice"), ("write-offs", "insolvent")])
async def test_an_open_invoice_is_given_up_from_its_page(
    admin: Visitor,
    database: Database,
    acme: Tenant,
    blue: Customer,
    monkeypatch: pytest.MonkeyPatch,
    resource: str,
    reason: str,
) -> None:
    """The form, what it would do, and asked for; above a bound the amount is typed once more."""
    bill, house = an_invoice(blue, id="in_blue", number="BLUE-9"), House(database)
    await store(database, bill)
    monkeypatch.setattr(QuoteDraft, "find_out", lambda _, request, result: made(house, request, utc_now()))
    detail = (await admin.get(f"/console/invoices/{bill.id}")).text
    assert f"/console/{resource}/new?invoice={bill.id}" in detail
    assert "field-reason" in (await admin.get(f"/console/{resource}/new?invoice={bill.id}")).text
    typed = {"invoice": bill.id, "reason": reason, "note": "Agreed with their accountant."}
    assert (await admin.post(f"/console/{resource}/quote", **typed | {"note": "short"})).status_code == 422
    page = (await admin.post(f"/console/{resource}/quote", **typed)).text
    assert "600.00" in page
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    assert hidden.pop("quote")
    assert (hidden["amount"], hidden["currency"], hidden["invoice"]) == ("600.00", "usd", bill.id)
    slipped = await admin.post(f"/console/{resource}", **hidden | {"amount_again": "60.00"})
    assert slipped.status_code == 422
    asked = await admin.post(f"/console/{resource}", **hidden | {"amount_again": "600.00"})
    assert asked.status_code == 303, asked.text
    page = (await admin.get(asked.headers["location"].removeprefix("http://plixo.test"))).text
    assert "Agreed with their accountant." in page


async def test_lines_of_an_invoice_are_credited_from_its_page(
    admin: Visitor, database: Database, acme: Tenant, blue: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill, house = an_invoice(blue, id="in_blue", number="BLUE-9"), House(database)
    line = {"description": "Consulting in March", "quantity": 2, "period_start": 0, "period_end": 0}
    lines = [line | {"id": f"il_{number}", "amount": 30_000} for number in (1, 2, 3)]
    await store(
        database,
        bill,
        InvoiceLines(
            invoice_id=bill.id, organization_id=acme.id, lines=lines, complete=True, synced_at=bill.synced_at
        ),
    )
    taken = [{"line": "il_1", "amount": 12_000}, {"line": "il_3", "amount": 30_000}]
    await store(database, a_credit_note(acme.id, customer_id=blue.id, invoice_id=bill.id, lines=taken))
    monkeypatch.setattr(QuoteDraft, "find_out", lambda _, request, result: made(house, request, utc_now()))
    empty = (await admin.get(f"/console/credits/new?invoice={bill.id}")).text
    words = re.sub("<[^>]*>", "", empty)
    assert "Consulting in March, USD 300.00, of which USD 180.00 is not credited yet" in words
    assert ("line:il_2" in empty, "line:il_3" in empty) == (True, False)
    typed = {
        "invoice": bill.id,
        "customer": blue.id,
        "currency": "usd",
        "instrument": "credit_note",
        "reason": "order_change",
        "note": "One day of consulting too many.",
        "amount": "",
        "line:il_1": "100.00",
        "line:il_2": "",
        "tell_customer": "true",
    }
    wrong = await admin.post("/console/credits/quote", **typed | {"line:il_1": "much"})
    assert (wrong.status_code, "must be a number" in wrong.text) == (422, True)
    both = await admin.post("/console/credits/quote", **typed | {"amount": "5.00"})
    assert (both.status_code, "must be empty" in both.text) == (422, True)
    page = (await admin.post("/console/credits/quote", **typed)).text
    assert "USD 119.00" in page
    assert "Tax 19% (DE VAT)" in page
    assert "The credit note, from Stripe" in page
    asking, changing = page.split('action="/console/credits/edit"')
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asking))
    assert hidden.pop("quote")
    assert (hidden["lines"], hidden["tell_customer"]) == ("il_1=100.00", "true")
    again = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', changing))
    form = (await admin.post("/console/credits/edit", **again)).text
    assert re.search(r'name="line:il_1" type="text"\s+value="100.00"', form)
    asked = await admin.post("/console/credits", **hidden | {"amount_again": hidden["amount"]})
    assert asked.status_code == 303, asked.text
    async with database.reading() as session:
        [operation] = (await session.exec(select(Operation).where(Operation.kind == "credit"))).all()
    assert operation.request["lines"] == [{"line": "il_1", "amount_minor": 10_000, "quantity": None}]
    assert operation.request["tell_customer"] is True


async def test_a_note_is_added_from_the_invoice(
    admin: Visitor, database: Database, acme: Tenant, invoices: tuple[Invoice, Invoice]
) -> None:
    refund = a_refund_operation(acme)
    await store(database, refund, a_note(refund))
    path = f"/console/invoices/{invoices[0].id}/notes/{refund.id}"
    assert (await admin.post(path, note="short")).status_code == 422
    assert (await admin.post(path, note="Confirmed on the phone.")).status_code == 303


async def test_a_links_address_is_shown_once_and_what_shows_nothing_leads_back(
    admin: Visitor, invoices: tuple[Invoice, Invoice]
) -> None:
    page = f"/console/invoices/{invoices[0].id}"
    issued = await admin.post(f"{page}/issue")
    assert issued.status_code == 200
    [address] = re.findall(r"https?://\S+?/portal/[A-Za-z0-9_-]{43}", issued.text)
    assert address not in (await admin.get(page)).text
    paused = await admin.post(f"{page}/pause", reason="They are in talks.")
    assert (paused.status_code, paused.headers["location"]) == (303, page)
    refused = await admin.post(f"{page}/pause", until="someday", reason="They are in talks.")
    assert refused.status_code == 422
