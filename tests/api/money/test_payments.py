"""The mirror of payments, and what was refunded of them."""

from datetime import timedelta

import pytest

from db.core.session import Database

from ...support.builders import NOW, Tenant, an_operation, store
from ...support.money_rows import a_payment, a_refund
from ..conftest import Api


@pytest.fixture
async def paid(database: Database, acme: Tenant) -> None:
    """Five payments, the oldest first; of the first two something can still be refunded."""
    at = [NOW + timedelta(minutes=minutes) for minutes in range(5)]
    await store(
        database,
        a_payment(acme.id, id="pi_1", created_at=at[0], invoice_id="in_1", amount_refunded=1_000),
        a_payment(acme.id, id="pi_2", created_at=at[1], customer_id="cus_2"),
        a_payment(acme.id, id="pi_3", created_at=at[2], invoice_id="in_1", amount_refunded=10_000),
        a_payment(acme.id, id="pi_4", created_at=at[3], disputed=True),
        a_payment(acme.id, id="pi_5", created_at=at[4], status="canceled"),
    )


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["pi_5", "pi_4", "pi_3", "pi_2", "pi_1"]),
        ({"refundable": "true"}, ["pi_2", "pi_1"]),
        ({"refundable": "false"}, ["pi_5", "pi_4", "pi_3"]),
        ({"customer": "cus_2"}, ["pi_2"]),
        ({"invoice": "in_1"}, ["pi_3", "pi_1"]),
        ({"invoice": "in_1", "refundable": "true"}, ["pi_1"]),
        ({"customer": "cus_none"}, []),
    ],
)
@pytest.mark.usefixtures("paid")
async def test_payments_are_found_by_whose_they_are_and_what_is_left(
    api: Api, acme: Tenant, query: dict[str, str], expected: list[str]
) -> None:
    page = (await api.get("/v1/payments", acme.auditor, **query)).json()
    assert [payment["id"] for payment in page["data"]] == expected


@pytest.mark.usefixtures("paid")
async def test_payments_come_page_by_page(api: Api, acme: Tenant) -> None:
    first = (await api.get("/v1/payments", acme.auditor, limit=3)).json()
    second = (await api.get("/v1/payments", acme.auditor, limit=3, cursor=first["next_cursor"])).json()
    assert [payment["id"] for payment in first["data"] + second["data"]] == [
        "pi_5",
        "pi_4",
        "pi_3",
        "pi_2",
        "pi_1",
    ]
    assert second["next_cursor"] is None


@pytest.mark.usefixtures("paid")
async def test_a_payment_is_shown_with_what_is_left_of_it_and_its_refunds(
    api: Api, acme: Tenant, database: Database
) -> None:
    operation = an_operation(acme, kind="refund")
    await store(
        database,
        operation,
        a_refund(
            acme.id,
            "pi_1",
            id="re_1",
            amount=1_000,
            status="succeeded",
            reason="duplicate",
            operation_id=operation.id,
        ),
        a_refund(
            acme.id,
            "pi_1",
            id="re_2",
            amount=500,
            status="failed",
            failure_reason="lost_or_stolen_card",
            created_at=NOW + timedelta(seconds=1),
        ),
    )
    shown = (await api.get("/v1/payments/pi_1", acme.legal)).json()
    at = "2026-03-02T15:00:00Z"
    assert shown == {
        "id": "pi_1",
        "customer": "cus_1",
        "invoice": "in_1",
        "amount": {"amount_minor": 10_000, "currency": "usd"},
        "amount_refunded": {"amount_minor": 1_000, "currency": "usd"},
        "refundable": {"amount_minor": 9_000, "currency": "usd"},
        "disputed": False,
        "status": "succeeded",
        "created_at": at,
        "synced_at": at,
        "refunds": [
            {
                "id": "re_1",
                "payment_intent": "pi_1",
                "operation": operation.id,
                "amount": {"amount_minor": 1_000, "currency": "usd"},
                "status": "succeeded",
                "reason": "duplicate",
                "failure_reason": None,
                "created_at": at,
                "synced_at": at,
            },
            {
                "id": "re_2",
                "payment_intent": "pi_1",
                "operation": None,
                "amount": {"amount_minor": 500, "currency": "usd"},
                "status": "failed",
                "reason": None,
                "failure_reason": "lost_or_stolen_card",
                "created_at": "2026-03-02T15:00:01Z",
                "synced_at": at,
            },
        ],
    }


@pytest.mark.parametrize(("payment", "left"), [("pi_3", 0), ("pi_4", 0), ("pi_5", 0), ("pi_2", 10_000)])
@pytest.mark.usefixtures("paid")
async def test_nothing_is_left_of_what_is_disputed_or_never_succeeded(
    api: Api, acme: Tenant, payment: str, left: int
) -> None:
    shown = (await api.get(f"/v1/payments/{payment}", acme.admin)).json()
    assert shown["refundable"] == {"amount_minor": left, "currency": "usd"}


@pytest.mark.usefixtures("paid")
async def test_another_organizations_payments_are_not_there(api: Api, other: Tenant) -> None:
    assert (await api.get("/v1/payments", other.admin)).json()["data"] == []
    theirs = await api.get("/v1/payments/pi_1", other.admin)
    unknown = await api.get("/v1/payments/pi_none", other.admin)
    assert (theirs.status_code, theirs.json()["code"]) == (404, "not_found")
    assert theirs.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
