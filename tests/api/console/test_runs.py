"""Pages of what runs by itself: reminder runs, comparisons with Stripe, customers' troubles; and lists as
files."""

import csv
import io
from datetime import timedelta

import pytest

from api.console.downloads import LISTS
from billing.policy.policy import Policy
from db.core.session import Database
from db.mail import customer_mails
from db.tables import CustomerMail, Operation, Outbox, Reconciliation, new_id

from ...support.builders import NOW, Tenant, a_customer, an_invoice, an_operation, store
from ...support.reconciliation_rows import a_difference, a_run
from ..conftest import ON_ONE_DATABASE, counted, existing
from .conftest import SignIn

pytestmark = ON_ONE_DATABASE


@pytest.fixture
async def run(database: Database, acme: Tenant) -> Operation:
    """It has sent one reminder, held one until Monday, and left one out."""
    subject = {"dry_run": False, "seen": 5}
    run = an_operation(
        acme, kind="reminder_run", request={"dry_run": False}, requested_by="system", subject=subject
    )
    customer = a_customer(acme.id, name="Blue Bottle")
    decided = {"sent": "sent", "held": "weekend", "skipped": "paused"}
    invoices = [an_invoice(customer, number=f"B-{state}") for state in decided]
    await store(database, run, customer, *invoices)
    mails = [
        CustomerMail(
            id=new_id("cml"),
            organization_id=acme.id,
            customer_id=customer.id,
            invoice_id=invoice.id,
            step="due-7d",
            template=customer_mails.REMINDER,
            operation_id=run.id,
            state=state,
            reason=reason,
            amount_minor=10_000,
            currency="usd",
            decided_at=NOW,
            due_at=NOW + timedelta(days=2),
        ).model_dump()
        for invoice, (state, reason) in zip(invoices, decided.items(), strict=True)
    ]
    async with database.transaction() as session:
        await customer_mails.add_decisions(session, mails)
    return run


async def test_a_run_says_whom_it_left_out_and_why(signed_in: SignIn, acme: Tenant, run: Operation) -> None:
    visitor = await signed_in(acme.finance)
    assert f'href="/console/reminder-runs/{run.id}"' in (await visitor.get("/console/reminder-runs")).text
    page = (await visitor.get(f"/console/reminder-runs/{run.id}")).text
    assert all(number in page for number in ("B-sent", "B-held", "B-skipped", "Blue Bottle"))
    only = (await visitor.get(f"/console/reminder-runs/{run.id}?reason=paused")).text
    assert ("B-skipped" in only, "B-sent" in only) == (True, False)


async def test_a_runs_decisions_are_had_as_a_file(signed_in: SignIn, acme: Tenant, run: Operation) -> None:
    visitor = await signed_in(acme.finance)
    answer = await visitor.get(f"/console/reminder-runs/{run.id}/decisions/csv?state=held&trail=")
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert (row["state"], row["reason"], row["amount"]) == ("held", "weekend", "100.00")


@pytest.mark.parametrize("dry_run", ["true", "false"])
async def test_a_run_is_started_once_however_often_its_button_is_pressed(
    signed_in: SignIn, acme: Tenant, database: Database, dry_run: str
) -> None:
    visitor = await signed_in(acme.controller)
    sent = {"dry_run": dry_run, "key": "key-1"}
    pressed = [await visitor.post("/console/reminder-runs", **sent) for _ in range(2)]
    assert {answer.status_code for answer in pressed} == {303}, pressed[0].text[-3000:]
    [address] = {answer.headers["location"] for answer in pressed}
    page = await visitor.get(address)
    assert ("Dry run" in page.text) is (dry_run == "true")


async def test_who_may_not_start_a_run_is_not_offered_it_and_is_refused(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    visitor = await signed_in(acme.finance)
    assert (
        'method="post" action="/console/reminder-runs"'
        not in (await visitor.get("/console/reminder-runs")).text
    )
    answer = await visitor.post("/console/reminder-runs", dry_run="true", key="key-1")
    assert answer.status_code == 403
    assert await counted(database, Operation) == [0]


async def test_a_comparison_shows_what_our_records_had_otherwise(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    run = a_run(state="completed", ended_at=NOW, counts={acme.id: {"invoice": 7}})
    fields = [
        {"name": "amount_paid", "ours": 0, "stripe": 120_000, "currency": "usd"},
        {"name": "status", "ours": "open", "stripe": "paid", "currency": None},
    ]
    await store(database, run)
    await store(database, a_difference(run, acme.id, object_kind="invoice", object_id="in_1", fields=fields))
    visitor = await signed_in(acme.auditor)
    assert f'href="/console/reconciliations/{run.id}"' in (await visitor.get("/console/reconciliations")).text
    page = (await visitor.get(f"/console/reconciliations/{run.id}")).text
    for there in ("USD 1,200.00", "USD 0.00", "in_1", "Amount paid"):
        assert there in page
    others = (await visitor.get(f"/console/reconciliations/{run.id}?object_kind=payment")).text
    assert "in_1" not in others


async def test_a_comparison_is_begun_and_led_to(
    signed_in: SignIn, acme: Tenant, other: Tenant, database: Database
) -> None:
    visitor = await signed_in(acme.admin)
    answer = await visitor.post("/console/reconciliations")
    async with database.reading() as session:
        run = await session.get(Reconciliation, answer.headers["location"].rpartition("/")[2])
    assert run is not None
    assert run.requested_by == acme.admin.id
    stranger = await signed_in(other.admin)
    assert (await stranger.get(f"/console/reconciliations/{run.id}")).status_code == 404
    refused = await (await signed_in(acme.legal)).post("/console/reconciliations")
    assert refused.status_code == 403


async def test_a_trouble_is_listed_and_leads_to_where_it_is_closed(
    signed_in: SignIn, acme: Tenant, database: Database, policy: Policy
) -> None:
    things = await existing(database, acme, policy)
    visitor, trouble = await signed_in(acme.admin), things["portal-troubles"]
    href = f'href="/console/operations/{trouble}"'
    assert href in (await visitor.get("/console/portal-troubles")).text
    assert href not in (await visitor.get("/console/portal-troubles?open=false")).text
    page = (await visitor.get(f"/console/operations/{trouble}")).text
    assert f'action="/console/operations/{trouble}/close"' in page


@pytest.mark.parametrize("path", [*(f"lists/{name}" for name in sorted(LISTS)), "admin/sessions"])
async def test_a_list_is_had_as_a_file(
    signed_in: SignIn, acme: Tenant, database: Database, policy: Policy, path: str
) -> None:
    await existing(database, acme, policy)
    visitor, before = await signed_in(acme.auditor), await counted(database, Outbox)
    answer = await visitor.get(f"/console/{path}/csv?trail=&cursor=")
    assert answer.headers["content-type"].startswith("text/csv"), answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="{path.rpartition("/")[2]}.csv"'
    assert next(csv.reader(io.StringIO(answer.text)))
    assert await counted(database, Outbox) == before


async def test_a_file_holds_what_its_page_is_filtered_by(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    blue, green = (a_customer(acme.id, name=name) for name in ("Blue", "Green"))
    await store(database, blue, green)
    visitor = await signed_in(acme.auditor)
    found = csv.DictReader(io.StringIO((await visitor.get("/console/lists/customers/csv?q=blue")).text))
    assert [row["name"] for row in found] == ["Blue"]


@pytest.mark.parametrize("path", ["nothing", "customers%2F..%2Fpeople", "customers/csv?sort=color"])
async def test_there_is_no_file_of_what_is_no_list(signed_in: SignIn, acme: Tenant, path: str) -> None:
    visitor = await signed_in(acme.auditor)
    answer = await visitor.get(f"/console/lists/{path if '?' in path else f'{path}/csv'}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
