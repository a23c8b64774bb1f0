"""Lists, pages and filters, and what others don't see."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from billing.core.events import EventCode
from billing.core.operations import Kind
from billing.evidence.event_words import words
from db.core import timeline
from db.core.session import Database
from db.tables import Operation

from ...support.builders import (
    NOW,
    Tenant,
    a_customer,
    a_notice,
    an_approval,
    an_invoice,
    an_operation,
    store,
)
from ..conftest import ON_ONE_DATABASE, Api

LISTS = ("operations", "approvals", "notices", "customers", "invoices", "plans")


async def paged(api: Api, tenant: Tenant, path: str, limit: int, **query: Any) -> list[list[str]]:
    """The ids on each page, in order."""
    pages: list[list[str]] = []
    cursor: str | None = None
    while True:
        page = (
            await api.get(
                path, tenant.auditor, limit=limit, **query, **({"cursor": cursor} if cursor else {})
            )
        ).json()
        pages.append([str(one.get("id") or one.get("plan") or one.get("seq")) for one in page["data"]])
        cursor = page["next_cursor"]
        if cursor is None:
            return pages


@pytest.fixture
async def history(database: Database, acme: Tenant) -> list[Operation]:
    """Five operations, the last of which is a plan change that is still open."""
    rows = [
        an_operation(acme, kind=Kind.REFUND.value, state="completed", stage="done", closed_at=NOW),
        an_operation(acme, kind=Kind.REFUND.value, state="running", stage="refunding"),
        an_operation(acme, state="completed", stage="done", closed_at=NOW),
        an_operation(acme, state="blocked", stage="done", closed_at=NOW),
        an_operation(acme, state="awaiting_approval", stage="review"),
    ]
    await store(database, *rows)
    return rows


async def test_operations_come_newest_first_page_by_page(
    api: Api, acme: Tenant, history: list[Operation]
) -> None:
    newest_first = [row.id for row in reversed(history)]
    assert await paged(api, acme, "/v1/operations", 2) == [
        newest_first[:2],
        newest_first[2:4],
        newest_first[4:],
    ]
    assert await paged(api, acme, "/v1/operations", 5) == [newest_first]


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "refund"}, [1, 0]),
        ({"state": "completed"}, [2, 0]),
        ({"kind": "plan_change", "state": "completed"}, [2]),
        ({"open": "true"}, [4, 1]),
        ({"open": "false"}, [3, 2, 0]),
        ({"open": "true", "kind": "plan_change"}, [4]),
    ],
)
async def test_operations_are_filtered(
    api: Api, acme: Tenant, history: list[Operation], query: dict[str, str], expected: list[int]
) -> None:
    pages = await paged(api, acme, "/v1/operations", 1, **query)
    assert [id_ for page in pages for id_ in page] == [history[n].id for n in expected]


async def test_an_operation_is_shown_as_it_is(api: Api, acme: Tenant, database: Database) -> None:
    operation = an_operation(
        acme,
        state="blocked",
        stage="done",
        subject={"from": {"plan": "growth"}},
        error={
            "code": "limits_exceeded",
            "message": "Customers: 61 in use, 50 allowed after the change: 11 too many",
        },
        result={"verified": False},
        allowed_actions=[],
        approval_id="apr_1",
        closed_at=NOW,
    )
    await store(database, operation)
    assert (await api.get(f"/v1/operations/{operation.id}", acme.finance)).json() == {
        "id": operation.id,
        "kind": "plan_change",
        "state": "blocked",
        "stage": "done",
        "request": {"plan": "scale", "reason": "we grow"},
        "subject": {"from": {"plan": "growth"}},
        "requested_by": acme.admin.id,
        "created_at": "2026-03-02T15:00:00Z",
        "updated_at": "2026-03-02T15:00:00Z",
        "customer": None,
        "amount": None,
        "result": {"verified": False},
        "error": {
            "code": "limits_exceeded",
            "message": "Customers: 61 in use, 50 allowed after the change: 11 too many",
        },
        "allowed_actions": [],
        "approval": "apr_1",
        "workflow_id": operation.workflow_id,
        "pending": False,
    }


async def test_a_timeline_comes_oldest_first_page_by_page(
    api: Api, acme: Tenant, history: list[Operation], database: Database
) -> None:
    id_ = history[0].id
    for step in range(5):
        async with database.transaction() as session:
            await timeline.append(
                session,
                id_,
                key=f"step-{step}",
                event=EventCode.CHECKED,
                actor="system",
                at=NOW + timedelta(seconds=step),
            )
    assert await paged(api, acme, f"/v1/operations/{id_}/timeline", 2) == [["1", "2"], ["3", "4"], ["5"]]
    first = (await api.get(f"/v1/operations/{id_}/timeline", acme.admin, limit=1)).json()["data"][0]
    fields = ["seq", "at", "actor", "event", "code", "detail", "names", "records", "prev_hash", "hash"]
    assert list(first) == fields
    assert first["event"] == words(first["code"], first["detail"])


async def test_an_organization_sees_only_what_is_its_own(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    operation = an_operation(acme)
    customer = a_customer(acme.id)
    invoice = an_invoice(customer)
    await store(database, operation, an_approval(operation), a_notice(operation), customer, invoice)
    for resource in LISTS[:-1]:
        mine = (await api.get(f"/v1/{resource}", acme.auditor)).json()["data"]
        theirs = (await api.get(f"/v1/{resource}", other.auditor)).json()["data"]
        assert (len(mine), theirs) == (1, []), resource
        [id_] = [one["id"] for one in mine]
        if resource in ("operations", "approvals", "invoices"):
            hidden = await api.get(f"/v1/{resource}/{id_}", other.auditor)
            unknown = await api.get(f"/v1/{resource}/nothing", other.auditor)
            assert (hidden.status_code, hidden.json()["code"]) == (404, "not_found"), resource
            assert hidden.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
    assert (await api.get(f"/v1/operations/{operation.id}/timeline", other.auditor)).status_code == 404


async def test_customers_and_invoices_are_shown_as_stripe_had_them(
    api: Api, acme: Tenant, database: Database
) -> None:
    customer = a_customer(acme.id, name="Blue Bottle", email=None, balance=-2500)
    bare = a_customer(acme.id, currency=None)
    gone = a_customer(acme.id, deleted=True)
    due = NOW + timedelta(days=30)
    invoice = an_invoice(customer, number="BLUE-1", total=12_000, amount_paid=2_000, due_date=due)
    paid = an_invoice(customer, status="paid", amount_paid=10_000)
    await store(database, customer, bare, gone, invoice, paid)
    shown = {one["id"]: one for one in (await api.get("/v1/customers", acme.admin)).json()["data"]}
    assert shown == {
        customer.id: {
            "id": customer.id,
            "name": "Blue Bottle",
            "email": None,
            "balance": {"amount_minor": -2500, "currency": "usd"},
            "created_at": "2026-03-02T15:00:00Z",
            "synced_at": "2026-03-02T15:00:00Z",
            "erased_at": None,
        },
        bare.id: {
            "id": bare.id,
            "name": bare.name,
            "email": bare.email,
            "balance": None,
            "created_at": "2026-03-02T15:00:00Z",
            "synced_at": "2026-03-02T15:00:00Z",
            "erased_at": None,
        },
    }
    [listed] = (await api.get("/v1/invoices", acme.finance, status="open")).json()["data"]
    assert listed == {
        "id": invoice.id,
        "customer": customer.id,
        "customer_name": "Blue Bottle",
        "number": "BLUE-1",
        "status": "open",
        "total": {"amount_minor": 12_000, "currency": "usd"},
        "amount_due": {"amount_minor": 12_000, "currency": "usd"},
        "amount_paid": {"amount_minor": 2_000, "currency": "usd"},
        "amount_remaining": {"amount_minor": 10_000, "currency": "usd"},
        "due_date": "2026-04-01T15:00:00Z",
        "reminded_at": None,
        "created_at": "2026-03-02T15:00:00Z",
        "synced_at": "2026-03-02T15:00:00Z",
    }
    assert await paged(api, acme, "/v1/invoices", 5, status="paid") == [[paid.id]]
    assert await paged(api, acme, "/v1/invoices", 5, customer=bare.id) == [[]]


async def test_plans_come_by_name_with_their_prices_and_limits(api: Api, acme: Tenant) -> None:
    assert await paged(api, acme, "/v1/plans", 2) == [["growth", "scale"], ["starter"]]
    plans = (await api.get("/v1/plans", acme.legal)).json()["data"]
    assert plans[1] == {
        "plan": "scale",
        "name": "Scale",
        "seats_included": 500,
        "limits": {"seats": 500, "customers": None, "ar_balance": None},
        "prices": [
            {"id": "price_scale_month", "interval": "month", "unit_amount": 4000, "currency": "usd"},
            {"id": "price_scale_year", "interval": "year", "unit_amount": 40_000, "currency": "usd"},
        ],
        "unavailable": None,
    }


async def test_the_organization_is_shown_against_its_limits(
    api: Api, acme: Tenant, database: Database
) -> None:
    customer = a_customer(acme.id)
    await store(database, customer, an_invoice(customer, total=5_000_001))
    change = (await api.ask(acme.admin)).json()["id"]
    assert (await api.get("/v1/organization", acme.auditor)).json() == {
        "id": acme.id,
        "name": acme.organization.name,
        "plan": "starter",
        "seats": 10,
        "interval": "month",
        "renews_at": "2026-04-01T00:00:00Z",
        "ends_at": None,
        "limits": [
            {"name": "seats", "used": 5, "allowed": 10, "ok": True},
            {"name": "customers", "used": 1, "allowed": 50, "ok": True},
            {"name": "ar_balance", "used": 5_000_001, "allowed": 5_000_000, "ok": False},
        ],
        "unsupported": None,
        "others": [],
        "obstacles": [],
        "pending_change": change,
        "stripe": {
            "customer": acme.organization.stripe_customer,
            "subscription": acme.organization.stripe_subscription,
        },
        "synced_at": "2026-03-02T15:00:00Z",
    }


def cursor(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize("resource", ["operations", "customers", "plans", "timeline"])
@pytest.mark.parametrize(
    "wrong",
    [
        "nonsense",
        "ümlaut",
        "\x00",
        "=" * 500,
        cursor(),
        cursor(5),
        cursor("a", "b", "c"),
        cursor("2026-03-02T15:00:00", "cus_1"),
        cursor("9" * 40, "cus_1"),
        cursor("a\x00"),
        cursor("\ud800"),
        cursor("2026-03-02T15:00:00+00:00", "\ud800"),
        cursor("0001-01-01T00:00:00+14:00", "cus_1"),
    ],
)
async def test_a_cursor_that_is_not_of_the_list_is_refused(
    api: Api, acme: Tenant, history: list[Operation], resource: str, wrong: str
) -> None:
    path = f"/v1/operations/{history[0].id}/timeline" if resource == "timeline" else f"/v1/{resource}"
    answer = await api.get(path, acme.admin, cursor=wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")
    assert answer.json()["errors"][0] | {"message": ""} == {
        "where": "query",
        "pointer": "/cursor",
        "code": "invalid_cursor",
        "message": "",
    }


@ON_ONE_DATABASE
@pytest.mark.parametrize("resource", LISTS)
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": "0"}, "too_small"),
        ({"limit": "101"}, "too_large"),
        ({"limit": "many"}, "wrong_type"),
        ({"page": "2"}, "unknown_field"),
        ({"cursor": "x" * 501}, "too_long"),
    ],
)
async def test_a_wrong_query_is_named(
    api: Api, acme: Tenant, resource: str, query: dict[str, str], code: str
) -> None:
    answer = await api.get(f"/v1/{resource}", acme.admin, **query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    [error] = answer.json()["errors"]
    assert (error["where"], error["pointer"], error["code"]) == ("query", f"/{next(iter(query))}", code)


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/operations?state=finished", "/state"),
        ("/v1/operations?kind=payment", "/kind"),
        ("/v1/operations?open=perhaps", "/open"),
        ("/v1/approvals?state=closed", "/state"),
        ("/v1/approvals?needs_me=perhaps", "/needs_me"),
        ("/v1/notices?state=closed", "/state"),
        ("/v1/invoices?status=late", "/status"),
    ],
)
async def test_a_wrong_filter_is_named(api: Api, acme: Tenant, path: str, pointer: str) -> None:
    answer = await api.get(path, acme.admin)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "id_",
    [
        "%00",
        "%ff",
        "%ED%A0%80",
        "schl%C3%BCssel",
        "a%20b",
        "a%2Fb",
        "x" * 129,
        "..%2f..",
        "'--",
        "%0d%0aX: y",
    ],
)
@pytest.mark.parametrize(
    "path", ["/v1/operations/{}", "/v1/operations/{}/timeline", "/v1/approvals/{}", "/v1/invoices/{}"]
)
async def test_an_id_of_other_bytes_is_not_found(api: Api, acme: Tenant, path: str, id_: str) -> None:
    answer = await api.get(path.format(id_), acme.admin)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("query", ["operation=%00", "operation=%ff", "operation=schl%C3%BCssel"])
async def test_a_filter_of_other_bytes_breaks_nothing(api: Api, acme: Tenant, query: str) -> None:
    answer = await api.get(f"/v1/approvals?{query}", acme.admin)
    assert answer.status_code in (200, 422)
    invoices = await api.get(f"/v1/invoices?{query.replace('operation', 'customer')}", acme.admin)
    assert invoices.status_code in (200, 422)
