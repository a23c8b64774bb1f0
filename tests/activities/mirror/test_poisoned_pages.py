"""A page of Stripe's with an object that can't be mirrored: the others are, and that one is tried again."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from sqlmodel import select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.mirror import event_catch_up, money_pages, subscription_pages
from activities.mirror import pages as mirror_pages
from activities.mirror.event_catch_up import EventCatchUp
from activities.mirror.mirror import Mirror, PageQuery
from activities.mirror.objects import customer as customer_objects
from activities.mirror.objects import subscription as subscription_objects
from activities.mirror.objects.invoice import InvoiceSnapshot
from billing.stripe.events import CatchUpPage
from db.core.session import Database
from db.tables import (
    BalanceTransactionRow,
    CreditNoteRow,
    Customer,
    DiscountRow,
    Invoice,
    Organization,
    PaymentRow,
    Reconciliation,
    RefundRow,
    Setback,
    StripeEvent,
)

from ...support import money
from ...support.builders import NOW, store
from ...support.case_rules import case_rules
from ...support.shop import Shop

ON_ONE_DATABASE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


class Books(NamedTuple):
    """Two organizations, whose customers each have one of everything."""

    mirrors: Mirror
    organizations: list[str]
    customers: list[str]


async def books(shop: Shop, database: Database) -> Books:
    organizations, customers = [], []
    for _ in range(2):
        tenant = await shop.tenant(database)
        customer = await money.customer(shop, tenant)
        invoice = await money.invoice(shop, customer, 5000, paid=True)
        payment = await money.payment_of(shop, invoice)
        await shop.client.v1.refunds.create_async({"payment_intent": payment, "amount": 700})
        await shop.client.v1.credit_notes.create_async(
            {"invoice": invoice, "amount": 300, "credit_amount": 300}
        )
        organizations.append(tenant.id)
        customers.append(customer)
    run = Reconciliation(
        id="rec_1", requested_by="system", stage="customers", workflow_id="reconcile", started_at=NOW
    )
    await store(database, run)
    return Books(Mirror(shop.client, database, case_rules()), organizations, customers)


async def rows(database: Database, table: type[Any]) -> list[Any]:
    async with database.reading() as session:
        return list(await session.exec(select(table)))


class Page(NamedTuple):
    """A page of the mirror: the function that makes its rows, where it is looked up, and the table."""

    name: str
    module: Any
    maker: str
    table: type[Any]
    of_customer: Callable[..., str]


def of_document(document: dict[str, Any], *_: Any, **__: Any) -> str:
    return str(document.get("customer") or document["id"])


PAGES = (
    Page("mirror_customers", mirror_pages, "customer_row", Customer, of_document),
    Page("mirror_invoices", mirror_pages, "invoice_row", Invoice, of_document),
    Page("mirror_payments", money_pages, "payment_row", PaymentRow, of_document),
    Page("mirror_refunds", money_pages, "refund_row", RefundRow, lambda *_, customer, **__: customer),
    Page("mirror_credit_notes", money_pages, "credit_note_row", CreditNoteRow, of_document),
    Page("mirror_balances", customer_objects, "balance_transaction_row", BalanceTransactionRow, of_document),
)


@pytest.mark.both_databases
@pytest.mark.parametrize("poisoned", PAGES, ids=lambda page: page.name)
async def test_an_object_that_can_not_be_mirrored_keeps_no_other_out(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch, poisoned: Page
) -> None:
    books_ = await books(shop, database)
    bad, good = books_.customers
    make = getattr(poisoned.module, poisoned.maker)

    def breaks(*given: Any, **named: Any) -> Any:
        if poisoned.of_customer(*given, **named) == bad:
            raise KeyError("currency")
        return make(*given, **named)

    query = PageQuery(reconciliation="rec_1")
    for page in PAGES:
        if page is poisoned:
            monkeypatch.setattr(page.module, page.maker, breaks)
        await ActivityEnvironment().run(getattr(books_.mirrors, page.name), query)
        if page is poisoned:
            break
    stored = await rows(database, poisoned.table)
    assert {getattr(row, "customer_id", row.id) for row in stored} == {good}
    [setback] = await rows(database, Setback)
    assert (setback.tries, setback.error.partition(" ")[0]) == (1, "KeyError")

    monkeypatch.undo()
    await ActivityEnvironment().run(getattr(books_.mirrors, poisoned.name), query)
    stored = await rows(database, poisoned.table)
    assert {getattr(row, "customer_id", row.id) for row in stored} == {bad, good}
    assert await rows(database, Setback) == []


@pytest.mark.both_databases
@pytest.mark.parametrize("poisoned", PAGES[:-1], ids=lambda page: page.name)
async def test_an_object_that_could_not_be_mirrored_is_read_anew_by_its_id(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch, poisoned: Page
) -> None:
    books_ = await books(shop, database)
    bad, good = books_.customers
    query = PageQuery(reconciliation="rec_1")
    make = getattr(poisoned.module, poisoned.maker)

    def breaks(*given: Any, **named: Any) -> Any:
        if poisoned.of_customer(*given, **named) == bad:
            raise KeyError("currency")
        return make(*given, **named)

    monkeypatch.setattr(poisoned.module, poisoned.maker, breaks)
    for page in PAGES[: PAGES.index(poisoned) + 1]:
        await ActivityEnvironment().run(getattr(books_.mirrors, page.name), query)
    assert len(await rows(database, Setback)) == 1

    monkeypatch.undo()
    done = await ActivityEnvironment().run(books_.mirrors.mirror_failed, PageQuery(reconciliation="rec_1"))

    assert (done.stored, done.after) == (1, None)
    stored = await rows(database, poisoned.table)
    assert {getattr(row, "customer_id", row.id) for row in stored} == {bad, good}
    assert await rows(database, Setback) == []


@ON_ONE_DATABASE
async def test_what_still_can_not_be_mirrored_is_counted_and_what_is_gone_is_not(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    books_ = await books(shop, database)
    await ActivityEnvironment().run(books_.mirrors.mirror_customers, PageQuery(reconciliation="rec_1"))
    [bad, good] = books_.customers
    gone = Setback(sweep="mirror of invoices", unit="in_gone", error="x", first_at=NOW, last_at=NOW)
    still = Setback(sweep="mirror of customers", unit=bad, error="x", first_at=NOW, last_at=NOW)
    other = Setback(sweep="reminders", unit=good, error="x", first_at=NOW, last_at=NOW)
    await store(database, gone, still, other)

    def breaks(*_: Any, **__: Any) -> Any:
        raise KeyError("currency")

    monkeypatch.setattr(customer_objects, "customer_row", breaks)
    await ActivityEnvironment().run(books_.mirrors.mirror_failed, PageQuery(reconciliation="rec_1"))
    left = {(one.sweep, one.unit): one.tries for one in await rows(database, Setback)}
    assert left == {("mirror of customers", bad): 2, ("reminders", good): 1}


@ON_ONE_DATABASE
async def test_stripe_being_away_fails_none_of_them(shop: Shop, database: Database) -> None:
    books_ = await books(shop, database)
    row = Setback(sweep="mirror of customers", unit=books_.customers[0], error="x", first_at=NOW, last_at=NOW)
    await store(database, row)
    shop.stand_in.fault("error_before", method="GET", path="/v1/customers/")
    with pytest.raises(ApplicationError):
        await ActivityEnvironment().run(books_.mirrors.mirror_failed, PageQuery(reconciliation="rec_1"))
    assert [one.tries for one in await rows(database, Setback)] == [1]


@ON_ONE_DATABASE
async def test_a_subscription_that_can_not_be_read_keeps_no_other_organizations_out(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    books_ = await books(shop, database)
    await ActivityEnvironment().run(books_.mirrors.mirror_catalog)
    subscriptions = {one.id: one.stripe_subscription for one in await rows(database, Organization)}
    read = subscription_pages.subscription_document

    def breaks(document: dict[str, Any], customer: str) -> Any:
        if document["id"] == subscriptions[books_.organizations[0]]:
            raise KeyError("current_period_end")
        return read(document, customer)

    before = {one.id: one.synced_at for one in await rows(database, Organization)}
    monkeypatch.setattr(subscription_pages, "subscription_document", breaks)
    query = PageQuery(reconciliation="rec_1")
    assert (await ActivityEnvironment().run(books_.mirrors.mirror_subscriptions, query)).stored == 1
    after = {one.id: one.synced_at for one in await rows(database, Organization)}
    assert [one for one in after if after[one] != before[one]] == books_.organizations[1:]
    [setback] = await rows(database, Setback)
    bad = books_.organizations[0]
    assert (setback.unit, setback.organization_id) == (subscriptions[bad], bad)

    await ActivityEnvironment().run(books_.mirrors.mirror_failed, PageQuery(reconciliation="rec_1"))
    [again] = [one.synced_at for one in await rows(database, Organization) if one.id == bad]
    assert again != before[bad], "it is read anew by its id"
    assert await rows(database, Setback) == []


@ON_ONE_DATABASE
async def test_a_discount_that_keeps_failing_is_counted_beside_its_subscription_that_does_not(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    books_ = await books(shop, database)
    await ActivityEnvironment().run(books_.mirrors.mirror_catalog)
    bad = next(one for one in await rows(database, Organization) if one.id == books_.organizations[0])
    coupon = await shop.client.v1.coupons.create_async({"percent_off": 10, "duration": "forever"})
    await shop.client.v1.subscriptions.update_async(
        bad.stripe_subscription, {"discounts": [{"coupon": coupon.id}]}
    )

    def breaks(*_: Any, **__: Any) -> Any:
        raise KeyError("coupon")

    monkeypatch.setattr(subscription_pages, "discount_rows", breaks)
    monkeypatch.setattr(subscription_objects, "discount_rows", breaks)
    query, run = PageQuery(reconciliation="rec_1"), ActivityEnvironment().run
    for tries in (1, 2):
        assert (await run(books_.mirrors.mirror_subscriptions, query)).stored == 2
        assert [one.tries for one in await rows(database, Setback)] == [tries]
    await run(books_.mirrors.mirror_failed, query)
    assert [one.tries for one in await rows(database, Setback)] == [3]

    monkeypatch.undo()
    await run(books_.mirrors.mirror_failed, query)
    assert await rows(database, Setback) == []
    assert [row.bearer for row in await rows(database, DiscountRow)] == [bad.stripe_subscription]


@ON_ONE_DATABASE
async def test_what_is_missing_is_looked_up_past_one_that_stripe_refuses(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    books_ = await books(shop, database)
    query = PageQuery(reconciliation="rec_1")
    for name in ("mirror_customers", "mirror_invoices"):
        await ActivityEnvironment().run(getattr(books_.mirrors, name), query)
    async with database.transaction() as session:
        run = await session.get_one(Reconciliation, "rec_1")
        run.started_at = max(row.synced_at for row in await rows(database, Invoice)).replace(year=2099)
        session.add(run)
    [bad, good] = sorted(row.id for row in await rows(database, Invoice))
    before = {row.id: row.synced_at for row in await rows(database, Invoice)}
    read = InvoiceSnapshot.read

    def breaks(client: Any, id_: str) -> Awaitable[Any]:
        if id_ == bad:
            raise KeyError("status_transitions")
        return read(client, id_)

    monkeypatch.setattr(InvoiceSnapshot, "read", breaks)
    await ActivityEnvironment().run(books_.mirrors.look_up_invoices, query)
    after = {row.id: row.synced_at for row in await rows(database, Invoice)}
    assert [one for one in after if after[one] != before[one]] == [good]
    assert [one.unit for one in await rows(database, Setback)] == [bad]


@ON_ONE_DATABASE
async def test_an_event_that_can_not_be_kept_keeps_none_of_the_others_from_being_known(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [(await shop.client.v1.customers.create_async({"name": "New"})).id for _ in range(3)]
    arrived = event_catch_up._arrived

    def breaks(event: dict[str, Any], at: Any) -> Any:
        if event["data"]["object"]["id"] == made[1]:
            raise KeyError("livemode")
        return arrived(event, at)

    monkeypatch.setattr(event_catch_up, "_arrived", breaks)
    done = await ActivityEnvironment().run(
        EventCatchUp(shop.client, database).catch_up_events, CatchUpPage(at=NOW)
    )
    assert done.next is None
    kept = {row.object_id for row in await rows(database, StripeEvent)}
    assert (made[0] in kept, made[1] in kept, made[2] in kept) == (True, False, True)
    assert len(await rows(database, Setback)) == 1
