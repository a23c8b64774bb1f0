"""One customer and one invoice with everything that is known of them; one search for all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.core.session import Database
from db.operations import operations
from db.tables import Customer, CustomerSettings, Invoice, ReminderPause

from ...support.builders import NOW, Tenant, a_customer, an_invoice, an_operation, store
from ...support.money_rows import (
    a_commitment,
    a_credit_note,
    a_credit_operation,
    a_payment,
    a_refund,
    a_refund_operation,
)
from ..conftest import ON_ONE_DATABASE, Api
from ..counting import queries
from .rows import SEATS, a_link, some_lines

TODAY = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture
async def blue(database: Database, acme: Tenant) -> Customer:
    customer = a_customer(acme.id, name="Blue Bottle", balance=-500)
    await store(database, customer)
    return customer


async def read(api: Api, acme: Tenant, path: str) -> dict[str, Any]:
    answer = await api.get(path, acme.auditor)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_customer_is_shown_with_what_they_owe_and_were_given(
    api: Api, acme: Tenant, blue: Customer, database: Database
) -> None:
    late, coming = TODAY - DAY, TODAY + DAY
    await store(
        database,
        CustomerSettings(
            customer_id=blue.id,
            organization_id=acme.id,
            zone="Europe/Vienna",
            updated_at=NOW,
            updated_by=acme.admin.id,
        ),
        an_invoice(blue, total=1_000, due_date=late),
        an_invoice(blue, total=2_000, amount_paid=500, due_date=coming),
        an_invoice(blue, total=4_000, currency="eur"),
        an_invoice(blue, total=8_000, status="paid", amount_paid=8_000, due_date=late),
    )
    refund, old = a_refund_operation(acme), a_credit_operation(acme)
    given = {"customer_id": blue.id, "authority_of": acme.admin.id}
    await store(
        database,
        refund,
        old,
        a_commitment(refund, 700, decided_at=late, **given),
        a_commitment(old, 900, decided_at=TODAY - 91 * DAY, **given),
    )
    shown = await read(api, acme, f"/v1/customers/{blue.id}")
    assert (shown["name"], shown["deleted"]) == ("Blue Bottle", False)
    assert shown["balance"] == {"amount_minor": -500, "currency": "usd"}
    assert shown["settings"]["zone"] == {"value": "Europe/Vienna", "source": "settings"}
    euros, dollars = shown["receivables"]
    assert (euros["open"], euros["overdue"]["amount_minor"]) == (
        {"amount_minor": 4_000, "currency": "eur"},
        0,
    )
    assert (dollars["open"]["amount_minor"], dollars["open_invoices"]) == (2_500, 2)
    assert (dollars["overdue"]["amount_minor"], dollars["overdue_invoices"]) == (1_000, 1)
    assert [(one["operation"], one["amount"]["amount_minor"]) for one in shown["granted"]] == [
        (refund.id, 700)
    ]


async def rich(database: Database, acme: Tenant, blue: Customer) -> Invoice:
    """An invoice with one of everything, and others' things beside it."""
    invoice, another = an_invoice(blue, number="BLUE-1"), an_invoice(blue, number="BLUE-2")
    await store(database, invoice, another, some_lines(invoice, complete=False))
    await store(
        database,
        a_payment(acme.id, id="pi_i", customer_id=blue.id, invoice_id=invoice.id),
        a_payment(acme.id, id="pi_j", customer_id=blue.id, invoice_id=invoice.id, created_at=NOW + DAY),
        a_payment(acme.id, id="pi_k", customer_id=blue.id, invoice_id=another.id),
        a_refund(acme.id, "pi_i", id="re_i"),
        a_refund(acme.id, "pi_k", id="re_k"),
        a_credit_note(acme.id, id="cn_i", customer_id=blue.id, invoice_id=invoice.id),
        a_link(acme, invoice, opens=3, last_opened_at=NOW),
        ReminderPause(
            invoice_id=invoice.id,
            organization_id=acme.id,
            reason="In talks.",
            paused_by=acme.admin.id,
            paused_at=NOW,
        ),
    )
    async with database.transaction() as session:
        for id_, request in (
            ("op_1", {"invoice": invoice.id}),
            ("op_2", {"payment_intent": "pi_i"}),
            ("op_3", {"payment_intent": "pi_k"}),
        ):
            await operations.create(session, a_refund_operation(acme, id=id_, request=request))
    return invoice


@pytest.mark.parametrize(
    ("notes", "left"),
    [
        ([], 10_000),
        ([("issued", [{"line": SEATS, "amount": 4_000}, {"line": "il_other", "amount": 1_000}])], 6_000),
        ([("issued", [{"line": SEATS, "amount": 4_000}]), ("void", [{"line": SEATS, "amount": 500}])], 6_000),
        ([("issued", [{"line": SEATS, "amount": 4_000}]), ("issued", [{"line": SEATS, "amount": 6_000}])], 0),
        ([("issued", [{"line": SEATS, "amount": 4_000}]), ("issued", None)], None),
    ],
    ids=["none", "of other lines", "voided", "all of it", "not all known"],
)
async def test_what_credit_notes_have_left_of_a_line_is_shown(
    api: Api,
    acme: Tenant,
    blue: Customer,
    database: Database,
    notes: list[tuple[str, list[dict[str, Any]] | None]],
    left: int | None,
) -> None:
    invoice = an_invoice(blue)
    made = [
        a_credit_note(acme.id, customer_id=blue.id, invoice_id=invoice.id, status=status, lines=lines)
        for status, lines in notes
    ]
    await store(database, invoice, some_lines(invoice), *made)
    [line] = (await read(api, acme, f"/v1/invoices/{invoice.id}"))["lines"]
    assert line["creditable"] == ({"amount_minor": left, "currency": "usd"} if left is not None else None)


async def test_an_invoice_is_shown_whole(api: Api, acme: Tenant, blue: Customer, database: Database) -> None:
    invoice = await rich(database, acme, blue)
    shown = await read(api, acme, f"/v1/invoices/{invoice.id}")
    assert (shown["number"], shown["customer_name"]) == ("BLUE-1", "Blue Bottle")
    assert shown["lines"] == [
        {
            "id": SEATS,
            "description": "12 × Seat",
            "quantity": 12,
            "amount": {"amount_minor": 10_000, "currency": "usd"},
            "creditable": None,
            "period_start": "2026-03-01T00:00:00Z",
            "period_end": "2026-04-01T00:00:00Z",
        }
    ]
    assert shown["lines_complete"] is False
    assert [(one["id"], [refund["id"] for refund in one["refunds"]]) for one in shown["payments"]] == [
        ("pi_i", ["re_i"]),
        ("pi_j", []),
    ]
    assert [one["id"] for one in shown["credit_notes"]] == ["cn_i"]
    [link] = shown["portal_links"]
    assert (link["opens"], link["last_opened_at"]) == (3, "2026-03-02T15:00:00Z")
    assert shown["reminders"]["pause"]["reason"] == "In talks."
    assert shown["reminders"]["why_none"]["reason"] == "paused"
    assert [one["id"] for one in shown["operations"]] == ["op_2", "op_1"]
    assert shown["diagnosis"] == f"/v1/invoices/{invoice.id}/access-diagnosis"


async def test_an_invoice_of_which_little_is_known_is_shown_all_the_same(
    api: Api, acme: Tenant, blue: Customer, database: Database
) -> None:
    draft = an_invoice(blue, status="draft")
    await store(database, draft)
    shown = await read(api, acme, f"/v1/invoices/{draft.id}")
    assert (shown["lines"], shown["lines_complete"], shown["payments"]) == ([], False, [])
    assert shown["reminders"]["pause"]["paused"] is False


async def test_what_is_another_organizations_is_not_there(
    api: Api, acme: Tenant, other: Tenant, blue: Customer, database: Database
) -> None:
    invoice = await rich(database, acme, blue)
    for path in (f"/v1/customers/{blue.id}", f"/v1/invoices/{invoice.id}"):
        answer = await api.get(path, other.admin)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    found = (await api.get("/v1/search", other.admin, q="blue")).json()
    assert found == {"customers": [], "invoices": [], "operations": [], "payments": []}


@ON_ONE_DATABASE
async def test_details_take_few_queries(api: Api, acme: Tenant, blue: Customer, database: Database) -> None:
    invoice = await rich(database, acme, blue)
    for path, most in ((f"/v1/customers/{blue.id}", 5), (f"/v1/invoices/{invoice.id}", 9), ("/v1/search", 5)):
        with queries(api) as sent:
            assert (
                await api.get(path, acme.auditor, **({"q": "blue"} if "search" in path else {}))
            ).is_success
        assert len(sent) <= most, sent


async def test_one_search_finds_all_kinds_and_few_of_each(
    api: Api, acme: Tenant, blue: Customer, database: Database
) -> None:
    invoice = await rich(database, acme, blue)
    await store(database, *(an_invoice(blue, number=f"N-{n}") for n in range(6)), an_operation(acme))

    async def found(q: str) -> dict[str, int]:
        answer = await read(api, acme, f"/v1/search?q={q}")
        return {kind: len(rows) for kind, rows in answer.items()}

    assert await found("blue") == {"customers": 1, "invoices": 5, "operations": 3, "payments": 3}
    assert await found("pi_i") == {"customers": 0, "invoices": 1, "operations": 1, "payments": 1}
    assert await found("re_i") == {"customers": 0, "invoices": 1, "operations": 0, "payments": 1}
    assert await found("op_1") == {"customers": 0, "invoices": 0, "operations": 1, "payments": 0}
    assert await found("BLUE-2") == {"customers": 0, "invoices": 1, "operations": 0, "payments": 0}
    assert (await found(invoice.id))["invoices"] == 1
    assert (await found("100.00"))["payments"] == 3
    assert (await api.get("/v1/search", acme.auditor)).status_code == 422
    assert (await api.get("/v1/search", acme.auditor, q="blue", limit=9)).status_code == 422
