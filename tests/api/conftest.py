"""The real app on real records. Temporal is down unless a test brings its own: what is accepted is kept."""

import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from sqlmodel import func, select
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from api.app import create_app
from api.dispatch import dispatcher
from api.health.figures import figures
from api.http.context import Context, StripeAccount
from api.http.examples import read_example
from api.http.site import Site
from billing.core.events import EventCode
from billing.plan_changes.items.add_ons import AddOn
from billing.plan_changes.plans import Plan, PlanLimits, Price
from billing.policy.policy import Policy, policy_from_toml
from billing.portal.trouble import TroubleWanted
from db.core import timeline
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import mirror
from db.people.people import new_api_key
from db.tables import ConsoleSession, Incident, PortalLink, PortalTrouble, new_id
from settings.settings import DEFAULT_POLICY

from ..support import cancellations
from ..support.bill_rows import a_renewal, an_organization_invoice
from ..support.builders import (
    NOW,
    Member,
    Tenant,
    a_customer,
    a_notice,
    an_api_key,
    an_approval,
    an_invoice,
    an_operation,
    store,
    tenant,
)
from ..support.case_rows import a_case
from ..support.databases import SqliteDatabases
from ..support.money_rows import (
    a_credit_operation,
    a_delegation,
    a_note,
    a_payment,
    a_refund,
    a_refund_operation,
    a_waiver_operation,
)
from ..support.portal_rows import a_network
from ..support.reconciliation_rows import a_run
from . import recording
from .processes import NO_TEMPORAL, Served, api_process

PERIOD_END = 1775001600
"""2026-04-01 in UTC seconds."""

HELD = {
    "plan": "starter",
    "price": "price_starter_month",
    "seats": 10,
    "interval": "month",
    "others": [],
    "currency": "usd",
    "period_start": 1772323200,
    "period_end": PERIOD_END,
    "status": "active",
}

WANTED: dict[str, Any] = {"plan": "growth", "seats": 12, "reason": "Two teams join."}


ON_ONE_DATABASE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
"""For what is settled before the records are asked."""


class Api:
    """Requests to an app as a person: `who` is a member, headers of one's own, or nobody."""

    def __init__(self, app: FastAPI, http: AsyncClient) -> None:
        self.app = app
        self.http = http

    @property
    def context(self) -> Context:
        context = self.app.state.context
        assert isinstance(context, Context)
        return context

    async def figures(self) -> str:
        """What Prometheus gets, on its own port."""
        return (await figures(self.context)).decode()

    async def get(self, path: str, who: Member | None = None, **query: Any) -> Response:
        return await self.http.get(path, headers=who.headers if who else {}, params=query or None)

    async def post(
        self, path: str, who: Member | None = None, body: Any = None, *, key: str | None = None, **more: Any
    ) -> Response:
        headers = (who.headers if who else {}) | ({"Idempotency-Key": key} if key is not None else {})
        headers |= more.pop("headers", {})
        if body is not None:
            more["json"] = body
        return await self.http.post(path, headers=headers, **more)

    async def ask(self, who: Member, key: str = "key-1", **changes: Any) -> Response:
        """Ask for a plan change."""
        return await self.post("/v1/plan-changes", who, WANTED | changes, key=key)


async def serving(
    database: Database, policy: Policy, temporal: Client, *, rate: float = 1e6, **more: Any
) -> AsyncIterator[Api]:
    """No test meets the limit of an API key by being fast: only those that set one of their own."""
    app = create_app(policy, database, temporal, rate=rate, **more)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://plixo.test") as http:
        api = Api(app, http)
        yield api
        await api.context.dispatcher.idle()


@pytest.fixture(scope="session")
def policy() -> Policy:
    return policy_from_toml(DEFAULT_POLICY.read_text(encoding="utf-8"))


@pytest.fixture
async def no_temporal() -> Client:
    """A client whose server is down."""
    return await Client.connect(NO_TEMPORAL, lazy=True, data_converter=pydantic_data_converter)


@pytest.fixture
async def api(database: Database, policy: Policy, no_temporal: Client) -> AsyncIterator[Api]:
    async for served in serving(database, policy, no_temporal):
        yield served


@pytest.fixture
async def acme(database: Database) -> Tenant:
    """An organization on the Starter plan with ten seats, five of them in use."""
    return await subscribed(database)


@pytest.fixture
async def other(database: Database, acme: Tenant) -> Tenant:
    """Another organization, which must not see anything of the first."""
    return await subscribed(database)


@pytest.fixture
async def house(
    request: pytest.FixtureRequest,
    database: Database,
    policy: Policy,
    no_temporal: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[recording.ExampleHouse]:
    """What the examples of the test's room are recorded in; the clock of the API stands still at `NOW`."""
    for module in [module for name, module in sys.modules.items() if name.startswith("api.")]:
        if getattr(module, "utc_now", None) is utc_now and module is not dispatcher:
            monkeypatch.setattr(module, "utc_now", lambda: NOW)
    await sold(database)
    acme, invoice = await recording.seeded(database, HELD)
    account = StripeAccount([recording.SECRET])
    site = Site(public_url="https://billing.example.com")
    async for api in serving(database, policy, no_temporal, site=site, stripe=account):
        yield recording.ExampleHouse(
            api.http, acme, invoice, database, policy, Path(request.path).parent.name
        )


@pytest.fixture(scope="session")
async def process(
    sqlite_databases: SqliteDatabases, tmp_path_factory: pytest.TempPathFactory, policy: Policy
) -> AsyncIterator[Served]:
    """`python -m api` with Temporal down, an organization, and an id of each of its resources."""
    async with sqlite_databases.fresh() as url:
        database = Database(url)
        acme = await subscribed(database)
        ids = await existing(database, acme, policy)
        await database.dispose()
        log = tmp_path_factory.mktemp("api") / "log"
        with api_process(log, database_url=url, temporal_address=NO_TEMPORAL) as (_, address):
            yield Served(address, url, acme, ids)


async def existing(database: Database, acme: Tenant, policy: Policy) -> dict[str, str]:
    """An operation on which everything may be asked, and what belongs to it."""
    operation = an_operation(
        acme,
        policy=policy.model_dump(mode="json"),
        allowed_actions=["cancel", "revise", "accept", "revert"],
    )
    customer = a_customer(acme.id)
    invoice = an_invoice(customer)
    subject = read_example("approvals/approval")["subject"]
    approval, notice = an_approval(operation, subject=subject), a_notice(operation)
    policy_document = policy.model_dump(mode="json")
    open_to_all = {
        "policy": policy_document,
        "allowed_actions": ["cancel", "revise", "retry", "close", "accept"],
    }
    refund, credit = a_refund_operation(acme, **open_to_all), a_credit_operation(acme, **open_to_all)
    void = a_waiver_operation(acme, **open_to_all)
    other = void.request | {"action": "write_off", "reason": "insolvent"}
    write_off = a_waiver_operation(acme, kind="write_off", request=other, **open_to_all)
    payment = a_payment(acme.id)
    waits = open_to_all | {"stage": "ending"}
    ending = an_operation(acme, kind="cancellation", request=cancellations.REQUEST, **waits)
    asked = (refund, credit, void, write_off, ending)
    money = (*asked, *(a_note(one) for one in asked), payment, a_refund(acme.id, payment.id))
    delegation = a_delegation(acme.admin.person, acme.finance.person)
    run = an_operation(
        acme,
        kind="reminder_run",
        request={"dry_run": False},
        allowed_actions=["pause", "resume", "cancel"],
    )
    told = TroubleWanted(invoice=invoice.id, customer=customer.id, cause="reported").model_dump()
    stuck = an_operation(acme, kind="portal_access", request=told, allowed_actions=["close"])
    trouble = PortalTrouble(
        operation_id=stuck.id,
        organization_id=acme.id,
        customer_id=customer.id,
        invoice_id=invoice.id,
        cause="reported",
        noticed_at=NOW,
        deadline=NOW + timedelta(hours=7),
    )
    reconciliation = a_run()
    signed_in = ConsoleSession(
        id=new_id("ses"),
        organization_id=acme.id,
        person_id=acme.admin.id,
        secret_hash="5" * 64,
        how="mail",
        address="192.0.2.7",
        created_at=NOW,
        last_seen_at=NOW,
        expires_at=NOW + timedelta(days=7),
    )
    network = a_network(acme.id, created_by=acme.admin.id)
    await store(database, operation, approval, notice, customer, invoice, delegation, *money, stuck, trouble)
    link = PortalLink(
        id=new_id("plk"),
        organization_id=acme.id,
        customer_id=customer.id,
        invoice_id=invoice.id,
        issued_by=acme.admin.id,
        reason="issued",
        created_at=NOW,
        expires_at=NOW,
    )
    incident = Incident(id=new_id("inc"), component="mail", opened_at=NOW, recovered_at=NOW)
    bill = an_organization_invoice(acme.id)
    renewal = a_renewal(acme.id)
    await store(database, network, link, run, reconciliation, incident, signed_in, bill, renewal)
    async with database.transaction() as session:  # evidence is of what has happened
        await timeline.append(
            session,
            operation.id,
            key="requested",
            event=EventCode.PLAN_CHANGE_REQUESTED,
            actor=acme.admin.id,
            at=NOW,
            detail=operation.request,
        )
    key = new_api_key()
    await store(database, an_api_key(acme.legal.person, key, name="Contracts"))
    case = await a_case(database, policy, acme.id)
    return {
        "plan-changes": operation.id,
        "operations": operation.id,
        "approvals": approval.id,
        "delegations": delegation.id,
        "notices": notice.id,
        "invoices": invoice.id,
        "customers": customer.id,
        "portal-links": link.id,
        "refunds": refund.id,
        "credits": credit.id,
        "voids": void.id,
        "write-offs": write_off.id,
        "cancellations": ending.id,
        "payments": payment.id,
        "portal-troubles": stuck.id,
        "cases": case.id,
        "reminder-runs": run.id,
        "portal-networks": network.id,
        "incidents": incident.id,
        "reconciliations": reconciliation.id,
        "sessions": signed_in.id,
        "organization": bill.id,
        "api-keys": key.prefix,
        "people": acme.legal.id,
    }


async def sold(database: Database) -> None:
    """The plans and add-ons are mirrored."""
    async with database.transaction() as session:
        for plan in PLANS:
            await mirror.store_plan(session, plan, synced_at=NOW)
        for add_on in ADD_ONS:
            await mirror.store_add_on(session, add_on, synced_at=NOW)


async def subscribed(database: Database) -> Tenant:
    await sold(database)
    return await tenant(database, subscription=HELD, synced_at=NOW)


def _plan(slug: str, seats: int, customers: int | None, ar_balance: int | None, **prices: int) -> Plan:
    return Plan(
        plan=slug,
        name=slug.title(),
        product=f"prod_{slug}",
        seats_included=seats,
        limits=PlanLimits(seats=seats, customers=customers, ar_balance=ar_balance),
        prices=tuple(
            Price(id=f"price_{slug}_{interval}", interval=interval, unit_amount=amount, currency="usd")
            for interval, amount in prices.items()
        ),
    )


ADD_ONS = tuple(
    AddOn(
        add_on=slug,
        name=slug.replace("-", " ").capitalize(),
        product=f"prod_{slug}",
        prices=tuple(
            Price(id=f"price_{slug}_{interval}", interval=interval, unit_amount=amount, currency="usd")
            for interval, amount in prices.items()
        ),
    )
    for slug, prices in (
        ("data-export", {"month": 900}),
        ("extra-storage", {"month": 700}),
        ("priority-support", {"month": 1500, "year": 15_000}),
    )
)
PLANS = (
    _plan("starter", 10, 50, 5_000_000, month=1000),
    _plan("growth", 50, 500, 50_000_000, month=2000, year=20_000),
    _plan("scale", 500, None, None, month=4000, year=40_000),
)


async def counted(database: Database, *tables: type[Any]) -> list[int]:
    """How many rows each table has: to show that a refusal leaves no trace."""
    async with database.reading() as session:
        return [(await session.exec(select(func.count()).select_from(table))).one() for table in tables]
