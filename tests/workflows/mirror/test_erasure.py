"""A customer's personal data is erased: nothing of it is in any table, nor comes back, and evidence holds."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Column, ColumnElement, LargeBinary, Text, cast, select
from sqlmodel import SQLModel, col
from sqlmodel import select as rows

from db.core.session import Database
from db.customers import erasure
from db.portal import invoice_pdfs
from db.tables import (
    Customer,
    CustomerErasure,
    CustomerMail,
    CustomerSettings,
    DifferenceRow,
    Invoice,
    InvoicePdf,
    Outbox,
    PortalAccess,
    PortalLink,
    Reconciliation,
    ReminderPause,
    new_id,
)

from ...support import money
from ...support.builders import Tenant
from ...support.house import House
from ...support.money_rows import a_dispute
from ...support.portal_rows import a_link, a_network, a_promise
from ..conftest import ON_BOTH_DATABASES

NAME, EMAIL = "Wilhelmina Quackenbush", "mina@quackenbush.example"
ADDRESS, AGENT = "203.0.113.77", "Mozilla/5.0 (Quackenbush)"
SECRETS = (NAME, EMAIL, "quackenbush", ADDRESS, "Vienna")
BECAUSE = {"reason": "Asked for by the customer, ticket 4711."}


@pytest.fixture
async def acme(home: House) -> AsyncIterator[Tenant]:
    """An organization of which Stripe's events are told."""
    async with home.told_by_stripe():
        yield await home.shop.tenant(home.database)


async def found_in(database: Database, *texts: str) -> list[str]:
    """Every column of every table in which one of these stands."""
    found = []
    async with database.engine.connect() as connection:
        for name, table in sorted(SQLModel.metadata.tables.items()):
            columns = list(table.columns)
            for row in await connection.execute(select(*(_as_text(column) for column in columns))):
                found += [
                    f"{name}.{column.name}"
                    for column, value in zip(columns, row, strict=True)
                    if any(text.lower() in _plain(value) for text in texts)
                ]
    return sorted(set(found))


def _as_text(column: Column[Any]) -> ColumnElement[Any]:
    return column if isinstance(column.type, LargeBinary) else cast(column, Text)


def _plain(value: Any) -> str:
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).lower()


async def known_in_every_way(home: House, acme: Tenant, customer: str) -> None:
    """What comes together about a customer: links, mails, pages opened, settings, a PDF, a difference."""
    at = datetime.now(UTC)
    invoice = await money.invoice(home.shop, customer, 9_000)
    await home.followed()
    async with home.database.transaction() as session:
        mirrored = await session.get_one(Invoice, invoice)
        link = a_link(mirrored, created_at=at, expires_at=at + timedelta(days=9), end_note=None)
        session.add(link)
        await session.flush()
        of: dict[str, Any] = {"organization_id": acme.id, "customer_id": customer}
        session.add_all(
            [
                PortalAccess(
                    id=new_id("pac"),
                    invoice_id=invoice,
                    link_id=link.id,
                    at=at,
                    address=ADDRESS,
                    outcome="opened",
                    agent=AGENT,
                    **of,
                ),
                CustomerMail(
                    id=new_id("cml"),
                    invoice_id=invoice,
                    step="due-7d",
                    template="reminder",
                    state="sent",
                    reason="sent",
                    amount_minor=9_000,
                    currency="usd",
                    decided_at=at,
                    due_at=at,
                    address=EMAIL,
                    **of,
                ),
                CustomerMail(
                    id=new_id("cml"),
                    invoice_id=invoice,
                    step="due-0d",
                    template="reminder",
                    state="held",
                    reason="hours",
                    amount_minor=9_000,
                    currency="usd",
                    decided_at=at,
                    due_at=at + timedelta(days=30),
                    **of,
                ),
                CustomerSettings(
                    zone="Europe/Vienna",
                    bounced_address=EMAIL,
                    bounced_at=at,
                    updated_at=at,
                    updated_by=acme.admin.id,
                    **of,
                ),
                a_network(acme.id, customer_id=customer, reason=f"{NAME}'s office"),
                ReminderPause(
                    invoice_id=invoice,
                    organization_id=acme.id,
                    reason=f"{NAME} is away",
                    paused_by=acme.admin.id,
                    paused_at=at,
                ),
                InvoicePdf(
                    id=new_id("pdf"),
                    organization_id=acme.id,
                    invoice_id=invoice,
                    sha256="5" * 64,
                    size=9,
                    content=f"%PDF {NAME}".encode(),
                    fetched_at=at,
                    requested_by=acme.admin.id,
                ),
            ]
        )
        bounced = new_id("cml")
        session.add(
            CustomerMail(
                id=bounced,
                invoice_id=invoice,
                step="due+7d",
                template="reminder",
                state="bounced",
                reason="bounced",
                amount_minor=9_000,
                currency="usd",
                decided_at=at,
                due_at=at,
                address=EMAIL,
                **of,
            )
        )
        session.add(
            Outbox(
                id=new_id("out"),
                action="mail",
                workflow_id=new_id("mail"),
                name="customer_mail_bounced",
                payload={"key": bounced, "context": {"why": f"{NAME}: the mail server refuses the address."}},
                state="delivered",
                created_at=at,
                next_attempt_at=at,
                settled_at=at,
            )
        )
        promised = a_promise(link, promised_at=at, word=f"{NAME} will see to it.")
        disputed = a_dispute(acme.id, "pi_disputed", customer_id=customer)
        session.add_all([promised, disputed])
        for context in (
            {"promise": {"customer": NAME, "word": promised.word, "promise": promised.id}},
            {"dispute": {"customer": NAME, "dispute": disputed.id}},
        ):
            session.add(
                Outbox(
                    id=new_id("out"),
                    action="mail",
                    workflow_id=new_id("mail"),
                    name="promise_broken" if "promise" in context else "dispute",
                    payload={"key": promised.id, "context": context},
                    state="delivered",
                    created_at=at,
                    next_attempt_at=at,
                    settled_at=at,
                )
            )
        compared = Reconciliation(
            id=new_id("rec"), requested_by="system", stage="customers", workflow_id=new_id("x"), started_at=at
        )
        session.add(compared)
        await session.flush()
        session.add(
            DifferenceRow(
                id=new_id("dif"),
                reconciliation_id=compared.id,
                organization_id=acme.id,
                object_kind="customer",
                object_id=customer,
                fields=[{"name": "name", "ours": NAME, "stripe": "W. Quackenbush"}],
                found_at=at,
                correction="overwritten",
            )
        )


@ON_BOTH_DATABASES
async def test_a_customer_who_was_erased_is_named_nowhere_and_evidence_holds(
    home: House, acme: Tenant
) -> None:
    v1 = home.shop.client.v1
    customer = await money.customer(home.shop, acme, NAME)
    await v1.customers.update_async(customer, {"email": EMAIL, "address": {"country": "AT"}})
    payment = await money.pay(home.shop, customer, 90_000)
    done = await money.refund(home, acme, payment, 1_000)
    await home.wait(acme, done, "completed")
    waiting = await money.refund(home, acme, payment, 60_000)
    await home.reviewed(acme, waiting)
    await known_in_every_way(home, acme, customer)
    assert "customers.name" in await found_in(home.database, *SECRETS)

    erased = await home.post(acme.admin, f"/v1/customers/{customer}/erasure", BECAUSE)
    assert erased.status_code == 200, erased.text
    assert erased.json()["mentions"] == []

    assert await found_in(home.database, *SECRETS) == []
    shown = await home.get(acme.auditor, f"/v1/customers/{customer}")
    assert (shown["name"], shown["email"], shown["erased_at"]) == (None, None, erased.json()["erased_at"])
    assert shown["settings"]["opted_out"] is True
    async with home.database.reading() as session:
        [ended] = await session.exec(rows(PortalLink.end_reason).where(PortalLink.customer_id == customer))
        states = await session.exec(
            rows(CustomerMail.state)
            .where(CustomerMail.customer_id == customer)
            .order_by(col(CustomerMail.state))
        )
        assert (ended, list(states)) == ("revoked", ["bounced", "sent", "skipped"])

    # Stripe tells of them again, and everything is compared: nothing comes back.
    await v1.customers.update_async(customer, {"name": f"{NAME} Jr.", "balance": -700})
    await home.followed()
    async with home.database.reading() as session:
        mirrored = await session.get_one(Customer, customer)
        assert (mirrored.name, mirrored.balance) == (None, -700), "the rest is mirrored on"
    assert await found_in(home.database, *SECRETS) == []
    for operation in (done, waiting):
        assert "customer_erased" in await home.events(acme, operation)

    # What was under way goes on.
    await home.decide(acme.controller, waiting)
    await home.wait(acme, waiting, "completed")
    assert await found_in(home.database, *SECRETS) == []


async def test_who_erases_is_told_where_people_wrote_the_name(home: House, acme: Tenant) -> None:
    customer = await money.customer(home.shop, acme, NAME)
    payment = await money.pay(home.shop, customer, 90_000)
    named = await money.refund(home, acme, payment, 1_000, note=f"{NAME.upper()} was billed twice.")
    plain = await money.refund(home, acme, payment, 2_000)
    for operation in (named, plain):
        await home.wait(acme, operation, "completed")
    path = f"/v1/customers/{customer}/erasure"

    refused = await home.post(acme.admin, path, {"reason": f"{NAME} asked for it."})
    assert (refused.status_code, refused.json()["code"]) == (422, "erasure_names_customer")
    forbidden = await home.post(acme.finance, path, BECAUSE)
    assert forbidden.status_code == 403
    erased = await home.post(acme.admin, path, BECAUSE)
    again = await home.post(acme.controller, path, {"reason": "Once more."})

    assert erased.json()["mentions"] == [named]
    assert again.json() == erased.json() | {"mentions": []}
    assert await home.get(acme.auditor, path) == again.json()


async def test_nothing_is_fetched_or_opened_for_who_was_erased(home: House, acme: Tenant) -> None:
    customer = await money.customer(home.shop, acme, NAME)
    invoice = await money.invoice(home.shop, customer, 500)
    await home.followed()
    erased = await home.post(acme.admin, f"/v1/customers/{customer}/erasure", BECAUSE)
    assert erased.status_code == 200, erased.text

    refused = [
        await home.post(acme.admin, f"/v1/invoices/{invoice}/{what}", {}) for what in ("pdf", "portal-links")
    ]

    assert [one.json()["code"] for one in refused] == ["customer_erased"] * 2


@ON_BOTH_DATABASES
async def test_no_link_is_issued_while_the_customer_is_being_erased(home: House, acme: Tenant) -> None:
    customer = await money.customer(home.shop, acme, NAME)
    invoice = await money.invoice(home.shop, customer, 500)
    await home.followed()
    wanted = CustomerErasure(
        customer_id=customer,
        organization_id=acme.id,
        erased_at=datetime.now(UTC),
        erased_by=acme.admin.id,
        reason=BECAUSE["reason"],
    )

    async with home.database.transaction() as session:
        await erasure.erase(session, wanted)
        issuing = asyncio.create_task(home.post(acme.admin, f"/v1/invoices/{invoice}/portal-links", {}))
        await asyncio.wait([issuing], timeout=1)

    assert (await issuing).json()["code"] == "customer_erased"
    async with home.database.reading() as session:
        assert (await session.exec(rows(PortalLink.id).where(PortalLink.customer_id == customer))).all() == []


async def test_a_pdf_that_was_being_fetched_is_not_kept_after_the_erasure(home: House, acme: Tenant) -> None:
    customer = await money.customer(home.shop, acme, NAME)
    invoice = await money.invoice(home.shop, customer, 500)
    await home.followed()
    erased = await home.post(acme.admin, f"/v1/customers/{customer}/erasure", BECAUSE)
    assert erased.status_code == 200, erased.text

    async with home.database.transaction() as session:
        kept = await invoice_pdfs.store(
            session,
            organization=acme.id,
            invoice=invoice,
            content=f"%PDF {NAME}".encode(),
            requested_by=acme.admin.id,
            fetched_at=datetime.now(UTC),
        )

    assert kept is None
    assert await found_in(home.database, *SECRETS) == []


async def test_an_erasure_since_the_backup_is_done_again_before_the_customer_is_read(
    home: House, acme: Tenant
) -> None:
    """The restored records may not even know the customer."""
    customer = await money.customer(home.shop, acme, NAME)
    at = datetime.now(UTC)
    wanted = CustomerErasure(
        customer_id=customer,
        organization_id=acme.id,
        erased_at=at,
        erased_by=acme.admin.id,
        reason=BECAUSE["reason"],
    )
    async with home.database.transaction() as session:
        assert await erasure.erase_again(session, wanted)
    async with home.database.transaction() as session:
        assert not await erasure.erase_again(session, CustomerErasure(**wanted.model_dump()))

    await money.pay(home.shop, customer, 5_000)
    await home.followed()

    async with home.database.reading() as session:
        mirrored = await session.get_one(Customer, customer)
    assert (mirrored.name, mirrored.synced_at.year > 1970) == (None, True)
    assert await found_in(home.database, NAME) == []
