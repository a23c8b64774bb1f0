"""Every list that OpenAPI has: sorted, in the same order over pages, and as CSV."""

import csv
import io
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.events import EventCode
from billing.evidence.seals.roots import SealedHead, seal
from billing.policy.policy import Policy
from db.core import timeline
from db.core.session import Database
from db.evidence import roots
from db.mail import customer_mails
from db.people.people import new_api_key
from db.tables import (
    CommentRow,
    ConsoleSession,
    Customer,
    CustomerMail,
    Incident,
    Invoice,
    MailTemplate,
    Operation,
    PortalTrouble,
    RecordRead,
    Renewal,
    new_id,
)

from ...billing.evidence.sealing import SIGNER
from ...support.bill_rows import a_line, an_organization_invoice
from ...support.builders import (
    NOW,
    Tenant,
    a_customer,
    a_notice,
    an_api_key,
    an_approval,
    an_intent,
    an_invoice,
    an_operation,
    store,
)
from ...support.case_rows import a_case
from ...support.money_rows import (
    a_balance_transaction,
    a_credit_note,
    a_delegation,
    a_dispute,
    a_note,
    a_payment,
    a_refund,
    a_refund_operation,
)
from ...support.portal_rows import a_link, a_network
from ...support.reconciliation_rows import a_difference, a_run
from ..conftest import Api, existing, sold

MORE = 3
"""Of everything; half of it at the same time, so that it is something else that orders it."""
IN_MARCH = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}


def lists(document: Mapping[str, Any]) -> list[str]:
    """The paths that answer a page of rows, and where the next one begins. The search and the mail templates
    answer all that they have at once."""
    schemas = document["components"]["schemas"]

    def is_list(operation: Mapping[str, Any]) -> bool:
        shown = operation.get("responses", {}).get("200", {}).get("content", {}).get("application/json", {})
        name = shown.get("schema", {}).get("$ref", "").rpartition("/")[2]
        return {"data", "next_cursor"} <= set(schemas.get(name, {}).get("properties", {}))

    return [path for path, methods in document["paths"].items() if is_list(methods.get("get", {}))]


def sorts(document: Mapping[str, Any], path: str) -> list[str]:
    """What `sort` can be."""
    parameters = document["paths"][path]["get"]["parameters"]
    found = next((one for one in parameters if one["name"] == "sort"), {"schema": {}})
    return list(found["schema"].get("enum", ()))


@pytest.fixture
async def ids(database: Database, acme: Tenant, policy: Policy) -> dict[str, str]:
    """Something in every list; ids by the resource whose they are."""
    await sold(database)
    known = await existing(database, acme, policy)
    async with database.reading() as session:
        customer = await session.get_one(Customer, known["customers"])
        invoice = await session.get_one(Invoice, known["invoices"])
        noted = [
            await session.get_one(Operation, known[resource])
            for resource in ("refunds", "credits", "voids", "write-offs", "cases")
        ]
        run = await session.get_one(Operation, known["reminder-runs"])
    for number in range(MORE):
        await _one_more(database, acme, policy, customer, invoice, number)
    numbers = range(2, MORE + 2)
    notes = [a_note(one, seq=n, text=f"Note {n}") for one in noted for n in numbers]
    change = known["operations"]
    comments = [
        CommentRow(
            id=new_id("cmt"),
            operation_id=change,
            seq=n,
            organization_id=acme.id,
            text=f"=Comment {n}",
            author=acme.legal.id,
            at=NOW,
        )
        for n in range(1, MORE + 1)
    ]
    await store(database, *notes, *comments)
    decided = [
        CustomerMail(
            id=new_id("cml"),
            organization_id=acme.id,
            customer_id=customer.id,
            invoice_id=invoice.id,
            step=f"due-{n}d",
            template=customer_mails.REMINDER,
            operation_id=run.id,
            state="sent",
            reason="sent",
            amount_minor=10_000 + n % 2,
            currency="usd",
            decided_at=NOW,
            due_at=NOW,
        ).model_dump()
        for n in range(MORE)
    ]
    async with database.transaction() as session:
        await customer_mails.add_decisions(session, decided)
        for n in range(MORE):
            await timeline.append(
                session, change, key=f"step-{n}", event=EventCode.CHECKED, actor="system", at=NOW
            )
        await _sealed(session, acme)
        renewal = await session.get_one(Renewal, acme.id)
        item = a_line(100) | {"currency": "usd", "proration": False, "date": 1_772_000_000}
        renewal.items = [item | {"id": f"ii_{n}"} for n in range(MORE)]
        session.add(renewal)
    return known | {"months": "2026-03", "mail-templates": "reminder"}


async def _sealed(session: AsyncSession, acme: Tenant) -> None:
    """Some days' roots, each with a head."""
    before, last = None, dict[str, SealedHead]()
    for number in range(1, MORE + 1):
        counted = {"approvals": 0, "decisions": 0, "intents": 0}
        head = SealedHead(operation=f"op_{number}", events=1, head=f"{number}" * 64, **counted)
        at = NOW + timedelta(days=number)
        before = await seal(acme.id, at.date(), at, before, [head], last, SIGNER)
        await roots.keep(session, before, [head], SIGNER.public_key)


async def _one_more(
    database: Database, acme: Tenant, policy: Policy, customer: Customer, invoice: Invoice, number: int
) -> None:
    """Of all that has a row of its own."""
    at = NOW + timedelta(minutes=number // 2)
    people, theirs = [acme.admin.person, acme.legal.person], {"customer_id": customer.id, "created_at": at}
    change = an_operation(acme, created_at=at, state="rejected", closed_at=at)
    stuck = an_operation(acme, kind="portal_access")
    done = a_refund_operation(acme, state="completed", closed_at=at)
    run = an_operation(acme, kind="reminder_run", request={"dry_run": True}, closed_at=at)
    payment = a_payment(acme.id)
    reconciliation = a_run(started_at=at, state="completed", ended_at=at)
    other = a_customer(acme.id, created_at=at, name="Customer")
    await store(database, change, stuck, done, run, reconciliation, other)
    trouble = PortalTrouble(
        operation_id=stuck.id,
        organization_id=acme.id,
        customer_id=customer.id,
        invoice_id=invoice.id,
        cause="reported",
        noticed_at=at,
        deadline=NOW,
        closed_at=at,
    )
    session = ConsoleSession(
        id=new_id("ses"),
        organization_id=acme.id,
        person_id=acme.admin.id,
        secret_hash=f"{number}" * 64,
        how="mail",
        address="192.0.2.7",
        created_at=at,
        last_seen_at=at,
        expires_at=at,
    )
    taken = RecordRead(
        id=new_id("rdr"),
        organization_id=acme.id,
        person_id=acme.admin.id,
        at=at,
        what="file",
        path="/v1/operations",
        query="",
        address="192.0.2.7",
        request_id="req_1",
    )
    template = MailTemplate(
        id=new_id("tpl"),
        organization_id=acme.id,
        name="reminder",
        language="de",
        version=number + 1,
        state="retired",
        subject="Pay",
        text="{{ link }} {{ opt_out }}",
        written_by=acme.admin.id,
        written_at=at,
        retired_by=acme.admin.id,
        retired_at=at,
    )
    await store(
        database,
        trouble,
        session,
        taken,
        template,
        an_approval(change, deadline=NOW + timedelta(hours=1)),
        a_notice(change, created_at=at),
        an_intent(change, created_at=at),
        a_note(done),
        payment,
        a_refund(acme.id, payment.id, **theirs),
        a_dispute(acme.id, payment.id, **theirs),
        a_credit_note(acme.id, **theirs),
        a_balance_transaction(acme.id, **theirs),
        an_invoice(other, created_at=at),
        an_organization_invoice(acme.id, created_at=at),
        a_delegation(*people, starts_at=at),
        an_api_key(acme.legal.person, new_api_key(), created_at=at),
        a_network(acme.id, created_by=acme.admin.id, network=f"10.{number}.0.0/16"),
        a_link(invoice, created_at=at, expires_at=at, ended_at=at, end_reason="replaced"),
        Incident(id=new_id("inc"), component="mail", opened_at=at, cleared_at=at),
        a_difference(reconciliation, acme.id, found_at=at),
    )
    async with database.transaction() as going:
        await timeline.append(going, change.id, key="1", event=EventCode.CHECKED, actor="system", at=NOW)
    await a_case(database, policy, acme.id)


def filled(path: str, ids: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The path with what is there in place of its parameters, and what else it has to be asked for by."""
    resource = path.split("/")[2]
    if resource == "success-checks":
        return path.replace("{name}", "refunds_with_notes"), IN_MARCH
    for parameter in ("{id}", "{month}", "{name}"):
        path = path.replace(parameter, ids.get(resource, ""))
    return path.replace("{language}", "de"), {}


async def read(api: Api, acme: Tenant, path: str, **query: Any) -> list[dict[str, Any]]:
    """All rows, page by page; of an auditor, who sees everybody's."""
    rows: list[dict[str, Any]] = []
    while True:
        answer = await api.get(path, acme.auditor, **query)
        assert answer.status_code == 200, f"{path} {query}: {answer.text}"
        rows += answer.json()["data"]
        query["cursor"] = answer.json()["next_cursor"]
        if query["cursor"] is None:
            return rows


async def test_every_list_has_one_order_over_its_pages_for_each_sort(
    api: Api, acme: Tenant, ids: dict[str, str]
) -> None:
    document = (await api.get("/openapi.json")).json()
    found = lists(document)
    assert len(found) > 30
    for path in found:
        known, (address, asked) = sorts(document, path), filled(path, ids)
        assert known, f"{path} has no sort"
        assert {one.removeprefix("-") for one in known} == {one for one in known if one[0] != "-"}, path
        for sort in (one for one in known if one[0] != "-"):
            whole = await read(api, acme, address, limit=100, sort=sort, **asked)
            assert len(whole) >= MORE, f"{path}: only {len(whole)}"
            assert await read(api, acme, address, limit=2, sort=sort, **asked) == whole, (path, sort)
            downwards = await read(api, acme, address, limit=3, sort=f"-{sort}", **asked)
            assert downwards == whole[::-1], (path, sort)


async def test_every_list_names_the_sorts_that_it_knows(api: Api, acme: Tenant, ids: dict[str, str]) -> None:
    document = (await api.get("/openapi.json")).json()
    for path in lists(document):
        address, asked = filled(path, ids)
        answer = await api.get(address, acme.auditor, sort="color", **asked)
        assert answer.status_code == 422, path
        [error] = answer.json()["errors"]
        assert (error["where"], error["pointer"], error["code"]) == ("query", "/sort", "not_allowed"), path
        assert re.findall(r"'([^']+)'", error["message"]) == sorts(document, path), error["message"]


async def test_every_list_is_had_as_csv(api: Api, acme: Tenant, ids: dict[str, str]) -> None:
    document = (await api.get("/openapi.json")).json()
    for path in lists(document):
        address, asked = filled(path, ids)
        said = document["paths"][path]["get"]["responses"]["200"]["content"].get("text/csv")
        assert said, f"{path} says nothing of CSV"
        headers = acme.auditor.headers | {"Accept": "text/csv"}
        answer = await api.http.get(address, headers=headers, params={"limit": 1, **asked})
        assert answer.status_code == 200, f"{path}: {answer.text}"
        assert answer.headers["content-type"].startswith("text/csv"), path
        columns, *rows = csv.reader(io.StringIO(answer.text))
        assert columns == next(csv.reader(io.StringIO(said["example"]))), path
        assert len(rows) == len(await read(api, acme, address, limit=100, **asked)), path
        assert {len(row) for row in rows} == {len(columns)}, path
