"""Operations: found by whom and what they are about, by whoever asked, by when; as CSV."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from billing.core.operations import State
from db.core.session import Database
from db.operations import intents, operations
from db.tables import Operation

from ...support.builders import NOW, Tenant, a_customer, an_approval, an_invoice, an_operation, store
from ...support.money_rows import a_credit_operation, a_payment, a_refund_operation
from ..conftest import ON_ONE_DATABASE, Api
from ..counting import queries

DAY = timedelta(days=1)


@pytest.fixture
async def asked(database: Database, acme: Tenant, other: Tenant) -> dict[str, Operation]:
    """A refund of Müller's payment, a credit to Blue by the controller, a plan change; and another's."""
    muller = a_customer(acme.id, id="cus_m", name="Müller")
    blue = a_customer(acme.id, id="cus_b", name="Blue")
    invoice = an_invoice(blue, id="in_b", number="BLUE-7")
    await store(database, muller, blue, invoice, a_payment(acme.id, id="pi_m", customer_id="cus_m"))
    wanted = {"payment_intent": "pi_m", "invoice": None, "amount_minor": None, "currency": None}
    credit = {"customer": "cus_b", "amount_minor": 1_300, "currency": "usd", "invoice": "in_b"}
    early = {"created_at": NOW - DAY, "updated_at": NOW + DAY}
    rows = {
        "refund": a_refund_operation(acme, id="op_1", request=wanted, **early),
        "credit": a_credit_operation(acme, id="op_2", request=credit, requested_by=acme.controller.id),
        "plan": an_operation(acme, id="op_3", approval_id="apr_3"),
        "theirs": a_refund_operation(other, id="op_4", request=wanted),
    }
    async with database.transaction() as session:
        for row in rows.values():
            await operations.create(session, row)
    return rows


async def found(api: Api, acme: Tenant, **query: Any) -> list[str]:
    answer = await api.get("/v1/operations", acme.auditor, **query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["data"]]


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"customer": "cus_m"}, ["op_1"]),
        ({"customer": "cus_b"}, ["op_2"]),
        ({"object": "pi_m"}, ["op_1"]),
        ({"object": "in_b"}, ["op_2"]),
        ({"object": "cus_m"}, ["op_1"]),
        ({"object": "in_unknown"}, []),
        ({"q": "muller"}, ["op_1"]),
        ({"q": "blue-7"}, ["op_2"]),
        ({"q": "13.00"}, ["op_2"]),
        ({"q": "eur 13"}, []),
        ({"q": "op_3"}, ["op_3"]),
        ({"q": "apr_3"}, ["op_3"]),
        ({"q": "pi_m", "kind": "credit"}, []),
        ({"created_before": NOW.isoformat()}, ["op_1"]),
        ({"created_after": NOW.isoformat()}, ["op_3", "op_2"]),
        ({"sort": "created_at"}, ["op_1", "op_2", "op_3"]),
        ({"sort": "-updated_at"}, ["op_1", "op_3", "op_2"]),
    ],
)
async def test_an_operation_is_found(
    api: Api, acme: Tenant, asked: dict[str, Operation], query: dict[str, str], expected: list[str]
) -> None:
    assert await found(api, acme, **query) == expected


async def test_operations_are_those_of_a_person(api: Api, acme: Tenant, asked: dict[str, Operation]) -> None:
    assert await found(api, acme, requested_by=acme.controller.id) == ["op_2"]
    assert await found(api, acme, requested_by=acme.admin.id) == ["op_3", "op_1"]


async def test_what_became_known_is_shown_and_found(
    api: Api, acme: Tenant, asked: dict[str, Operation], database: Database
) -> None:
    subject = {"customer": "cus_m", "amount": {"amount_minor": 700, "currency": "usd"}, "invoice": "in_m"}
    before = (await api.get("/v1/operations/op_1", acme.auditor)).json()
    async with database.transaction() as session:
        await operations.update_state(
            session, "op_1", state=State.RUNNING, stage="issuing", at=NOW, subject=subject
        )
        intent = intents.new(
            organization_id=acme.id,
            operation_id="op_1",
            step="refund",
            version=1,
            effect="refund.create",
            target="pi_m",
            params={},
            at=NOW,
        )
        await intents.begin(session, intent)
        await intents.close_done(session, intent.idempotency_key, at=NOW, stripe_id="re_m")
    after = (await api.get("/v1/operations/op_1", acme.auditor)).json()

    assert (before["customer"], before["amount"]) == ("cus_m", None)
    assert (after["customer"], after["amount"]) == ("cus_m", {"amount_minor": 700, "currency": "usd"})
    for object_ in ("in_m", "re_m"):
        assert await found(api, acme, object=object_) == ["op_1"]
        assert await found(api, acme, q=object_) == ["op_1"]


async def test_approvals_are_those_that_wait_for_others_and_come_by_deadline(
    api: Api, acme: Tenant, asked: dict[str, Operation], database: Database
) -> None:
    late = an_approval(asked["refund"], deadline=NOW + 2 * DAY)
    soon = an_approval(asked["plan"], deadline=NOW + DAY)
    over = an_approval(asked["credit"], state="rejected", closed_at=NOW)
    await store(database, late, soon, over)

    async def listed(who: Any, **query: Any) -> list[str]:
        return [one["id"] for one in (await api.get("/v1/approvals", who, **query)).json()["data"]]

    assert await listed(acme.controller, needs_me="true", sort="deadline") == [soon.id, late.id]
    assert await listed(acme.controller, waits_for_others="true") == []
    assert await listed(acme.admin, waits_for_others="true", sort="-deadline") == [late.id, soon.id]
    assert await listed(acme.admin, needs_me="true") == []
    assert await listed(acme.auditor, open="false") == [over.id]
    assert await listed(acme.auditor, open="true", sort="operation") == [late.id, soon.id]


@pytest.mark.parametrize("resource", ["operations", "approvals", "notices"])
async def test_each_list_is_csv_for_who_asks_for_it(
    api: Api, acme: Tenant, asked: dict[str, Operation], database: Database, resource: str
) -> None:
    await store(database, an_approval(asked["credit"], amount_minor=1_300, currency="usd"))
    headers = acme.finance.headers | {"Accept": "text/csv"}
    answer = await api.http.get(f"/v1/{resource}", headers=headers)
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    as_json = (await api.get(f"/v1/{resource}", acme.finance)).json()["data"]
    assert answer.headers["content-disposition"] == f'attachment; filename="{resource}.csv"'
    assert [row["id"] for row in rows] == [one["id"] for one in as_json]
    if resource != "notices":
        [row] = [row for row in rows if row["amount"]]
        assert (row["amount"], row["currency"], row["requested_by"]) == (
            "13.00",
            "usd",
            acme.controller.id,
        )
        assert "subject" not in row


@ON_ONE_DATABASE
async def test_a_page_of_operations_takes_one_query(
    api: Api, acme: Tenant, asked: dict[str, Operation]
) -> None:
    with queries(api) as sent:
        await api.get("/v1/operations", acme.auditor, q="muller", customer="cus_m", sort="updated_at")
    assert len(sent) == 1
