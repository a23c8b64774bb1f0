"""Every page for every role: there, in few queries, safe, and about nobody else's organization."""

import re
from dataclasses import replace
from typing import Any

import pytest
from fastapi.routing import APIRoute
from sqlalchemy.exc import ProgrammingError

from api.console.receivables import customer_lists
from api.console.routes import ROUTERS
from api.http.site import dashboard
from billing.core.operations import Role
from billing.plan_changes.obstacles import SubscriptionState, in_the_way
from billing.policy.policy import Policy
from db.core.session import Database
from db.mirror import mirror
from db.tables import Invoice, Outbox

from ...support.builders import NOW, Tenant, an_operation, store
from ...support.case_rules import case_rules
from ...support.logged import logged
from ...support.portal_rows import a_link, a_promise
from ..conftest import HELD, ON_ONE_DATABASE, Api, counted, existing
from ..counting import queries
from ..sign_in.visitors import Visitor
from .conftest import SignIn

pytestmark = ON_ONE_DATABASE

MOST_QUERIES = 12
LISTS = (
    "/console/",
    "/console/plans",
    "/console/plans/invoices",
    "/console/invoices",
    "/console/plans/cancellation",
    "/console/customers",
    "/console/approvals",
    "/console/operations",
    "/console/operations?q=USD+13&requested_by=per_1&state=failed&from_day=2026-03-01&to_day=2026-03-02&sort=-amount",
    "/console/search",
    "/console/search?q=acme",
    "/console/success-checks/balances_equal_stripe",
    "/console/success-checks/approved_to_visible?by=day",
    "/console/success-checks/plan_changes_flagged/rows?from=2026-03-01T00:00:00Z&to=2026-03-08T00:00:00Z",
    "/console/finance",
    "/console/finance/audit",
    "/console/finance/cases",
    "/console/finance/months/2026-03",
    "/console/finance/disputes",
    "/console/incidents",
    "/console/reminder-runs",
    "/console/reminder-runs?requested_by=system&dry_run=false&sort=created_at",
    "/console/reconciliations",
    "/console/portal-troubles",
    "/console/delegations",
    "/console/admin/people",
    "/console/admin/keys",
    "/console/admin/sessions",
    "/console/admin/reads",
    "/console/admin/policy",
    "/console/admin/policy/simulation",
    "/console/admin/policy/simulation?kind=plan_change",
    "/console/admin/policy/simulation?kind=cancellation",
)
SIMULATED = "kind=refund&amount=600.00&currency=USD&reason=duplicate"


def details(existing: dict[str, str]) -> list[str]:
    kinds = (
        "operations",
        "refunds",
        "credits",
        "voids",
        "write-offs",
        "cancellations",
        "portal-troubles",
        "cases",
        "reminder-runs",
    )
    return [
        *(f"/console/operations/{existing[kind]}" for kind in kinds),
        *(
            f"/console/operations/{existing[kind]}/revise"
            for kind in ("operations", "cancellations", "refunds", "voids")
        ),
        f"/console/admin/people/{existing['people']}",
        f"/console/approvals/{existing['approvals']}",
        f"/console/invoices/{existing['invoices']}",
        f"/console/invoices/{existing['invoices']}/access",
        f"/console/plans/invoices/{existing['organization']}",
        *(f"/console/customers/{existing['customers']}?show={tab}" for tab in customer_lists.TABS),
        f"/console/incidents/{existing['incidents']}",
        f"/console/reminder-runs/{existing['reminder-runs']}",
        f"/console/reconciliations/{existing['reconciliations']}",
        f"/console/delegations/{existing['delegations']}",
        f"/console/refunds/new?payment_intent={existing['payments']}",
        f"/console/refunds/new?invoice={existing['invoices']}",
        f"/console/refunds/new?customer={existing['customers']}",
        f"/console/credits/new?invoice={existing['invoices']}",
        f"/console/credits/new?customer={existing['customers']}",
        f"/console/voids/new?invoice={existing['invoices']}",
        f"/console/write-offs/new?invoice={existing['invoices']}",
        f"/console/admin/policy/simulation?{SIMULATED}&customer={existing['customers']}",
    ]


@pytest.fixture
async def things(database: Database, acme: Tenant, policy: Policy) -> dict[str, str]:
    return {**await existing(database, acme, policy), "people": acme.admin.id}


@pytest.mark.parametrize("role", list(Role))
async def test_every_page_opens_for_every_role_and_changes_nothing(
    web: Api, signed_in: SignIn, acme: Tenant, things: dict[str, str], database: Database, role: Role
) -> None:
    visitor = await signed_in(acme.members[role])
    before = await counted(database, Outbox)
    for path in [*LISTS, *details(things)]:
        with queries(web) as sent:
            answer = await visitor.get(path)
        if "/delegations/" in path and role in (Role.LEGAL, Role.CONTROLLER):
            assert answer.status_code == 404, "it is between the two who gave and got it"
            continue
        if "/admin/people/" in path and role in (Role.LEGAL, Role.FINANCE):
            assert answer.status_code == 403, "what somebody else has used is for who looks after people"
            continue
        assert answer.status_code == 200, f"{path}: {answer.text[:2000]}"
        assert len(sent) <= MOST_QUERIES, f"{path}: {len(sent)}\n" + "\n".join(sent)
        assert answer.text.count("<h1") == 1, path
        assert "default-src 'self'" in answer.headers["content-security-policy"], path
        assert not re.search(r"<script(?! type=\"module\" src)|<style|\son\w+=|\sstyle=", answer.text), path
    assert await counted(database, Outbox) == before


NO_PAGE = ("/csv", "/pdf/", "/json", "/evidence", "/assets/", "{path:path}")
"""Files, and what no page is at."""
LEAD_ON = ("/console", "/console/finance/months", "/console/success-checks", "/console/admin")
"""They lead to another page at once."""


async def test_every_page_is_among_them(things: dict[str, str]) -> None:
    measured = [path.partition("?")[0] for path in [*LISTS, *details(things)]]
    missing = [
        route.path
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        and "GET" in route.methods
        and route.path not in LEAD_ON
        and not any(part in route.path for part in NO_PAGE)
        and not any(route.path_regex.fullmatch(path) for path in measured)
    ]
    assert missing == []


async def test_another_organizations_things_are_not_there(
    web: Api, signed_in: SignIn, acme: Tenant, other: Tenant, things: dict[str, str]
) -> None:
    stranger = await signed_in(other.controller)
    for path in details(things):
        if "incidents" in path or "reconciliations" in path:
            continue  # the whole account's
        answer = await stranger.get(path)
        assert answer.status_code == 404, path
        assert "<h1" in answer.text, path


def forms() -> list[str]:
    """Every address that a form is sent to."""
    return sorted(
        route.path for router in ROUTERS for route in router.routes if "POST" in getattr(route, "methods", ())
    )


def filled(path: str) -> str:
    return (
        path.replace("{resource}", "refunds")
        .replace("{n}", "1")
        .replace("{id}", "x_1")
        .replace("{link}", "l_1")
        .replace("{network}", "net_1")
        .replace("{operation}", "op_1")
    ).replace("{action}", "cancel" if "operations" in path else "accept")


@pytest.mark.parametrize("path", forms())
async def test_no_form_of_another_site_reaches_a_page(
    web: Api, signed_in: SignIn, acme: Tenant, path: str
) -> None:
    visitor = await signed_in(acme.controller)
    answer = await visitor.post(filled(path), headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", forms())
async def test_a_form_of_somebody_who_is_not_signed_in_does_nothing(
    web: Api, acme: Tenant, path: str
) -> None:
    answer = await Visitor(web.app).post(filled(path))
    assert answer.status_code == 401


ABOUT_NOTHING = (
    "/console/admin/sessions/others/revoke",
    "/console/reconciliations",
    "/console/reminder-runs",
)
"""What needs nothing to be there."""


@pytest.mark.parametrize("path", [path for path in forms() if path not in ABOUT_NOTHING])
async def test_a_form_about_what_is_not_there_answers_with_a_page(
    web: Api, signed_in: SignIn, acme: Tenant, path: str
) -> None:
    visitor = await signed_in(acme.controller)
    answer = await visitor.post(filled(path), amount="1.00", currency="usd", customer="cus_1")
    assert answer.status_code in (200, 403, 404, 409, 422, 503), answer.text
    assert "<h1" in answer.text


async def test_what_is_wrong_with_a_field_names_it_once(signed_in: SignIn, acme: Tenant) -> None:
    visitor = await signed_in(acme.admin)
    answer = await visitor.post("/console/plans/quote", plan="growth", seats="many", reason="We grow.")
    assert answer.status_code == 422
    assert "Seats must be a whole number" in answer.text
    assert "seats must be" not in answer.text


async def test_what_stands_in_the_way_of_a_plan_change_is_shown_before_one_is_asked_for(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    held = HELD | {"pause_collection": "void"}
    async with database.transaction() as session:
        await mirror.store_subscription(session, case_rules(), acme.id, held, synced_at=NOW)
    visitor = await signed_in(acme.auditor)
    [problem] = in_the_way(SubscriptionState(status="active", pause_collection="void"))
    assert problem.message in (await visitor.get("/console/plans")).text


@pytest.mark.parametrize(("seats", "said"), [(6, "80% reached"), (5, "Limit reached")])
async def test_a_limit_that_is_near_is_marked(
    signed_in: SignIn, acme: Tenant, database: Database, seats: int, said: str
) -> None:
    async with database.transaction() as session:
        held = HELD | {"seats": seats}
        await mirror.store_subscription(session, case_rules(), acme.id, held, synced_at=NOW)
    assert said in (await (await signed_in(acme.auditor)).get("/console/plans")).text


async def test_a_form_that_is_no_text_is_taken_as_what_it_says(signed_in: SignIn, acme: Tenant) -> None:
    """No browser sends such bytes unescaped; whoever does is answered all the same."""
    visitor = await signed_in(acme.admin)
    sent = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    answer = await visitor.http.post("/console/plans/quote", content=b"reason=\xff", headers=sent)
    assert answer.status_code == 422


@pytest.mark.parametrize("action", ["decide", "confirm", "delete"])
async def test_what_no_button_says_does_nothing(
    web: Api, signed_in: SignIn, acme: Tenant, things: dict[str, str], database: Database, action: str
) -> None:
    visitor = await signed_in(acme.admin)
    before = await counted(database, Outbox)
    answer = await visitor.post(f"/console/operations/{things['operations']}/{action}")
    assert answer.status_code == 404
    assert await counted(database, Outbox) == before


async def test_people_are_named_where_the_api_says_their_ids(
    web: Api, signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    legal = acme.legal.person
    error = {"code": "already_decided", "message": f"{legal.id} has already approved it."}
    operation = an_operation(acme, error=error)
    await store(database, operation)
    visitor = await signed_in(acme.admin)
    answer = await visitor.get(f"/console/operations/{operation.id}")
    assert f"{legal.name} has already approved it." in answer.text


@pytest.mark.parametrize(
    ("stripe", "livemode", "there"),
    [
        ("https://api.stripe.com", False, "https://dashboard.stripe.com/test/invoices/"),
        ("https://api.stripe.com", True, "https://dashboard.stripe.com/invoices/"),
        ("http://127.0.0.1:12111", False, None),
    ],
)
async def test_what_is_in_stripe_is_linked_to_its_page_there(
    web: Api,
    signed_in: SignIn,
    acme: Tenant,
    things: dict[str, str],
    stripe: str,
    livemode: bool,
    there: str | None,
) -> None:
    visitor = await signed_in(acme.auditor)
    site = replace(web.context.site, dashboard=dashboard(stripe, livemode=livemode))
    web.app.state.context = replace(web.context, site=site)
    page = (await visitor.get(f"/console/invoices/{things['invoices']}")).text
    links = re.findall(
        r'<a [^>]*href="(https://dashboard[^"]*)" target="_blank" rel="noopener noreferrer"', page
    )
    assert ((there or "") + things["invoices"] in links) == (there is not None)
    assert ("dashboard.stripe.com" in page) == (there is not None)


async def test_a_page_leads_to_sign_in_and_back(web: Api, acme: Tenant) -> None:
    answer = await Visitor(web.app).get("/console/approvals")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/console/sign-in?next=/console/approvals",
    )


async def test_an_unknown_page_is_not_found(web: Api, signed_in: SignIn, acme: Tenant) -> None:
    visitor = await signed_in(acme.admin)
    for path in ("/console/nothing", "/console/invoices/%3Cb%3E", "/console/invoices?status=strange"):
        assert (await visitor.get(path)).status_code == 404, path


async def test_styles_are_found_by_their_content_and_kept(web: Api, acme: Tenant, signed_in: SignIn) -> None:
    visitor = await signed_in(acme.admin)
    page: Any = await visitor.get("/console/")
    addresses = re.findall(r"/console/assets/[0-9a-f]{12}/[\w.]+", page.text)
    assert len(addresses) == 3
    total = 0
    for address in addresses:
        answer = await visitor.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"
        total += int(answer.headers["content-length"])
    assert total < 100_000
    assert (await visitor.get("/console/assets/0123456789ab/console.css")).status_code == 404


async def test_a_promise_to_pay_is_shown_on_its_invoice_and_found_in_the_list(
    web: Api, signed_in: SignIn, acme: Tenant, things: dict[str, str], database: Database
) -> None:
    async with database.transaction() as session:
        invoice = await session.get(Invoice, things["invoices"])
        assert invoice is not None
        link = a_link(invoice, id="plk_promise", end_reason="revoked", ended_at=NOW)
        session.add(link)
        await session.flush()
        session.add(a_promise(link, word="After our pay run"))
    visitor = await signed_in(acme.admin)
    page = await visitor.get(f"/console/invoices/{invoice.id}")
    for words in ("Promised to pay", "Mar 9, 2026", "“After our pay run”"):
        assert words in page.text
    assert f"/console/invoices/{invoice.id}" in (await visitor.get("/console/invoices?promised=true")).text
    assert "Nothing matches" in (await visitor.get("/console/invoices?promised=true&status=paid")).text


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ValueError("the secret ingredient"), 500, "Something went wrong"),
        (ProgrammingError("SELECT secret ingredient", {}, Exception("no such column")), 500, "went wrong"),
        (ConnectionRefusedError("secret ingredient"), 503, "The database can&#39;t be reached"),
    ],
)
async def test_what_breaks_is_a_page_and_a_wrong_statement_is_no_absence(
    signed_in: SignIn, acme: Tenant, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, said: str
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise error

    visitor = await signed_in(acme.admin)
    monkeypatch.setattr("api.console.home.operations.list_operations", broken)
    with logged() as lines:
        answer = await visitor.get("/console/")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert said in answer.text
    assert "secret ingredient" not in answer.text
    assert "error" in [line.get("level") for line in lines]
