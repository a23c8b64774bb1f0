"""What Plixo bills the organization: found, sorted, counted out as CSV, and nobody else's."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from billing.core.operations import Role
from db.core.session import Database
from db.tables import InvoicePdf, OrganizationInvoice, Outbox, new_id

from ...support.bill_rows import a_renewal, an_organization_invoice
from ...support.builders import NOW, Tenant, a_customer, an_invoice, store
from ..conftest import ON_ONE_DATABASE, Api, counted

INVOICES = "/v1/organization/invoices"
DAY = timedelta(days=1)


@pytest.fixture
async def books(database: Database, acme: Tenant, other: Tenant) -> dict[str, OrganizationInvoice]:
    """Three invoices to Acme by their numbers, beside one to another organization and one to a customer."""
    rows = [
        an_organization_invoice(acme.id, number="PLX-1", status="paid", amount_paid=10_000),
        an_organization_invoice(acme.id, number="PLX-2", total=25_050, created_at=NOW + DAY),
        an_organization_invoice(acme.id, number="PLX-3", total=5_000, attempts=0, created_at=NOW + 2 * DAY),
    ]
    customer = a_customer(acme.id)
    await store(database, customer, an_invoice(customer, number="PLX-8"), *rows)
    await store(database, an_organization_invoice(other.id, number="PLX-9"))
    return {str(row.number): row for row in rows}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["PLX-3", "PLX-2", "PLX-1"]),
        ({"sort": "created_at"}, ["PLX-1", "PLX-2", "PLX-3"]),
        ({"sort": "-total"}, ["PLX-2", "PLX-1", "PLX-3"]),
        ({"sort": "amount_remaining"}, ["PLX-1", "PLX-3", "PLX-2"]),
        ({"status": "paid"}, ["PLX-1"]),
        ({"q": "plx-2"}, ["PLX-2"]),
        ({"q": "USD 250.50"}, ["PLX-2"]),
        ({"created_after": (NOW + 2 * DAY).isoformat()}, ["PLX-3"]),
        ({"created_before": (NOW + DAY).isoformat()}, ["PLX-1"]),
    ],
)
@ON_ONE_DATABASE
async def test_only_the_organizations_own_are_found(
    api: Api, acme: Tenant, books: dict[str, OrganizationInvoice], query: dict[str, str], expected: list[str]
) -> None:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await api.get(INVOICES, acme.auditor, limit=2, **query, **cursor)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [one["number"] for one in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == expected


@ON_ONE_DATABASE
async def test_one_is_found_by_its_id(api: Api, acme: Tenant, books: dict[str, OrganizationInvoice]) -> None:
    wanted = books["PLX-2"]
    answer = await api.get(INVOICES, acme.admin, q=wanted.id)
    assert [one["id"] for one in answer.json()["data"]] == [wanted.id]


@ON_ONE_DATABASE
async def test_what_customers_are_billed_has_none_of_them(
    api: Api, acme: Tenant, books: dict[str, OrganizationInvoice]
) -> None:
    listed = (await api.get("/v1/invoices", acme.admin, counts="true")).json()
    assert [one["number"] for one in listed["data"]] == ["PLX-8"]
    assert (listed["counts"]["all"], listed["counts"]["paid"]) == (1, 0)
    assert (await api.get("/v1/invoices", acme.admin, q="plx-2")).json()["data"] == []
    search = (await api.get("/v1/search", acme.admin, q="PLX-2")).json()
    assert search["invoices"] == []
    own = books["PLX-2"].id
    for path in ("", "/portal-links", "/access-diagnosis", "/payments"):
        assert (await api.get(f"/v1/invoices/{own}{path}", acme.admin)).status_code in (404, 405), path
    for path in ("/portal-links", "/portal-links/resend", "/pay-link", "/pdf", "/access-diagnosis"):
        assert (await api.post(f"/v1/invoices/{own}{path}", acme.admin)).status_code == 404, path
    [receivable] = [
        limit
        for limit in (await api.get("/v1/organization", acme.admin)).json()["limits"]
        if limit["name"] == "ar_balance"
    ]
    assert receivable["used"] == 10_000, "the customer's only"


@ON_ONE_DATABASE
async def test_as_csv_all_of_them(api: Api, acme: Tenant, books: dict[str, OrganizationInvoice]) -> None:
    answer = await api.http.get(INVOICES, headers=acme.auditor.headers | {"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["number"], row["total"], row["currency"], row["needs_payment"]) for row in rows] == [
        ("PLX-3", "50.00", "usd", "false"),
        ("PLX-2", "250.50", "usd", "true"),
        ("PLX-1", "100.00", "usd", "false"),
    ]


@ON_ONE_DATABASE
async def test_another_organizations_are_not_there(
    api: Api, acme: Tenant, other: Tenant, database: Database, books: dict[str, OrganizationInvoice]
) -> None:
    own = books["PLX-2"].id
    pdf = InvoicePdf(
        id=new_id("pdf"),
        organization_id=acme.id,
        invoice_id=own,
        sha256="0" * 64,
        size=4,
        content=b"%PDF",
        fetched_at=NOW,
        requested_by=acme.admin.id,
    )
    await store(database, pdf)
    assert (await api.get(f"{INVOICES}/{own}/pdf/{pdf.id}", acme.auditor)).content == b"%PDF"
    before = await counted(database, Outbox)
    answers = [
        await api.get(f"{INVOICES}/{own}", other.admin),
        await api.get(f"{INVOICES}/{own}/pdf/{pdf.id}", other.admin),
        await api.post(f"{INVOICES}/{own}/pay-link", other.admin),
        await api.post(f"{INVOICES}/{own}/pdf", other.admin),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert await counted(database, Outbox) == before


@pytest.mark.parametrize("way", ["pay-link", "pdf"])
@pytest.mark.parametrize("role", [Role.FINANCE, Role.LEGAL, Role.AUDITOR])
@ON_ONE_DATABASE
async def test_addresses_are_asked_for_by_those_who_may_of_customers_invoices(
    api: Api, acme: Tenant, books: dict[str, OrganizationInvoice], way: str, role: Role
) -> None:
    answer = await api.post(f"{INVOICES}/{books['PLX-2'].id}/{way}", acme.members[role])
    assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")


@ON_ONE_DATABASE
async def test_the_next_invoice_and_what_waits_for_it(api: Api, acme: Tenant, database: Database) -> None:
    for path in ("renewal", "pending-items"):
        answer = await api.get(f"/v1/organization/{path}", acme.auditor)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_synced")
    await store(database, a_renewal(acme.id))
    renewal: Any = (await api.get("/v1/organization/renewal", acme.auditor)).json()
    assert renewal["invoice"]["amount_due"]["amount_minor"] == 11_900
    assert [line["amount"]["amount_minor"] for line in renewal["invoice"]["lines"]] == [1_900, 10_000]
    [item] = (await api.get("/v1/organization/pending-items", acme.auditor)).json()["data"]
    assert (item["amount"]["amount_minor"], item["proration"]) == (1_900, True)
    assert renewal["pending_items"] == [item]


@ON_ONE_DATABASE
async def test_where_nothing_is_billed_next_it_says_why(api: Api, acme: Tenant, database: Database) -> None:
    none = a_renewal(acme.id, invoice=None, items=[], why_none="No upcoming.")
    await store(database, none)
    renewal = (await api.get("/v1/organization/renewal", acme.auditor)).json()
    assert (renewal["invoice"], renewal["why_none"]) == (None, "No upcoming.")
