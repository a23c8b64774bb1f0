"""The mirror: an older reading never overwrites a newer one, and usage is counted from it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.plan_changes.limits import Usage
from billing.plan_changes.plans import Plan, PlanLimits, Price
from db.core.session import Database
from db.mirror import lists, mirror, subscription_usage
from db.mirror.lists import InvoiceFilter
from db.tables import Customer, Invoice, InvoiceLines

from ...support.builders import NOW, a_customer, a_person, an_invoice, store, tenant
from ...support.case_rules import case_rules
from ...support.money_rows import an_event

SECOND = timedelta(seconds=1)


def a_plan(**fields: Any) -> Plan:
    defaults: dict[str, Any] = {
        "plan": "growth",
        "name": "Growth",
        "product": "prod_growth",
        "seats_included": 50,
        "limits": PlanLimits(customers=500, ar_balance=10_000_000),
        "prices": (Price(id="price_1", interval="month", unit_amount=2_000, currency="usd"),),
    }
    return Plan(**defaults | fields)


async def store_plan(database: Database, plan: Plan, *, after: timedelta) -> None:
    async with database.transaction() as session:
        await mirror.store_plan(session, plan, synced_at=NOW + after)


async def plans(database: Database) -> list[Plan]:
    async with database.reading() as session:
        return await mirror.plans(session)


async def test_a_plan_comes_back_as_it_was_read(database: Database) -> None:
    starter = a_plan(plan="starter", product="prod_starter", limits=PlanLimits(customers=50))
    await store_plan(database, starter, after=SECOND)
    await store_plan(database, a_plan(), after=SECOND)

    assert await plans(database) == [a_plan(), starter]


@pytest.mark.parametrize(("after", "kept"), [(-SECOND, "Growth"), (0 * SECOND, "New"), (SECOND, "New")])
async def test_only_a_reading_that_is_not_older_replaces_a_plan(
    database: Database, after: timedelta, kept: str
) -> None:
    await store_plan(database, a_plan(), after=0 * SECOND)
    await store_plan(database, a_plan(name="New"), after=after)

    assert [plan.name for plan in await plans(database)] == [kept]


@pytest.mark.parametrize(("after", "seats"), [(-SECOND, 5), (0 * SECOND, 8), (SECOND, 8)])
async def test_only_a_reading_that_is_not_older_replaces_a_subscription(
    database: Database, after: timedelta, seats: int
) -> None:
    acme = await tenant(database)
    async with database.transaction() as session:
        await mirror.store_subscription(session, case_rules(), acme.id, {"seats": 5}, synced_at=NOW)
        await mirror.store_subscription(session, case_rules(), acme.id, {"seats": 8}, synced_at=NOW + after)

    async with database.reading() as session:
        organization = await mirror.organization(session, acme.id)
    assert organization.subscription == {"seats": seats}
    assert organization.synced_at == max(NOW, NOW + after)


@pytest.mark.parametrize(("after", "replaced"), [(-SECOND, False), (0 * SECOND, True), (SECOND, True)])
async def test_only_a_reading_that_is_not_older_replaces_a_customer_or_invoice(
    database: Database, after: timedelta, replaced: bool
) -> None:
    acme = await tenant(database)
    customer = a_customer(acme.id, balance=0)
    invoice = an_invoice(customer)
    newer = {"synced_at": NOW + after}
    async with database.transaction() as session:
        await mirror.store_customer(session, customer)
        await mirror.store_invoice(session, invoice)
        await mirror.store_customer(session, a_customer(acme.id, id=customer.id, balance=-500, **newer))
        paid = an_invoice(customer, id=invoice.id, status="paid", amount_paid=10_000, **newer)
        await mirror.store_invoice(session, paid)

    async with database.reading() as session:
        kept, billed = await session.get(Customer, customer.id), await session.get(Invoice, invoice.id)
    assert kept is not None
    assert billed is not None
    assert kept.balance == (-500 if replaced else 0)
    assert (billed.status, billed.amount_remaining) == (("paid", 0) if replaced else ("open", 10_000))
    assert kept.synced_at == billed.synced_at == (NOW + after if replaced else NOW)


async def test_an_invoice_is_read_whole_again_in_a_status_that_no_reading_of_all_its_lines_told_of(
    database: Database,
) -> None:
    customer = a_customer((await tenant(database)).id)
    voided = {"id": "in_1", "status": "void", "finalized_at": NOW}

    async def whole_after(second: int, **fields: Any) -> set[str]:
        row = an_invoice(customer, synced_at=NOW + second * SECOND, **fields)
        async with database.transaction() as session:
            await mirror.store_invoice(session, row)
        async with database.reading() as session:
            return await mirror.read_whole(session, {"in_1": row.status})

    assert await whole_after(1, id="in_1", finalized_at=NOW, given=[], given_in="open") == {"in_1"}
    assert await whole_after(2, **voided) == set()
    assert await whole_after(3, **voided) == set()
    assert await whole_after(4, **voided, given=[], given_in="void") == {"in_1"}
    assert await whole_after(5, **voided) == {"in_1"}


async def test_an_unknown_organization_is_an_error(database: Database) -> None:
    async with database.reading() as session:
        with pytest.raises(LookupError, match="org_unknown"):
            await mirror.organization(session, "org_unknown")


async def test_usage_counts_active_people_customers_and_what_open_invoices_leave(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    customer, second = a_customer(acme.id), a_customer(acme.id)
    stranger = a_customer(other.id)
    await store(
        database,
        a_person(acme.id, active=False),
        *(customer, second, stranger, a_customer(acme.id, deleted=True)),
        an_invoice(customer, total=10_000, amount_paid=2_500),
        an_invoice(second, total=5_000_000_000),
        an_invoice(customer, total=70, currency="eur"),
        an_invoice(customer, status="paid", amount_paid=10_000),
        an_invoice(customer, status="draft"),
        an_invoice(stranger),
    )

    async with database.reading() as session:
        assert await subscription_usage.usage(session, acme.id, "usd") == Usage(
            seats=5, customers=2, ar_balance=5_000_007_500, currency="usd"
        )
        assert (await subscription_usage.usage(session, acme.id, "eur")).ar_balance == 70
        assert (await subscription_usage.usage(session, acme.id, "gbp")).ar_balance == 0


async def test_lists_are_the_organizations_and_filtered(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    customer, stranger = a_customer(acme.id), a_customer(other.id)
    old = an_invoice(customer, created_at=NOW - timedelta(days=40), status="paid")
    new = an_invoice(customer)
    theirs = an_invoice(stranger)
    await store(database, customer, stranger, a_customer(acme.id, deleted=True), new, old, theirs)

    async with database.reading() as session:
        customers = await lists.customers(acme.id).page(session)
        invoices = await lists.invoices(acme.id).page(session)
        open_ = await lists.invoices(acme.id, InvoiceFilter(status="open", customer_id=customer.id)).page(
            session
        )
        none = await lists.invoices(acme.id, InvoiceFilter(customer_id=stranger.id)).page(session)
        assert await mirror.invoice(session, acme.id, theirs.id) is None
        assert await mirror.invoice(session, acme.id, new.id) is not None

    assert [row.id for row in customers.rows] == [customer.id]
    assert [row.id for row in invoices.rows] == [new.id, old.id]
    assert [row.id for row in open_.rows] == [new.id]
    assert none.rows == []


def a_draft(owner: str, synced_at: datetime) -> tuple[Customer, Invoice, InvoiceLines]:
    customer = a_customer(owner)
    invoice = an_invoice(customer, status="draft", synced_at=synced_at)
    lines = InvoiceLines(
        invoice_id=invoice.id, organization_id=owner, lines=[], complete=True, synced_at=synced_at
    )
    return customer, invoice, lines


@pytest.mark.parametrize(("read_after", "removed"), [(-SECOND, False), (SECOND, True)])
async def test_a_draft_that_stripe_has_no_more_goes_unless_it_was_read_later(
    database: Database, read_after: timedelta, removed: bool
) -> None:
    owner = (await tenant(database)).id
    customer, draft, lines = a_draft(owner, NOW)
    open_ = an_invoice(customer, status="open", synced_at=NOW)
    await store(database, customer, draft, lines, open_)
    async with database.transaction() as session:
        gone = [
            await mirror.remove_draft(session, one.id, read_at=NOW + read_after) for one in (draft, open_)
        ]

    assert gone == [owner if removed else None, None]
    async with database.reading() as session:
        there = [await mirror.invoice(session, owner, one.id) is not None for one in (draft, open_)]
        kept = await session.get(InvoiceLines, draft.id)
    assert (there, kept is None) == ([not removed, True], removed)


async def test_a_draft_that_was_deleted_is_not_brought_back_by_who_read_it_before(database: Database) -> None:
    owner = (await tenant(database)).id
    customer, draft, lines = a_draft(owner, NOW)
    told = an_event(type="invoice.deleted", object_id=draft.id)
    await store(database, customer, told)
    async with database.transaction() as session:
        await mirror.store_invoice(session, draft)
        await mirror.store_invoice_lines(session, [lines])

    async with database.reading() as session:
        assert await mirror.invoice(session, owner, draft.id) is None
        assert await session.get(InvoiceLines, draft.id) is None
