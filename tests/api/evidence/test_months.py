"""A month for Finance: what belongs to it by the organization's calendar, as lists, CSV and one document."""

import csv
import io
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from api.http import csv_lists
from billing.core.operations import Role
from db.core.session import Database

from ...support.builders import Tenant, a_customer, an_intent, store
from ...support.money_rows import a_refund_operation
from ..conftest import ON_ONE_DATABASE, Api
from ..giving import ask

pytestmark = ON_ONE_DATABASE

PARTS = ("operations", "intents", "evidence-heads")
MARCH = "/v1/months/2026-03"
IN_MARCH = datetime(2026, 3, 10, 12, tzinfo=UTC)


async def ids(api: Api, tenant: Tenant, path: str) -> list[str]:
    answer = await api.get(path, tenant.finance)
    assert answer.status_code == 200, answer.text
    return [row.get("id") or row["operation"] for row in answer.json()["data"]]


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[arg-type, misc]


async def test_operations_belong_to_the_month_they_were_requested_or_ended_in(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    """By New York's calendar, where March begins at five and ends at four in UTC."""
    before = a_refund_operation(acme, created_at=at(2026, 3, 1, 4, 59))
    begins = a_refund_operation(acme, created_at=at(2026, 3, 1, 5))
    ends = a_refund_operation(acme, created_at=at(2026, 2, 1), closed_at=at(2026, 4, 1, 3, 59))
    after = a_refund_operation(acme, created_at=at(2026, 4, 1, 4), closed_at=at(2026, 4, 1, 5))
    around = a_refund_operation(acme, created_at=at(2026, 2, 1), closed_at=at(2026, 4, 2))
    theirs = a_refund_operation(other, created_at=IN_MARCH)
    await store(database, before, begins, ends, after, around, theirs)
    assert sorted(await ids(api, acme, f"{MARCH}/operations")) == sorted([begins.id, ends.id])
    assert await ids(api, other, f"{MARCH}/operations") == [theirs.id]


async def test_intents_belong_to_the_month_they_were_opened_or_closed_in(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    mine, theirs = a_refund_operation(acme), a_refund_operation(other)
    await store(database, mine, theirs)
    await store(
        database,
        an_intent(mine, step="early", created_at=at(2026, 2, 1), closed_at=at(2026, 2, 2), state="done"),
        an_intent(mine, step="late", created_at=at(2026, 2, 1), closed_at=IN_MARCH, state="done"),
        an_intent(mine, step="open", created_at=IN_MARCH),
        an_intent(theirs, step="theirs", created_at=IN_MARCH),
    )
    answer = await api.get(f"{MARCH}/intents", acme.finance)
    assert [row["step"] for row in answer.json()["data"]] == ["late", "open"]


async def test_a_head_is_that_of_the_operations_evidence(api: Api, acme: Tenant) -> None:
    asked = (await ask(api, acme.admin, "credits")).json()
    created_at = datetime.fromisoformat(asked["created_at"])
    month = f"{created_at.astimezone(ZoneInfo(acme.organization.zone)):%Y-%m}"
    [row] = (await api.get(f"/v1/months/{month}/evidence-heads", acme.finance)).json()["data"]
    evidence = (await api.get(f"/v1/operations/{asked['id']}/evidence", acme.auditor)).json()
    assert (row["operation"], row["head"]) == (asked["id"], evidence["head"])
    assert row["events"] == len(evidence["timeline"])


async def rows_of(api: Api, tenant: Tenant, part: str) -> list[dict[str, str]]:
    answer = await api.http.get(f"{MARCH}/{part}", headers=tenant.finance.headers | {"Accept": "text/csv"})
    assert answer.headers["content-disposition"] == f'attachment; filename="2026-03-{part}.csv"'
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_a_spreadsheet_calculates_nothing_of_it(api: Api, acme: Tenant, database: Database) -> None:
    customers = [a_customer(acme.id, name=f"{begin}SUM(A1)") for begin in "=+-@"]
    given = [
        a_refund_operation(acme, customer_id=one.id, created_at=IN_MARCH, amount_minor=1_250, currency="usd")
        for one in customers
    ]
    await store(database, *customers)
    await store(database, *given)
    await store(database, *(an_intent(one, target="=1+1", created_at=IN_MARCH) for one in given))
    rows = await rows_of(api, acme, "operations")
    assert [row["customer_name"] for row in rows] == ["'=SUM(A1)", "'+SUM(A1)", "'-SUM(A1)", "'@SUM(A1)"]
    assert {(row["amount"], row["currency"], row["requested_by_name"]) for row in rows} == {
        ("12.50", "usd", acme.admin.person.name)
    }
    assert {row["target"] for row in await rows_of(api, acme, "intents")} == {"'=1+1"}


async def test_the_document_has_all_of_the_lists_whatever_their_length(
    api: Api, acme: Tenant, other: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_lists, "PAGE", 2)
    mine = [a_refund_operation(acme, created_at=IN_MARCH) for _ in range(5)]
    await store(database, *mine, a_refund_operation(other, created_at=IN_MARCH))
    await store(database, *(an_intent(one, created_at=IN_MARCH) for one in mine))
    answer = await api.get(MARCH, acme.finance)
    assert answer.headers["content-disposition"] == 'attachment; filename="2026-03.json"'
    document: dict[str, Any] = answer.json()
    assert (document["month"], document["zone"]) == ("2026-03", "America/New_York")
    assert (document["begins_at"], document["ends_at"]) == ("2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z")
    for part in PARTS:
        listed = (await api.get(f"{MARCH}/{part}", acme.finance)).json()["data"]
        assert document[part.replace("-", "_")] == listed
    assert len(document["operations"]) == 5
    assert len(document["intents"]) == 5


async def test_a_month_without_anything_is_empty(api: Api, acme: Tenant) -> None:
    document = (await api.get("/v1/months/2031-01", acme.finance)).json()
    assert [document[name] for name in ("operations", "intents", "evidence_heads")] == [[], [], []]


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_reads_it(api: Api, acme: Tenant, role: Role) -> None:
    for path in (MARCH, *(f"{MARCH}/{part}" for part in PARTS)):
        assert (await api.get(path, acme.members[role])).status_code == 200


@pytest.mark.parametrize("month", ["2026-13", "2026-00", "1999-01", "2026-3", "2026", "now"])
async def test_what_is_no_month_is_not_there(api: Api, acme: Tenant, month: str) -> None:
    for path in ("", *(f"/{part}" for part in PARTS)):
        assert (await api.get(f"/v1/months/{month}{path}", acme.finance)).status_code == 404
