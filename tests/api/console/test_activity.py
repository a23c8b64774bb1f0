"""Activity, search and Finance's month on pages: filtered, found, and kept as files."""

import csv
import io
import json
import re
from datetime import UTC, datetime

import pytest
from httpx import Response

from billing.core.operations import Role
from billing.evidence.seals.files import read_file
from billing.evidence.seals.judgment import judge
from billing.evidence.verify import verify
from db.core.session import Database
from worker.evidence.daily_roots import DailyRoots

from ...billing.evidence.sealing import SIGNER
from ...support import checked_rows as day
from ...support.builders import Tenant, a_customer, an_invoice, store
from ...support.money_rows import a_payment, a_refund_operation
from ..conftest import ON_ONE_DATABASE, Api
from ..giving import ask
from .conftest import SignIn

pytestmark = ON_ONE_DATABASE


def listed(page: Response) -> list[str]:
    """The operations that the table links to, in their order."""
    assert page.status_code == 200, page.text
    return re.findall(r'<td><a href="/console/operations/(op_\w+)"', page.text)


def rows_of(answer: Response) -> list[dict[str, str]]:
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_days_are_those_of_the_readers_calendar(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    """New York's, where the second of March begins at five in UTC."""
    before = a_refund_operation(acme, created_at=datetime(2026, 3, 2, 4, 59, tzinfo=UTC))
    within = a_refund_operation(acme, created_at=datetime(2026, 3, 3, 4, 59, tzinfo=UTC))
    after = a_refund_operation(acme, created_at=datetime(2026, 3, 3, 5, tzinfo=UTC))
    await store(database, before, within, after)
    visitor = await signed_in(acme.finance)
    day_of = "from_day=2026-03-02&to_day=2026-03-02"
    assert listed(await visitor.get(f"/console/operations?{day_of}")) == [within.id]
    file = await visitor.get(f"/console/operations/csv?{day_of}")
    assert [row["id"] for row in rows_of(file)] == [within.id]
    assert 'filename="operations.csv"' in file.headers["content-disposition"]


async def test_the_largest_come_first_when_sorted_by_amount(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    amounts = (500, None, 90_000, 1_300)
    made = [a_refund_operation(acme, amount_minor=one, currency="usd" if one else None) for one in amounts]
    await store(database, *made)
    visitor = await signed_in(acme.admin)
    assert listed(await visitor.get("/console/operations?sort=-amount")) == [
        made[2].id,
        made[3].id,
        made[0].id,
        made[1].id,
    ]


async def test_nothing_that_matches_is_told_from_nothing_at_all(signed_in: SignIn, acme: Tenant) -> None:
    visitor = await signed_in(acme.admin)
    assert "Nothing has been requested yet" in (await visitor.get("/console/operations")).text
    for query in ("q=nobody", "requested_by=per_1", "from_day=2026-03-02"):
        assert "Nothing matches" in (await visitor.get(f"/console/operations?{query}")).text


@pytest.mark.parametrize("query", ["from_day=soon", "sort=name", "state=strange", "to_day=9999-12-31"])
async def test_an_address_that_nothing_links_to_breaks_nothing(
    signed_in: SignIn, acme: Tenant, query: str
) -> None:
    visitor = await signed_in(acme.admin)
    answer = await visitor.get(f"/console/operations?{query}")
    assert answer.status_code == (200 if "9999" in query else 404)


async def test_search_shows_what_was_found_by_its_kind(
    signed_in: SignIn, acme: Tenant, other: Tenant, database: Database
) -> None:
    mine, theirs = a_customer(acme.id, name="Hazel <b>Ltd"), a_customer(other.id, name="Hazel Ltd")
    await store(database, mine, theirs)
    invoice = an_invoice(mine, number="HZL-7")
    operation = a_refund_operation(acme, customer_id=mine.id)
    payment = a_payment(acme.id, customer_id=mine.id, invoice_id=invoice.id, amount=70_000)
    await store(database, invoice, operation, payment)
    visitor = await signed_in(acme.legal)
    page = (await visitor.get("/console/search?q=hazel")).text
    assert "Hazel &lt;b&gt;Ltd" in page
    for place in (f"customers/{mine.id}", f"invoices/{invoice.id}", f"operations/{operation.id}"):
        assert f'href="/console/{place}"' in page
    assert theirs.id not in page
    paid = (await visitor.get("/console/search?q=700")).text
    assert "Payment of HZL-7" in paid
    assert "Nothing matches" in (await visitor.get("/console/search?q=nobody")).text


@pytest.mark.parametrize("query", ["", "?q=", "?q=%20"])
async def test_a_search_for_nothing_says_what_one_can_search_by(
    signed_in: SignIn, acme: Tenant, query: str
) -> None:
    visitor = await signed_in(acme.admin)
    answer = await visitor.get(f"/console/search{query}")
    assert (answer.status_code, "Search by a name" in answer.text) == (200, True)


async def test_evidence_is_a_file_that_anybody_can_check(
    api: Api, signed_in: SignIn, acme: Tenant, other: Tenant
) -> None:
    asked = (await ask(api, acme.admin, "credits")).json()
    visitor = await signed_in(acme.auditor)
    page = (await visitor.get(f"/console/operations/{asked['id']}")).text
    file = await visitor.get(f"/console/operations/{asked['id']}/evidence")
    assert file.headers["content-disposition"] == f'attachment; filename="{asked["id"]}.json"'
    verify(file.content)
    assert json.loads(file.content)["head"] in page
    stranger = await signed_in(other.auditor)
    assert (await stranger.get(f"/console/operations/{asked['id']}/evidence")).status_code == 404


@pytest.mark.parametrize("role", list(Role))
async def test_a_month_is_kept_as_files_by_everybody_who_reads_it(
    signed_in: SignIn, acme: Tenant, other: Tenant, database: Database, role: Role
) -> None:
    at = datetime(2026, 3, 10, tzinfo=UTC)
    mine, theirs = a_refund_operation(acme, created_at=at), a_refund_operation(other, created_at=at)
    await store(database, mine, theirs)
    visitor = await signed_in(acme.members[role])
    month = "/console/finance/months/2026-03"
    assert listed(await visitor.get(month)) == [mine.id]
    file = await visitor.get(f"{month}/operations/csv")
    assert [row["id"] for row in rows_of(file)] == [mine.id]
    assert 'filename="2026-03-operations.csv"' in file.headers["content-disposition"]
    assert rows_of(await visitor.get(f"{month}/intents/csv")) == []
    assert rows_of(await visitor.get(f"{month}/evidence-heads/csv")) == []
    document = (await visitor.get(f"{month}/json")).json()
    assert [row["id"] for row in document["operations"]] == [mine.id]


@pytest.mark.parametrize("path", ["months/2026-13", "months/2026-03/secrets/csv", "months/now/json"])
async def test_no_file_of_anything_else(signed_in: SignIn, acme: Tenant, path: str) -> None:
    visitor = await signed_in(acme.finance)
    assert (await visitor.get(f"/console/finance/{path}")).status_code == 404


@pytest.mark.parametrize("role", list(Role))
async def test_roots_are_kept_by_everybody_and_evidence_by_those_who_may_export_it(
    signed_in: SignIn, acme: Tenant, database: Database, role: Role
) -> None:
    operation = a_refund_operation(acme)
    await store(database, operation)
    await DailyRoots(database, SIGNER).look()
    visitor = await signed_in(acme.members[role])
    page = "/console/finance/audit"
    may = role in (Role.AUDITOR, Role.CONTROLLER, Role.FINANCE)
    assert ("/evidence" in (await visitor.get(page)).text) == may
    roots, keys = [await visitor.get(f"{page}/{name}/json") for name in ("roots", "keys")]
    kept = [read_file(answer.url.path, answer.content) for answer in (roots, keys)]
    assert judge(kept).faults == []
    assert [root.number for root in kept[0].roots] == [1]
    file = await visitor.get(f"{page}/evidence?from=2026-03-01&to=2026-03-31")
    assert file.status_code == (200 if may else 403)
    if may:
        assert judge([read_file("export.zip", file.content), *kept]).remarks


async def test_this_month_is_the_organizations(signed_in: SignIn, acme: Tenant) -> None:
    visitor = await signed_in(acme.finance)
    answer = await visitor.get("/console/finance/months")
    assert answer.status_code == 303
    assert re.fullmatch(r"/console/finance/months/20\d\d-\d\d", answer.headers["location"])


async def test_each_bar_leads_to_the_rows_that_it_was_counted_from(
    signed_in: SignIn, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.console.success.utc_now", lambda: day.AS_OF)
    monkeypatch.setattr("api.success_checks.routes.utc_now", lambda: day.AS_OF)
    await day.money_back(database, acme)
    visitor = await signed_in(acme.auditor)
    page = (await visitor.get("/console/success-checks/refunds_with_notes?by=day")).text
    bars = set(re.findall(r'<a href="(/console/success-checks/[^"]+)" tabindex', page))
    rows = re.findall(r'<td><a href="(/console/success-checks/[^"]+)"', page)
    assert bars == set(rows)
    assert bars
    counted = sum(map(int, re.findall(r'</time></td><td class="num"[^>]*>(\d+)</td>', page)))
    lists = [await visitor.get(path.replace("&amp;", "&")) for path in rows]
    assert sum(len(listed(page)) for page in lists) == counted > 0
    allowed = await visitor.get("/console/success-checks/approved_to_visible/rows")
    assert ">Credit of USD 50.00 to a customer</a>" in allowed.text
