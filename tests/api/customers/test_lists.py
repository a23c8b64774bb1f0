"""Customers and invoices: searched, filtered, sorted, counted."""

from datetime import timedelta
from typing import Any

import pytest

from db.core.session import Database
from db.tables import Customer, Invoice

from ...support.builders import NOW, Tenant, a_customer, an_invoice, store
from ...support.money_rows import a_credit_note, a_payment, a_refund
from ..conftest import ON_ONE_DATABASE, Api
from ..counting import queries

DAY = timedelta(days=1)
LONG = timedelta(days=430)


@pytest.fixture
async def books(database: Database, acme: Tenant, other: Tenant) -> dict[str, Invoice]:
    """Invoices of Müller and of 100%_Blue, by their numbers; and somebody else's to a Müller.

    Their ids hold no digits, which the search for an amount would find in them, too.
    """
    muller = a_customer(acme.id, id="cus_muller", name="Müller & Söhne", email="ap@mueller.example")
    blue = a_customer(
        acme.id, id="cus_blue", name="100%_Blue", email="Blue@Bottle.example", created_at=NOW + DAY
    )
    stranger = a_customer(other.id, name="Müller & Söhne", email="ap@mueller.example")
    rows = [
        an_invoice(
            muller,
            id="in_muller_late",
            number="MUL-1",
            total=125_000,
            due_date=NOW - 400 * DAY,
            created_at=NOW - 430 * DAY,
        ),
        an_invoice(
            muller, id="in_muller_paid", number="MUL-2", total=1_300, status="paid", amount_paid=1_300
        ),
        an_invoice(
            blue, id="in_blue_yen", number="BLUE-1", total=1_300, currency="jpy", created_at=NOW + DAY
        ),
        an_invoice(
            blue,
            id="in_blue_late",
            number="BLUE-2",
            total=90_000,
            due_date=NOW + 9999 * DAY,
            created_at=NOW - DAY,
        ),
        an_invoice(blue, id="in_blue_draft", status="draft", total=5_000, created_at=NOW - 2 * DAY),
    ]
    payment = a_payment(acme.id, id="pi_9", charge="ch_9", customer_id=muller.id, invoice_id=rows[1].id)
    await store(database, muller, blue, stranger, *rows, an_invoice(stranger, number="MUL-9", total=125_000))
    await store(database, payment, a_refund(acme.id, "pi_9", id="re_9"))
    await store(database, a_credit_note(acme.id, id="cn_9", invoice_id=rows[0].id))
    return {row.number or "draft": row for row in rows}


async def numbers(api: Api, acme: Tenant, **query: Any) -> list[str]:
    """Read two at a time, so that each order is one of cursors, too."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await api.get("/v1/invoices", acme.auditor, limit=2, **query, **cursor)
        assert answer.status_code == 200, answer.text
        found += [one["number"] or "draft" for one in answer.json()["data"]]
        if answer.json()["next_cursor"] is None:
            return found
        cursor = {"cursor": answer.json()["next_cursor"]}


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("mul-2", {"MUL-2"}),
        ("muller", {"MUL-1", "MUL-2"}),
        ("SÖHNE", {"MUL-1", "MUL-2"}),
        ("bottle.EXAMPLE", {"BLUE-1", "BLUE-2", "draft"}),
        ("%", {"BLUE-1", "BLUE-2", "draft"}),
        ("0%_b", {"BLUE-1", "BLUE-2", "draft"}),
        ("_ll_r", set()),
        ("1,250.00", {"MUL-1"}),
        ("13", {"MUL-2"}),
        ("1300", {"BLUE-1"}),
        ("jpy 1,300", {"BLUE-1"}),
        ("eur 13", set()),
        ("pi_9", {"MUL-2"}),
        ("ch_9", {"MUL-2"}),
        ("re_9", {"MUL-2"}),
        ("cn_9", {"MUL-1"}),
        ("in_nothing", set()),
        ("' OR 1=1 --", set()),
    ],
)
async def test_an_invoice_is_found_by_what_people_know_of_it(
    api: Api, acme: Tenant, books: dict[str, Invoice], q: str, expected: set[str]
) -> None:
    assert set(await numbers(api, acme, q=q)) == expected


async def test_an_invoice_is_found_by_its_id_and_its_customers(
    api: Api, acme: Tenant, books: dict[str, Invoice]
) -> None:
    assert await numbers(api, acme, q=books["MUL-1"].id) == ["MUL-1"]
    assert set(await numbers(api, acme, q=books["MUL-1"].customer_id)) == {"MUL-1", "MUL-2"}
    assert await numbers(api, acme, q="muller", status="paid") == ["MUL-2"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("-created_at", ["BLUE-1", "MUL-2", "BLUE-2", "draft", "MUL-1"]),
        ("created_at", ["MUL-1", "draft", "BLUE-2", "MUL-2", "BLUE-1"]),
        ("due_date", ["MUL-1", "draft", "MUL-2", "BLUE-1", "BLUE-2"]),
        ("-due_date", ["BLUE-2", "BLUE-1", "MUL-2", "draft", "MUL-1"]),
        ("total", ["BLUE-1", "MUL-2", "draft", "BLUE-2", "MUL-1"]),
        ("-amount_remaining", ["MUL-1", "BLUE-2", "draft", "MUL-2", "BLUE-1"]),
    ],
)
async def test_invoices_are_sorted_page_by_page(
    api: Api, acme: Tenant, books: dict[str, Invoice], sort: str, expected: list[str]
) -> None:
    assert await numbers(api, acme, sort=sort) == expected


async def test_invoices_are_filtered_by_date_and_by_being_overdue(
    api: Api, acme: Tenant, books: dict[str, Invoice]
) -> None:
    now = NOW.isoformat()
    assert await numbers(api, acme, status="overdue") == ["MUL-1"]
    assert await numbers(api, acme, due_before=now) == ["MUL-1"]
    assert await numbers(api, acme, due_after=now) == ["BLUE-2"]
    assert await numbers(api, acme, created_after=now) == ["BLUE-1", "MUL-2"]
    assert await numbers(api, acme, created_before=now) == ["BLUE-2", "draft", "MUL-1"]


async def test_tabs_have_their_counts_whichever_is_open(
    api: Api, acme: Tenant, books: dict[str, Invoice]
) -> None:
    every = {"all": 5, "draft": 1, "open": 3, "overdue": 1, "paid": 1, "uncollectible": 0, "void": 0}
    for status in ({}, {"status": "paid"}, {"status": "overdue"}):
        answer = await api.get("/v1/invoices", acme.auditor, counts="true", **status)
        assert answer.json()["counts"] == every
    some = (await api.get("/v1/invoices", acme.auditor, counts="true", q="muller")).json()["counts"]
    assert (some["all"], some["open"], some["overdue"]) == (2, 1, 1)
    assert (await api.get("/v1/invoices", acme.auditor)).json()["counts"] is None


async def test_an_invoice_names_its_customer(api: Api, acme: Tenant, database: Database) -> None:
    bare = a_customer(acme.id, name=None, email="ap@bare.example")
    unknown = Customer(id="cus_unread", organization_id=acme.id, created_at=NOW, synced_at=NOW)
    await store(database, bare, an_invoice(bare), an_invoice(unknown))
    listed = (await api.get("/v1/invoices", acme.auditor)).json()["data"]
    assert {one["customer_name"] for one in listed} == {"ap@bare.example", None}


async def test_customers_are_found_and_sorted_by_name(
    api: Api, acme: Tenant, books: dict[str, Invoice], database: Database
) -> None:
    await store(database, a_customer(acme.id, name="émile", email=None))

    async def names(**query: Any) -> list[str]:
        return [one["name"] for one in (await api.get("/v1/customers", acme.auditor, **query)).json()["data"]]

    assert await names(sort="name") == ["100%_Blue", "émile", "Müller & Söhne"]
    assert await names(sort="-name") == ["Müller & Söhne", "émile", "100%_Blue"]
    assert await names(q="Emile") == ["émile"]
    assert await names(q="mueller") == ["Müller & Söhne"]
    assert await names(q=books["MUL-1"].customer_id) == ["Müller & Söhne"]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("invoices?sort=number", "/sort"),
        ("invoices?q=", "/q"),
        ("invoices?q=%20%20", "/q"),
        ("invoices?q=%00", "/q"),
        (f"invoices?q={'x' * 101}", "/q"),
        ("invoices?due_after=today", "/due_after"),
        ("customers?sort=balance", "/sort"),
    ],
)
async def test_a_wrong_filter_is_named(api: Api, acme: Tenant, path: str, pointer: str) -> None:
    answer = await api.get(f"/v1/{path}", acme.admin)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


@ON_ONE_DATABASE
async def test_a_page_takes_two_queries_and_a_third_for_the_counts(
    api: Api, acme: Tenant, books: dict[str, Invoice]
) -> None:
    for query, most in (({}, 2), ({"q": "muller", "counts": "true"}, 3)):
        with queries(api) as sent:
            await api.get("/v1/invoices", acme.auditor, **query)
        assert len(sent) <= most, sent
