"""What is noticed in the mirror: once for each change, never of our own making, whoever reads first."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from billing.core.money import Money
from billing.core.operations import Kind
from billing.money.authority import AuthorityUse
from db.cases import money_cases
from db.core.session import Database
from db.mirror import mirror
from db.money import commitments, granted_amounts
from db.operations import intents, operations
from db.tables import Case, Commitment, Intent, Operation, Outbox, RefundRow

from ...support.builders import NOW, Tenant, an_intent, an_operation, store, tenant
from ...support.case_rows import noticed
from ...support.case_rules import case_rules
from ...support.money_rows import a_credit_operation, a_refund, a_refund_operation

STARTER = {"plan": "starter", "price": "price_1", "seats": 6, "interval": "month", "others": []}
GROWTH = {"plan": "growth", "price": "price_2", "seats": 6, "interval": "month", "others": []}
SCALE = {"plan": "scale", "price": "price_3", "seats": 6, "interval": "month", "others": []}
APRIL, MAY = 1_775_001_600, 1_777_593_600
ON_ONE_DATABASE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


@pytest.fixture
async def acme(database: Database) -> Tenant:
    return await tenant(database)


async def found(database: Database) -> list[Case]:
    async with database.reading() as session:
        return list(await session.exec(select(Case).order_by(Case.operation_id)))


async def test_readers_at_the_same_moment_open_one_case_with_its_money_and_its_start(
    database: Database, acme: Tenant
) -> None:
    refund = a_refund(acme.id, "pi_1", amount=700)
    readings = [type(refund)(**refund.model_dump()) for _ in range(5)]
    await asyncio.gather(*(noticed(database, reading) for reading in readings))
    [case] = await found(database)
    async with database.reading() as session:
        [operation] = (await session.exec(select(Operation))).all()
        [counted] = (await session.exec(select(Commitment))).all()
        [start] = (await session.exec(select(Outbox))).all()
    assert (case.object_id, case.amount_minor, case.owner) == (refund.id, 700, None)
    assert (operation.kind, operation.requested_by) == ("case", "system")
    assert (counted.kind, counted.amount_minor, counted.decided_at) == ("refund", 700, NOW)
    assert (start.name, start.workflow_id) == ("CaseWorkflow", operation.workflow_id)


@pytest.mark.parametrize("first", ["the person", "the mirror", "both at once"])
async def test_a_person_who_sends_the_key_of_a_case_keeps_nothing_from_the_mirror(
    database: Database, acme: Tenant, first: str
) -> None:
    refund = a_refund(acme.id, "pi_1", amount=700)
    theirs = an_operation(acme, kind="refund", idempotency_key=f"case:{refund.id}")

    async def person() -> None:
        async with database.transaction() as session:
            _, new = await operations.create(session, theirs)
            assert new

    async def mirrored() -> None:
        await noticed(database, refund)

    if first == "the person":
        await person()
        await mirrored()
    elif first == "the mirror":
        await mirrored()
        await person()
    else:
        await asyncio.gather(person(), mirrored())
    [case] = await found(database)
    assert case.object_id == refund.id
    async with database.reading() as session:
        assert await session.get(RefundRow, refund.id) is not None


async def test_it_counts_to_the_customer_and_holds_nothing_of_the_payment(
    database: Database, acme: Tenant
) -> None:
    await noticed(database, a_refund(acme.id, "pi_1", amount=700))
    [case] = await found(database)

    async def uses(until: datetime | None = None) -> AuthorityUse:
        async with database.reading() as session:
            used = await commitments.uses(
                session,
                acme.id,
                person_id=acme.admin.id,
                customer_id="cus_1",
                kinds=[Kind.REFUND],
                currency="usd",
                windows={30},
                at=NOW + timedelta(days=1),
                excluding="",
                until=until,
            )
        return used[30]

    def use(person: int, customer: int) -> AuthorityUse:
        by_person, to_customer = (Money(amount_minor=amount, currency="usd") for amount in (person, customer))
        return AuthorityUse(by_person=by_person, to_customer=to_customer)

    assert await uses() == use(0, 700)
    assert await uses(until=NOW - timedelta(seconds=1)) == use(0, 0)
    async with database.transaction() as session:
        assert await commitments.on_payments(session, ["pi_1"], excluding="") == []
        [one] = await granted_amounts.granted_since(
            session, acme.id, "cus_1", NOW - timedelta(days=1), excluding=""
        )
        await commitments.count_for(session, case.operation_id, authority_of=acme.admin.id)
    assert (one.operation, one.authority_of) == (case.operation_id, None)
    assert await uses() == use(700, 700)


async def test_what_we_made_or_was_there_before_or_came_to_nothing_is_no_case(
    database: Database, acme: Tenant
) -> None:
    operation = a_refund_operation(acme)
    ours = a_refund(acme.id, "pi_1")
    done = an_intent(operation, effect="refund.create", state="done", stripe_id=ours.id)
    await store(database, operation, done)
    before = NOW - timedelta(days=1)
    for one in (
        ours,
        a_refund(acme.id, "pi_1", created_at=before),
        a_refund(acme.id, "pi_1", status="failed"),
    ):
        await noticed(database, one)
    assert await found(database) == []


async def test_what_only_bears_the_mark_of_an_effect_of_ours_is_a_case(
    database: Database, acme: Tenant
) -> None:
    """Anybody can copy metadata: only the id that an intent knows proves who made it."""
    refund, credit, ended = a_refund_operation(acme), a_credit_operation(acme), a_refund_operation(acme)
    theirs = a_refund_operation(await tenant(database))
    ended.closed_at = NOW
    making = {"effect": "refund.create"}
    marks = (
        an_intent(refund, step="refund:0", state="done", stripe_id="re_of_ours", **making),
        an_intent(refund, step="refund:1", state="refused", **making),
        an_intent(refund, step="note", effect="refund.note"),
        an_intent(credit, step="credit", effect="credit_note.create"),
        an_intent(ended, step="refund:0", **making),
        an_intent(theirs, step="refund:0", **making),
    )
    await store(database, refund, credit, ended, theirs, *marks)
    for number, mark in enumerate(marks, 1):
        await noticed(database, a_refund(acme.id, "pi_1", claims=mark.idempotency_key))
        assert len(await found(database)) == number, mark.idempotency_key
    noted = an_intent(refund, step="note:2", effect="refund.note", state="done", stripe_id="re_noted")
    await store(database, noted)
    await noticed(database, a_refund(acme.id, "pi_1", id="re_noted"))
    assert len(await found(database)) == len(marks) + 1


async def test_what_an_open_intent_may_have_just_made_waits_until_it_is_known(
    database: Database, acme: Tenant
) -> None:
    operation = a_refund_operation(acme)
    await store(database, operation, an_intent(operation, step="refund:0", effect="refund.create"))
    key = f"{acme.id}:{operation.id}:refund:0:1"
    true, copied = (a_refund(acme.id, "pi_1", claims=key) for _ in range(2))
    for one in (true, copied, copied):
        await noticed(database, one)
    assert await found(database) == []
    async with database.transaction() as session:
        intent = await intents.close_done(session, key, at=NOW, stripe_id=true.id)
        await money_cases.closed(session, case_rules(), intent, NOW)
    assert [case.object_id for case in await found(database)] == [copied.id]
    for one in (true, copied):
        await noticed(database, one)
    assert len(await found(database)) == 1


@ON_ONE_DATABASE
async def test_what_was_left_alone_is_noticed_when_its_intent_is_refused(
    database: Database, acme: Tenant
) -> None:
    operation = a_refund_operation(acme)
    await store(database, operation, an_intent(operation, step="refund:0", effect="refund.create"))
    key = f"{acme.id}:{operation.id}:refund:0:1"
    copied = a_refund(acme.id, "pi_1", claims=key)
    await noticed(database, copied)
    async with database.transaction() as session:
        intent = await intents.close_refused(session, key, at=NOW, error={"code": "x", "message": "X."})
        await money_cases.closed(session, case_rules(), intent, NOW)
    assert [case.object_id for case in await found(database)] == [copied.id]


@ON_ONE_DATABASE
async def test_what_is_not_ours_is_noticed_when_it_is_next_seen_though_it_was_mirrored_before(
    database: Database, acme: Tenant
) -> None:
    refund = a_refund(acme.id, "pi_1")
    async with database.transaction() as session:
        await mirror.store_money(session, refund)
    await noticed(database, refund)
    assert len(await found(database)) == 1


# --- Subscriptions ------------------------------------------------------------------------------------


class Subscription:
    """An organization's subscription as it is read, time after time."""

    def __init__(self, database: Database, acme: Tenant) -> None:
        self._database, self._acme = database, acme

    async def read(
        self, terms: dict[str, Any], effect: str | None = None, at: datetime | None = None, **more: Any
    ) -> int:
        """How many cases there are once this reading is stored, asked for at this time."""
        document = terms | {"status": "active", "period_start": APRIL, "plixo_effect": effect} | more
        async with self._database.transaction() as session:
            await mirror.store_subscription(
                session, case_rules(), self._acme.id, document, synced_at=at or datetime.now(UTC)
            )
        return len(await found(self._database))

    async def change(self, step: str = "apply", **fields: Any) -> str:
        """A plan change of ours from starter to growth; gives the key of its effect."""
        subject = {"from": STARTER, "to": GROWTH, "effective": "now", "period_end": MAY}
        operation = an_operation(self._acme, subject=subject | fields.pop("subject", {}), closed_at=NOW)
        intent: Intent = an_intent(operation, step=step, **fields)
        await store(self._database, operation, intent)
        return intent.idempotency_key


@pytest.fixture
async def subscription(database: Database, acme: Tenant) -> Subscription:
    return Subscription(database, acme)


@pytest.mark.parametrize("state", ["open", "done"])
async def test_our_change_is_none_before_and_after_its_intent_is_closed(
    subscription: Subscription, state: str
) -> None:
    assert await subscription.read(STARTER) == 0
    key = await subscription.change(state=state)
    assert await subscription.read(GROWTH, key) == 0
    assert await subscription.read(GROWTH, key) == 0
    assert await subscription.read(STARTER, await subscription.change("revert")) == 0


@ON_ONE_DATABASE
async def test_each_change_that_is_not_ours_is_a_case_though_it_bears_our_last_mark(
    subscription: Subscription,
) -> None:
    await subscription.read(STARTER)
    key = await subscription.change()
    assert await subscription.read(GROWTH, key) == 0
    assert await subscription.read(SCALE, key) == 1
    assert await subscription.read(SCALE, key) == 1
    assert await subscription.read(STARTER, key) == 2
    assert await subscription.read(GROWTH, key) == 3
    assert await subscription.read(STARTER, key) == 4
    assert await subscription.read(STARTER, key, status="canceled") == 5
    assert await subscription.read(STARTER, key, status="canceled") == 5


@ON_ONE_DATABASE
@pytest.mark.parametrize(("own", "cases"), [(True, 0), (False, 1)])
async def test_only_our_end_of_this_very_subscription_explains_its_end(
    database: Database, acme: Tenant, subscription: Subscription, own: bool, cases: int
) -> None:
    """Of the one before it there may have been such an end as well."""
    await subscription.read(STARTER)
    operation = an_operation(acme, kind="cancellation", closed_at=NOW)
    target = acme.organization.stripe_subscription if own else "sub_former"
    ended = an_intent(operation, step="cancel", effect="subscription.cancel", target=target, state="done")
    await store(database, operation, ended)
    assert await subscription.read(STARTER, status="canceled") == cases


@ON_ONE_DATABASE
async def test_the_mark_of_an_earlier_change_of_ours_that_is_put_back_is_no_proof(
    subscription: Subscription,
) -> None:
    await subscription.read(STARTER)
    first = await subscription.change(state="done", closed_at=datetime.now(UTC))
    assert await subscription.read(GROWTH, first) == 0
    later = datetime.now(UTC) + timedelta(hours=1)
    second = await subscription.change(state="done", closed_at=later, subject={"from": GROWTH, "to": SCALE})
    assert await subscription.read(SCALE, second, at=later) == 0
    assert await subscription.read(GROWTH, first, at=later + timedelta(hours=1)) == 1


@ON_ONE_DATABASE
async def test_a_change_right_after_ours_is_a_case_though_nobody_has_seen_ours(
    database: Database, subscription: Subscription
) -> None:
    await subscription.read(STARTER)
    key = await subscription.change()
    assert await subscription.read(STARTER, key) == 1
    async with database.reading() as session:
        [operation] = (await session.exec(select(Operation).where(Operation.kind == "case"))).all()
    assert (operation.request["from"], operation.request["to"]) == (GROWTH, STARTER)


@ON_ONE_DATABASE
async def test_a_mark_that_no_effect_of_ours_has_left_explains_nothing(
    database: Database, subscription: Subscription
) -> None:
    await subscription.read(STARTER)
    assert await subscription.read(GROWTH, await subscription.change(state="refused")) == 1
    other = Subscription(database, await tenant(database))
    assert await subscription.read(STARTER, await other.change("revert")) == 2


async def test_a_reading_that_was_overtaken_neither_undoes_the_change_nor_is_one(
    database: Database, acme: Tenant, subscription: Subscription
) -> None:
    await subscription.read(STARTER)
    key, asked_at = await subscription.change(), datetime.now(UTC)
    assert await subscription.read(GROWTH, key, at=asked_at) == 0
    # Asked for after the change was asked for, answered before it was made, and stored last.
    assert await subscription.read(STARTER, at=asked_at + timedelta(microseconds=1)) == 0
    async with database.reading() as session:
        held = (await mirror.organization(session, acme.id)).subscription
    assert held is not None
    assert (held["plan"], held["plixo_effect"]) == ("growth", key)
    assert await subscription.read(STARTER) == 1


@pytest.mark.parametrize("closed", [False, True])
async def test_what_a_schedule_of_ours_does_at_the_end_of_the_period_is_no_case(
    database: Database, acme: Tenant, subscription: Subscription, closed: bool
) -> None:
    subject = {"from": STARTER, "to": GROWTH, "effective": "period_end", "period_end": MAY}
    operation = an_operation(acme, subject=subject, closed_at=NOW if closed else None)
    created = an_intent(
        operation, step="schedule", effect="schedule.create", state="done", stripe_id="sub_sched_1"
    )
    phases = an_intent(operation, step="phases", effect="schedule.update", state="done")
    await store(database, operation, created, phases)
    await subscription.read(STARTER)
    assert await subscription.read(STARTER, schedule="sub_sched_1") == 0
    assert await subscription.read(GROWTH, schedule="sub_sched_1", period_start=MAY) == 0
    assert await subscription.read(SCALE, schedule="sub_sched_1", period_start=MAY) == 1


@ON_ONE_DATABASE
async def test_the_same_terms_before_the_period_ends_are_somebody_elses_doing(
    database: Database, acme: Tenant, subscription: Subscription
) -> None:
    subject = {"from": STARTER, "to": GROWTH, "effective": "period_end", "period_end": MAY}
    operation = an_operation(acme, subject=subject)
    phases = an_intent(operation, step="phases", effect="schedule.update", state="done")
    await store(database, operation, phases)
    await subscription.read(STARTER)
    assert await subscription.read(GROWTH) == 1


@ON_ONE_DATABASE
async def test_a_mirror_from_before_marks_were_kept_is_taken_as_it_is(
    database: Database, acme: Tenant, subscription: Subscription
) -> None:
    key = await subscription.change()
    async with database.transaction() as session:
        old = STARTER | {"status": "active", "period_start": APRIL}
        await mirror.store_subscription(session, case_rules(), acme.id, old, synced_at=NOW)
    assert await subscription.read(STARTER, key) == 0
    assert await subscription.read(SCALE, key) == 1
