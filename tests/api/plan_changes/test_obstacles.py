"""What stands in the way of any plan change, as the mirror has it."""

import re
from typing import Any

import pytest

from db.core.session import Database
from db.mirror import mirror

from ...support.bill_rows import an_organization_invoice
from ...support.builders import NOW, Tenant, store
from ...support.case_rules import case_rules
from ..conftest import HELD, Api

MAY = 1_777_593_600


async def mirrored(database: Database, tenant: Tenant, **fields: Any) -> None:
    async with database.transaction() as session:
        await mirror.store_subscription(session, case_rules(), tenant.id, HELD | fields, synced_at=NOW)


async def obstacles(api: Api, tenant: Tenant) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get("/v1/organization", tenant.auditor)).json()["obstacles"]
    return found


async def test_where_nothing_stands_in_the_way_nothing_is_said(
    api: Api, acme: Tenant, database: Database
) -> None:
    await mirrored(database, acme)
    assert await obstacles(api, acme) == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"cancel_at": MAY}, "subscription_cancelling"),
        ({"pause_collection": "void"}, "collection_paused"),
        ({"pending_update": MAY}, "subscription_update_pending"),
        ({"billing_thresholds": True}, "billing_thresholds"),
        ({"schedule": "sub_sched_1"}, "subscription_scheduled"),
    ],
)
async def test_each_has_its_code(
    api: Api, acme: Tenant, database: Database, fields: dict[str, Any], code: str
) -> None:
    await mirrored(database, acme, **fields)
    assert [one["code"] for one in await obstacles(api, acme)] == [code]


async def test_the_schedule_of_our_own_change_is_no_obstacle(
    api: Api, acme: Tenant, database: Database
) -> None:
    await api.ask(acme.admin)
    await mirrored(database, acme, schedule="sub_sched_ours")
    assert await obstacles(api, acme) == []


async def test_what_is_owed_is_named_with_where_it_is_paid(
    api: Api, acme: Tenant, database: Database
) -> None:
    paid = an_organization_invoice(acme.id, number="PLX-1", status="paid", amount_paid=10_000)
    owed = an_organization_invoice(acme.id, number="PLX-2", total=25_050)
    await store(database, owed, paid)
    await mirrored(database, acme, status="past_due")
    [obstacle] = await obstacles(api, acme)
    assert obstacle["code"] == "subscription_past_due"
    assert {"PLX-2", "250.50", f"/console/plans/invoices/{owed.id}."} <= set(obstacle["message"].split())


async def test_a_plan_that_is_not_sold_in_the_currency_is_refused_with_those_that_it_is_sold_in(
    api: Api, acme: Tenant, database: Database
) -> None:
    await mirrored(database, acme, currency="eur")
    refused = (await api.ask(acme.admin)).json()
    assert (refused["code"], refused["errors"][0]["pointer"]) == ("currency_unavailable", "/plan")
    assert {"EUR", "USD"} <= set(re.findall(r"[A-Z]{3}", refused["detail"]))
