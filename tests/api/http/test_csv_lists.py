"""Lists as CSV: all of what was filtered, in words that a spreadsheet does not calculate."""

import csv
import io

import pytest

from api.http import csv_lists
from api.http.csv_lists import prefers_csv
from db.core.session import Database

from ...support.builders import NOW, Member, Tenant, a_customer, an_invoice, store
from ..conftest import ON_ONE_DATABASE, Api

CSV = {"Accept": "text/csv"}


async def read(api: Api, path: str, who: Member) -> list[dict[str, str]]:
    answer = await api.http.get(path, headers=who.headers | CSV)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_columns_are_named_as_in_json_and_hold_amounts_and_times_that_machines_read(
    api: Api, acme: Tenant, database: Database
) -> None:
    blue = a_customer(acme.id, name="Blue, Bottle", balance=-2_500)
    await store(database, blue, an_invoice(blue, number="B-1", total=120_005, amount_paid=5, due_date=NOW))
    early = {"status": "draft", "currency": "jpy", "created_at": NOW.replace(day=1)}
    await store(database, an_invoice(blue, total=500, **early))
    dollars, yen = await read(api, "/v1/invoices", acme.finance)
    assert list(dollars) == [
        *("id", "customer", "customer_name", "number", "status", "total", "currency", "amount_due"),
        *("amount_paid", "amount_remaining", "due_date", "reminded_at", "created_at", "synced_at"),
    ]
    shown = ("customer_name", "total", "currency", "amount_paid", "amount_remaining", "due_date")
    assert [dollars[name] for name in shown] == [
        *("Blue, Bottle", "1200.05", "usd", "0.05", "1200.00", "2026-03-02T15:00:00Z")
    ]
    assert [yen[name] for name in shown] == ["Blue, Bottle", "500", "jpy", "0", "500", ""]
    assert yen["number"] == ""
    [customer] = await read(api, "/v1/customers", acme.finance)
    assert (customer["balance"], customer["currency"]) == ("-25.00", "usd")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
async def test_text_is_no_formula(api: Api, acme: Tenant, database: Database, name: str) -> None:
    await store(database, a_customer(acme.id, name=name))
    [row] = await read(api, "/v1/customers", acme.finance)
    assert row["name"] == f"'{name}"


async def test_all_that_was_filtered_comes_whatever_the_limit(
    api: Api, acme: Tenant, other: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_lists, "PAGE", 2)
    blue, theirs = a_customer(acme.id), a_customer(other.id)
    mine = [an_invoice(blue, id=f"in_{n}", number=f"N-{n}") for n in range(5)]
    await store(database, blue, theirs, *mine, an_invoice(theirs), an_invoice(blue, status="void"))
    rows = await read(api, "/v1/invoices?status=open&limit=1&sort=created_at", acme.finance)
    assert [row["id"] for row in rows] == [row.id for row in mine]


@ON_ONE_DATABASE
async def test_more_than_fits_is_refused_before_anything_is_sent(
    api: Api, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_lists, "MAX_ROWS", 2)
    await store(database, *(a_customer(acme.id, name=f"Same {n}") for n in range(2)), a_customer(acme.id))
    refused = await api.http.get("/v1/customers", headers=acme.admin.headers | CSV)
    assert (refused.status_code, refused.json()["code"]) == (422, "too_many_rows")
    assert len(await read(api, "/v1/customers?q=same", acme.admin)) == 2


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/csv", True),
        ("text/csv, */*", True),
        ("text/csv;q=0.9, application/json;q=0.8", True),
        ("application/json, text/csv;q=0.5", False),
        ("text/csv;q=0", False),
        ("text/csv;q=much", False),
        ("*/*", False),
        ("text/*", False),
        ("", False),
    ],
)
def test_csv_is_for_those_who_ask_for_it(accept: str, expected: bool) -> None:
    assert prefers_csv(accept) is expected
