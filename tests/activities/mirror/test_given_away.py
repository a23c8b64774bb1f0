"""Whatever is given away in Stripe itself is one case, counted by what it gave, however it is learnt of."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import select
from temporalio.testing import ActivityEnvironment

from activities.mirror.mirror import Mirror, PageQuery
from billing.cases.case import CaseFound
from billing.stripe.events import FOLLOWED, object_of
from db.core.session import Database
from db.tables import Case, Commitment, Operation, Organization, Reconciliation
from workflows.mirror.reconcile import PHASES

from ...support import money
from ...support.builders import NOW, Tenant, store
from ...support.case_rules import case_rules
from ...support.followed import follow
from ...support.shop import Shop
from ..effects.effecting import Job, a_job

DAY = 86_400


@dataclass
class Desk:
    """A customer of an organization, and somebody at Stripe's dashboard."""

    job: Job
    customer: str
    since: int
    runs: int = 0

    @property
    def shop(self) -> Shop:
        return self.job.shop

    @property
    def tenant(self) -> Tenant:
        return self.job.tenant

    @property
    def v1(self) -> Any:
        return self.shop.client.v1

    async def told(self, times: int = 1) -> None:
        """Stripe's events so far are followed, the newest first, each so often."""
        found = await self.v1.events.list_async({"limit": 100, "created": {"gte": self.since}})
        for event in found.data * times:
            about = event.to_dict()["data"]["object"]
            object_ = object_of(event.type, about.get("id"), about.get("customer"))
            if event.type in FOLLOWED and object_ is not None:
                await follow(self.shop.client, self.job.database, event.type, object_, event.id)

    async def follow(self, type_: str, object_: str) -> None:
        """One event is followed."""
        await follow(self.shop.client, self.job.database, type_, object_, f"evt_{object_}")

    async def compared(self) -> None:
        """Everything is compared, and nothing was told."""
        self.runs += 1
        run = f"rec_{self.runs}"
        await store(
            self.job.database,
            Reconciliation(id=run, requested_by="system", stage="x", workflow_id=run, started_at=NOW),
        )
        mirror = Mirror(self.shop.client, self.job.database, case_rules())
        for phase in PHASES:
            page: Any = getattr(mirror, phase.page.__name__)
            after: Any = PageQuery(reconciliation=run)
            while after is not None:
                done = await ActivityEnvironment().run(page, after)
                after = done.after and after.model_copy(update={"after": done.after, "until": done.until})

    async def cases(self) -> dict[str, tuple[str, int]]:
        """By object: its kind, and what it counts."""
        async with self.job.database.reading() as session:
            found = await session.exec(
                select(Operation.request, Commitment.amount_minor)
                .join(Commitment, Commitment.operation_id == Operation.id)
                .where(Operation.kind == "case", Commitment.released_at.is_(None))  # type: ignore[union-attr]
            )
            rows = [(CaseFound.model_validate(request), amount) for request, amount in found]
        assert {row.customer for row, _ in rows} <= {self.customer}
        by_object = {row.object: (row.object_kind.value, amount) for row, amount in rows}
        assert len(by_object) == len(rows), "an object has two cases"
        return by_object

    async def notes(self) -> dict[str, tuple[str, str]]:
        """By object, the effect that writes its note, and what that names."""
        async with self.job.database.reading() as session:
            found = await session.exec(select(Operation.request).where(Operation.kind == "case"))
            rows = [CaseFound.model_validate(request) for request in found]
        return {row.object: (row.note_effect, row.note_target) for row in rows}


@pytest.fixture
async def desk(shop: Shop, database: Database) -> Desk:
    job = await a_job(shop, database)
    since = shop.stand_in.now()
    return Desk(job, await money.customer(shop, job.tenant), since)


@pytest.fixture(params=["events", "comparison"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def learnt(desk: Desk, how: str) -> None:
    """It is learnt of in this way first, then again in both."""
    if how == "events":
        await desk.told(times=2)
    await desk.compared()
    await desk.told()


async def subscribed(desk: Desk, **fields: Any) -> Any:
    """The customer subscribes to something for USD 60.00 a month."""
    method = await desk.v1.payment_methods.attach_async("pm_card_visa", {"customer": desk.customer})
    wanted = {
        "customer": desk.customer,
        "default_payment_method": method.id,
        "items": [{"price": desk.shop.price["starter", "month"], "quantity": 6}],
    }
    return await desk.v1.subscriptions.create_async(wanted | fields)


@pytest.mark.both_databases
async def test_a_void_and_a_write_off_are_cases(desk: Desk, how: str) -> None:
    voided = await money.invoice(desk.shop, desk.customer, 5_000)
    written_off = await money.invoice(desk.shop, desk.customer, 700)
    await desk.v1.invoices.void_invoice_async(voided)
    await desk.v1.invoices.mark_uncollectible_async(written_off)
    await learnt(desk, how)
    assert await desk.cases() == {voided: ("void", 5_000), written_off: ("write_off", 700)}
    assert await desk.notes() == {
        voided: ("invoice.note", voided),
        written_off: ("invoice.note", written_off),
    }


async def test_what_is_voided_after_a_write_off_is_given_once(desk: Desk, how: str) -> None:
    invoice = await money.invoice(desk.shop, desk.customer, 5_000)
    await desk.v1.invoices.mark_uncollectible_async(invoice)
    await desk.v1.invoices.void_invoice_async(invoice)
    await learnt(desk, how)
    assert await desk.cases() == {invoice: ("write_off", 5_000)}


async def test_a_write_off_that_is_paid_counts_no_more(desk: Desk, how: str) -> None:
    invoice = await money.invoice(desk.shop, desk.customer, 5_000)
    await desk.v1.invoices.mark_uncollectible_async(invoice)
    await learnt(desk, how)
    assert await desk.cases() == {invoice: ("write_off", 5_000)}
    method = await desk.v1.payment_methods.attach_async("pm_card_visa", {"customer": desk.customer})
    await desk.v1.invoices.pay_async(invoice, {"payment_method": method.id})
    await desk.told()
    assert await desk.cases() == {}


async def test_a_write_off_that_is_said_to_be_paid_outside_of_stripe_still_counts(
    desk: Desk, how: str
) -> None:
    """Whoever wrote it off could else take it out of the window by two clicks; no money was seen."""
    before, after = [await money.invoice(desk.shop, desk.customer, 5_000) for _ in range(2)]
    for invoice in (before, after):
        await desk.v1.invoices.mark_uncollectible_async(invoice)
    await desk.v1.invoices.pay_async(before, {"paid_out_of_band": True})
    await learnt(desk, how)
    given = {before: ("write_off", 5_000), after: ("write_off", 5_000)}
    assert await desk.cases() == given
    await desk.v1.invoices.pay_async(after, {"paid_out_of_band": True})
    await learnt(desk, how)
    assert await desk.cases() == given


async def test_what_is_given_up_of_an_invoice_with_many_lines_is_found_without_events(desk: Desk) -> None:
    """Its lines are known by then."""
    voided, written_off = [
        await money.invoice(desk.shop, desk.customer, 5_000, finalized=False) for _ in range(2)
    ]
    for invoice in (voided, written_off):
        for _ in range(11):
            item: Any = {"customer": desk.customer, "invoice": invoice, "amount": 100, "currency": "usd"}
            await desk.v1.invoice_items.create_async(item)
        await desk.v1.invoices.finalize_invoice_async(invoice)
    await desk.told()
    assert await desk.cases() == {}
    await desk.v1.invoices.void_invoice_async(voided)
    await desk.v1.invoices.mark_uncollectible_async(written_off)
    await desk.compared()
    assert await desk.cases() == {voided: ("void", 6_100), written_off: ("write_off", 6_100)}


@pytest.mark.both_databases
async def test_our_own_void_and_write_off_are_no_cases(desk: Desk) -> None:
    for kind, step in (("invoice.void", "void"), ("invoice.mark_uncollectible", "write_off")):
        invoice = await money.invoice(desk.shop, desk.customer, 900)
        done = await desk.job.attempt(desk.job.effect(kind, invoice, step=step))  # type: ignore[arg-type]
        assert done.outcome == "done"
    await desk.told()
    await desk.compared()
    assert await desk.cases() == {}


async def test_a_void_in_stripe_is_a_case_though_we_were_about_to(desk: Desk) -> None:
    """Ours is refused, since somebody has voided the invoice; while it was open nobody could tell."""
    invoice = await money.invoice(desk.shop, desk.customer, 900)
    await desk.v1.invoices.void_invoice_async(invoice)
    refused = await desk.job.attempt(desk.job.effect("invoice.void", invoice, step="void"))
    assert refused.outcome == "refused"
    await desk.told()
    assert await desk.cases() == {invoice: ("void", 900)}


@pytest.mark.both_databases
async def test_negative_items_are_cases_once_their_invoice_is_final(desk: Desk, how: str) -> None:
    invoice = await money.invoice(desk.shop, desk.customer, 5_000, finalized=False)
    # So many lines that the negative one is not among those that come with the invoice.
    for _ in range(11):
        await desk.v1.invoice_items.create_async(
            {"customer": desk.customer, "invoice": invoice, "amount": 100, "currency": "usd"}
        )
    item = await desk.v1.invoice_items.create_async(
        {"customer": desk.customer, "invoice": invoice, "amount": -1_200, "currency": "usd"}
    )
    await desk.told()
    assert await desk.cases() == {}
    await desk.v1.invoices.finalize_invoice_async(invoice)
    await learnt(desk, how)
    assert await desk.cases() == {item.id: ("invoice_item", 1_200)}
    assert await desk.notes() == {item.id: ("invoice.note", invoice)}


async def test_a_credit_on_the_balance_that_an_invoice_used_up_is_found_without_events(desk: Desk) -> None:
    """The balance is then what it was before."""
    given: Any = {"amount": -900, "currency": "usd"}
    credit = await desk.v1.customers.balance_transactions.create_async(desk.customer, given)
    await money.invoice(desk.shop, desk.customer, 5_000)
    await desk.compared()
    assert await desk.cases() == {credit.id: ("balance_transaction", 900)}


@pytest.mark.both_databases
async def test_credit_that_a_customer_is_created_with_is_a_case(desk: Desk, how: str) -> None:
    """Stripe calls it `initial`, and not an adjustment."""
    metadata = {"plixo_organization": desk.tenant.id}
    customer = await desk.v1.customers.create_async({"balance": -5_000, "metadata": metadata})
    await desk.v1.customers.create_async({"balance": 300, "metadata": metadata})  # they owe it
    desk.customer = customer.id
    [credit] = (await desk.v1.customers.balance_transactions.list_async(customer.id)).data
    assert credit.type == "initial"
    await learnt(desk, how)
    assert await desk.cases() == {credit.id: ("balance_transaction", 5_000)}


async def test_a_credit_that_many_changes_of_the_balance_came_after_is_a_case(desk: Desk) -> None:
    """More than Stripe gives at a time: nobody hides one behind a hundred others."""
    make = desk.v1.customers.balance_transactions.create_async
    credit = await make(desk.customer, {"amount": -900, "currency": "usd"})
    for _ in range(100):
        await make(desk.customer, {"amount": 1, "currency": "usd"})
    await desk.follow("customer.updated", desk.customer)
    assert await desk.cases() == {credit.id: ("balance_transaction", 900)}


@pytest.mark.both_databases
async def test_a_coupon_on_a_subscription_is_worth_a_year_at_most(desk: Desk, how: str) -> None:
    coupon = await desk.v1.coupons.create_async({"percent_off": 10, "duration": "forever", "name": "Spring"})
    subscription = await subscribed(desk)
    await desk.told()
    given: Any = {"discounts": [{"coupon": coupon.id}]}
    [discount] = (await desk.v1.subscriptions.update_async(subscription.id, given)).discounts
    await learnt(desk, how)
    assert await desk.cases() == {discount: ("discount", 7_200)}
    assert await desk.notes() == {discount: ("subscription.note", subscription.id)}


async def test_a_promotion_code_on_an_item_counts_on_that_item(desk: Desk, how: str) -> None:
    coupon = await desk.v1.coupons.create_async(
        {"percent_off": 25, "duration": "repeating", "duration_in_months": 2}
    )
    code = await desk.v1.promotion_codes.create_async({"promotion": {"type": "coupon", "coupon": coupon.id}})
    price = desk.shop.price["growth", "month"]
    items = [{"price": price, "quantity": 1, "discounts": [{"promotion_code": code.id}]}]
    subscription = await subscribed(desk)
    await desk.told()
    await desk.v1.subscriptions.update_async(subscription.id, {"items": items, "proration_behavior": "none"})
    await learnt(desk, how)
    [(kind, amount)] = (await desk.cases()).values()
    assert (kind, amount) == ("discount", 1_000)


async def test_a_coupon_of_a_customer_counts_on_their_subscriptions(desk: Desk, how: str) -> None:
    await subscribed(desk)
    coupon = await desk.v1.coupons.create_async(
        {"amount_off": 500, "currency": "usd", "duration": "repeating", "duration_in_months": 3}
    )
    await desk.told()
    await grant(desk, coupon.id)
    await learnt(desk, how)
    [(object_, counted)] = (await desk.cases()).items()
    assert counted == ("discount", 1_500)
    assert await desk.notes() == {object_: ("customer.note", desk.customer)}


async def grant(desk: Desk, coupon: str) -> None:
    """The customer is given a discount, as by Stripe's dashboard."""
    given = {"customer": desk.customer, "coupon": coupon}
    await asyncio.to_thread(desk.shop.stand_in.control, "discounts", given)


@pytest.mark.both_databases
async def test_a_coupon_on_an_invoice_counts_what_it_took(desk: Desk, how: str) -> None:
    coupon = await desk.v1.coupons.create_async({"percent_off": 15, "duration": "once"})
    invoice = await money.invoice(desk.shop, desk.customer, 5_000, finalized=False)
    await desk.v1.invoices.update_async(invoice, {"discounts": [{"coupon": coupon.id}]})
    await desk.told()
    assert await desk.cases() == {}
    final = await desk.v1.invoices.finalize_invoice_async(invoice)
    [discount] = final.discounts
    await learnt(desk, how)
    assert await desk.cases() == {discount: ("discount", 750)}
    assert await desk.notes() == {discount: ("invoice.note", invoice)}


async def test_what_a_coupon_takes_beyond_what_was_counted_is_counted_when_it_does(desk: Desk) -> None:
    """A percentage for a customer without a subscription: nobody could say what it would come to."""
    coupon = await desk.v1.coupons.create_async({"percent_off": 10, "duration": "forever"})
    await grant(desk, coupon.id)
    await desk.told()
    assert list((await desk.cases()).values()) == [("discount", 0)]
    for amount in (5_000, 3_000):
        await money.invoice(desk.shop, desk.customer, amount)
    await desk.told(times=2)
    await desk.compared()
    assert await counted(desk) == [0, 300, 500]


async def test_what_a_coupon_takes_in_another_currency_is_not_among_what_was_counted(desk: Desk) -> None:
    """USD 50.00 is counted when it is noticed; no euro is."""
    off: Any = {"amount_off": 5_000, "currency": "usd", "currency_options": {"eur": {"amount_off": 700}}}
    coupon = await desk.v1.coupons.create_async(off | {"duration": "forever"})
    await grant(desk, coupon.id)
    await desk.told()
    for amount in (7_000, 600):
        terms: Any = {"customer": desk.customer, "currency": "eur", "collection_method": "send_invoice"}
        invoice = await desk.v1.invoices.create_async(terms | {"days_until_due": 30})
        item: Any = {"customer": desk.customer, "invoice": invoice.id, "amount": amount, "currency": "eur"}
        await desk.v1.invoice_items.create_async(item)
        await desk.v1.invoices.finalize_invoice_async(invoice.id)
        await desk.told()
    async with desk.job.database.reading() as session:
        found = await session.exec(select(Commitment.amount_minor, Commitment.currency))
        assert sorted(found) == [(600, "eur"), (700, "eur"), (5_000, "usd")]


async def test_what_a_coupon_takes_of_what_was_counted_is_not_counted_again(desk: Desk, how: str) -> None:
    coupon = await desk.v1.coupons.create_async({"percent_off": 10, "duration": "forever"})
    await subscribed(desk, discounts=[{"coupon": coupon.id}])
    await learnt(desk, how)
    assert await counted(desk) == [7_200]


async def test_what_a_coupon_took_before_it_was_noticed_is_counted_once(desk: Desk) -> None:
    """Its invoice is told of first, then the subscription."""
    coupon = await desk.v1.coupons.create_async({"percent_off": 10, "duration": "forever"})
    subscription = await subscribed(desk, discounts=[{"coupon": coupon.id}])
    await desk.follow("invoice.paid", subscription.latest_invoice)
    assert await counted(desk) == [600]
    await desk.told()
    assert await counted(desk) == [600, 6_600]


async def counted(desk: Desk) -> list[int]:
    async with desk.job.database.reading() as session:
        return sorted(await session.exec(select(Commitment.amount_minor)))


@pytest.mark.both_databases
async def test_a_coupon_on_our_own_subscription_is_a_case_of_no_customer(desk: Desk, how: str) -> None:
    coupon = await desk.v1.coupons.create_async({"percent_off": 50, "duration": "once"})
    subscription = desk.tenant.organization.stripe_subscription
    changed = await desk.v1.subscriptions.update_async(subscription, {"discounts": [{"coupon": coupon.id}]})
    await learnt(desk, how)
    [discount] = changed.discounts
    async with desk.job.database.reading() as session:
        [case] = await session.exec(select(Case))
    assert (case.object_id, case.customer_id, case.amount_minor) == (discount, None, 3_000)


async def test_a_coupon_that_a_change_of_ours_asked_for_is_no_case(desk: Desk) -> None:
    coupon = await desk.v1.coupons.create_async({"percent_off": 50, "duration": "once"})
    subscription = desk.tenant.organization.stripe_subscription
    done = await desk.job.attempt(
        desk.job.effect("subscription.update", subscription, {"discounts": [{"coupon": coupon.id}]})
    )
    assert done.outcome == "done"
    await desk.told()
    await desk.compared()
    async with desk.job.database.reading() as session:
        assert list(await session.exec(select(Case))) == []


@pytest.mark.both_databases
async def test_a_lost_dispute_is_a_case_and_an_open_one_is_not(desk: Desk, how: str) -> None:
    payment = await money.pay(desk.shop, desk.customer, 5_000, "pm_card_createDispute")
    await desk.told()
    [dispute] = (await desk.v1.disputes.list_async({"payment_intent": payment})).data
    assert await desk.cases() == {}
    await desk.v1.disputes.close_async(dispute.id)
    await learnt(desk, how)
    assert await desk.cases() == {dispute.id: ("dispute", 5_000)}
    assert await desk.notes() == {dispute.id: ("charge.note", dispute.charge)}


async def test_nobody_has_a_case_of_what_was_there_before_the_organization(desk: Desk) -> None:
    coupon = await desk.v1.coupons.create_async({"percent_off": 10, "duration": "forever"})
    await subscribed(desk, discounts=[{"coupon": coupon.id}])
    voided = await money.invoice(desk.shop, desk.customer, 900)
    await desk.v1.invoices.void_invoice_async(voided)
    async with desk.job.database.transaction() as session:
        organization = await session.get_one(Organization, desk.tenant.id)
        organization.created_at = datetime.fromtimestamp(desk.shop.stand_in.now() + DAY, UTC)
    await desk.compared()
    await desk.told()
    assert await desk.cases() == {}


async def ending(desk: Desk) -> list[tuple[str, str, int | None]]:
    """Of each case its kind, object, and when the subscription is to end."""
    async with desk.job.database.reading() as session:
        found = await session.exec(select(Operation.request).where(Operation.kind == "case"))
        rows = [CaseFound.model_validate(request) for request in found]
    return [(row.object_kind.value, row.object, row.ends_at and int(row.ends_at.timestamp())) for row in rows]


@pytest.mark.both_databases
async def test_a_planned_cancellation_in_stripe_is_one_case_until_it_is_planned_anew(
    desk: Desk, how: str
) -> None:
    subscription = desk.tenant.organization.stripe_subscription
    planned = await desk.v1.subscriptions.update_async(subscription, {"cancel_at_period_end": True})
    await learnt(desk, how)
    case = ("cancellation", subscription, planned.cancel_at)
    assert await ending(desk) == [case]
    assert (await desk.notes())[subscription] == ("subscription.note", subscription)
    await desk.v1.subscriptions.update_async(subscription, {"cancel_at_period_end": False})
    await desk.told()
    assert await ending(desk) == [case]
    desk.shop.stand_in.advance(60)
    await desk.v1.subscriptions.update_async(subscription, {"cancel_at_period_end": True})
    await desk.told()
    assert await ending(desk) == [case, case]


async def test_a_cancellation_that_a_change_of_ours_planned_is_no_case(desk: Desk) -> None:
    subscription = desk.tenant.organization.stripe_subscription
    done = await desk.job.attempt(
        desk.job.effect("subscription.update", subscription, {"cancel_at_period_end": True})
    )
    assert done.outcome == "done"
    await desk.told()
    await desk.compared()
    assert await ending(desk) == []
