"""Money set aside: what a person may give alone, whoever asks at the same moment and however it is split."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from activities.money.commitments import Commitments
from billing.core.money import Money
from billing.core.operations import Kind, Role
from billing.money.credit import CreditSubject
from billing.money.credit_lines import CreditedLine, LineCredit, LineToCredit
from billing.money.messages import Commit, CommitmentResult, CommitPart
from billing.policy.policy import AuthorityLimit
from db.core import timeline
from db.core.session import Database
from db.money import commitments
from db.tables import Commitment, Operation, OperationObject, TimelineEvent

from ...support.builders import NOW, Member, Tenant, a_person, member, store, tenant
from ...support.money_rows import a_commitment, a_credit_operation, a_refund_operation

LATER = NOW + timedelta(minutes=5)
DAY = timedelta(days=1)
MONEY_BACK = (Kind.REFUND, Kind.CREDIT)


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


LIMIT = AuthorityLimit(
    per_item=usd(50_000), window_days=30, window_total=usd(100_000), customer_total=usd(70_000)
)

WITHIN = "within_requesters_authority"
BEYOND = "beyond_requesters_authority"
ANYWAY = "reviewed_whatever_requesters_authority"
AUTHORITY = {Role.BILLING_ADMIN: (LIMIT,)}


@dataclass(frozen=True)
class Desk:
    """An organization whose people ask for money back."""

    database: Database
    acme: Tenant

    async def operation(self, **fields: Any) -> Operation:
        operation = a_refund_operation(self.acme, **fields)
        await store(self.database, operation)
        return operation

    def order(self, operation: Operation, amount: int = 10_000, **fields: Any) -> Commit:
        """By the billing admin, to no customer in particular, of no payment."""
        given: dict[str, Any] = {
            "organization": self.acme.id,
            "operation": operation.id,
            "kind": operation.kind,
            "person": operation.requested_by,
            "customer": None,
            "currency": "usd",
            "parts": (CommitPart(amount=amount),),
            "authority": AUTHORITY,
            "counted": MONEY_BACK,
            "round": 1,
            "at": NOW,
        }
        return Commit.model_validate(given | fields)

    async def commit(self, order: Commit) -> CommitmentResult:
        return await Commitments(self.database).commit_money(order)

    async def ask(
        self, amount: int = 10_000, *, who: Member | None = None, **fields: Any
    ) -> CommitmentResult:
        """A new operation that asks for so much."""
        asker = who or self.acme.admin
        operation = await self.operation(requested_by=asker.id)
        return await self.commit(self.order(operation, amount, **fields))

    async def release(self, operation: Operation, *keep: str, at: Any = LATER) -> None:
        async with self.database.transaction() as session:
            await commitments.release(session, operation.id, at=at, keep=keep)

    async def rows(self, operation: Operation) -> list[Commitment]:
        async with self.database.reading() as session:
            return await commitments.of_operation(session, operation.id)

    async def events(self, operation: Operation) -> list[TimelineEvent]:
        async with self.database.reading() as session:
            return await timeline.read(session, operation.id)


@pytest.fixture
async def desk(database: Database) -> Desk:
    return Desk(database, await tenant(database))


def of(payment: str, amount: int, left: int | None = None, *in_stripe: str) -> dict[str, Any]:
    return {"parts": (CommitPart(payment_intent=payment, amount=amount, left=left, in_stripe=in_stripe),)}


# --- The requester's authority -----------------------------------------------------------------------------


async def test_within_the_authority_it_is_counted_in_it_at_once(desk: Desk) -> None:
    operation = await desk.operation()

    assert await desk.commit(desk.order(operation, 50_000)) == CommitmentResult(alone=True)

    (row,) = await desk.rows(operation)
    assert (row.amount_minor, row.kind, row.person_id) == (50_000, "refund", desk.acme.admin.id)
    assert (row.authority_of, row.decided_at) == (desk.acme.admin.id, NOW)


async def test_beyond_it_the_money_is_set_aside_but_counts_in_nobodys_authority(desk: Desk) -> None:
    operation = await desk.operation()

    committed = await desk.commit(desk.order(operation, 50_001))

    assert committed == CommitmentResult(alone=False, why=committed.why)
    assert "USD 500.01" in committed.why
    assert "USD 500.00" in committed.why
    (row,) = await desk.rows(operation)
    assert (row.authority_of, row.decided_at, row.released_at) == (None, None, None)


async def test_the_timeline_says_by_what_figures(desk: Desk) -> None:
    await desk.ask(20_000, customer="cus_1")
    operation = await desk.operation()

    await desk.commit(desk.order(operation, 50_001, customer="cus_1"))

    (event,) = await desk.events(operation)
    assert (event.key, event.code, event.actor, event.at) == ("authority:1", BEYOND, "system", NOW)
    spent = {"amount_minor": 20_000, "currency": "usd"}
    assert event.detail == {
        "round": 1,
        "person": desk.acme.admin.id,
        "roles": ["billing_admin"],
        "customer": "cus_1",
        "amount": {"amount_minor": 50_001, "currency": "usd"},
        "counted": ["refund", "credit"],
        "limits": [
            {
                "per_item": {"amount_minor": 50_000, "currency": "usd"},
                "window_days": 30,
                "window_total": {"amount_minor": 100_000, "currency": "usd"},
                "customer_total": {"amount_minor": 70_000, "currency": "usd"},
            }
        ],
        "used": {"30": {"by_person": spent, "to_customer": spent}},
        "why": event.detail["why"],
    }
    assert "USD 500.01" in event.detail["why"]


async def test_splitting_an_amount_over_several_requests_does_not_help(desk: Desk) -> None:
    alone = [(await desk.ask(30_000)).alone for _ in range(5)]
    rest = await desk.ask(10_000)

    assert (alone, rest.alone) == ([True, True, True, False, False], True)


async def test_a_customers_window_counts_over_all_who_ask(desk: Desk) -> None:
    second = await member(desk.database, desk.acme.organization, [Role.BILLING_ADMIN])

    assert (await desk.ask(40_000, customer="cus_1")).alone
    beyond = await desk.ask(40_000, who=second, customer="cus_1")

    assert not beyond.alone
    for told in ("USD 400.00", "30 days", "USD 700.00"):
        assert told in beyond.why
    assert (await desk.ask(40_000, who=second, customer="cus_2")).alone
    assert (await desk.ask(30_000, who=second, customer="cus_1")).alone


async def test_kinds_that_are_counted_together_share_a_window(desk: Desk) -> None:
    for _ in range(2):
        assert (await desk.ask(50_000, kind=Kind.CREDIT)).alone

    assert not (await desk.ask(1)).alone
    assert (await desk.ask(50_000, counted=(Kind.REFUND,))).alone


async def test_an_amount_of_another_currency_is_beyond_an_authority_in_this_one(desk: Desk) -> None:
    committed = await desk.ask(1, currency="eur")

    assert (committed.alone, "EUR" in committed.why) == (False, True)


async def test_the_parts_of_an_amount_are_weighed_together(desk: Desk) -> None:
    parts = tuple(
        CommitPart(payment_intent=f"pi_{n}", amount=amount, left=90_000)
        for n, amount in enumerate((25_001, 25_000))
    )
    assert not (await desk.ask(parts=parts)).alone


async def test_any_of_several_roles_is_enough(desk: Desk) -> None:
    both = await member(desk.database, desk.acme.organization, [Role.BILLING_ADMIN, Role.CONTROLLER])
    larger = AuthorityLimit(per_item=usd(90_000), window_days=7, window_total=usd(90_000))
    authority = AUTHORITY | {Role.CONTROLLER: (larger,)}

    assert (await desk.ask(90_000, who=both, authority=authority)).alone
    assert not (await desk.ask(90_000, authority=authority)).alone


async def test_a_reason_can_be_reviewed_whatever_the_amount(desk: Desk) -> None:
    operation = await desk.operation()

    committed = await desk.commit(desk.order(operation, 1, reviewed_anyway=True))

    assert not committed.alone
    assert committed.why
    assert [event.code for event in await desk.events(operation)] == [ANYWAY]
    assert [row.decided_at for row in await desk.rows(operation)] == [None]


async def test_somebody_who_has_left_gives_nothing_alone(desk: Desk) -> None:
    gone = a_person(desk.acme.id, roles=[Role.BILLING_ADMIN], active=False)
    await store(desk.database, gone)

    committed = await desk.ask(1, who=Member(gone, ""))

    assert not committed.alone
    assert committed.why


async def test_releasing_gives_the_authority_back(desk: Desk) -> None:
    operation = await desk.operation()
    await desk.commit(desk.order(operation, 50_000))
    assert (await desk.ask(50_000)).alone
    assert not (await desk.ask(1)).alone

    await desk.release(operation)

    assert (await desk.ask(50_000)).alone


async def test_a_window_that_has_passed_gives_it_back_too(desk: Desk) -> None:
    for _ in range(2):
        await desk.ask(50_000, customer="cus_1", authority={Role.BILLING_ADMIN: (_without_customer(),)})

    assert not (await desk.ask(20_001, customer="cus_1", at=NOW + 30 * DAY - timedelta(seconds=1))).alone
    assert (await desk.ask(50_000, customer="cus_1", at=NOW + 30 * DAY)).alone


def _without_customer() -> AuthorityLimit:
    return LIMIT.model_copy(update={"customer_total": None})


# --- What is left of a payment -----------------------------------------------------------------------------


async def test_what_another_operation_holds_of_a_payment_is_not_left(desk: Desk) -> None:
    first, second = await desk.operation(), await desk.operation()
    await desk.commit(desk.order(first, **of("pi_1", 6_000, 10_000)))

    refused = await desk.commit(desk.order(second, **of("pi_1", 4_001, 10_000)))

    assert refused.problem is not None
    assert (refused.alone, refused.problem.code) == (False, "amount_above_refundable")
    for told in ("USD 40.01", "USD 40.00", "pi_1", first.id):
        assert told in refused.problem.message
    assert (await desk.rows(second), await desk.events(second)) == ([], [])
    assert (await desk.commit(desk.order(second, **of("pi_1", 4_000, 10_000)))).alone


async def test_what_awaits_an_approval_is_held_too(desk: Desk) -> None:
    await desk.ask(**of("pi_1", 60_000, 100_000))

    assert (await desk.ask(**of("pi_1", 40_001, 100_000))).problem is not None


async def test_what_stripe_has_taken_off_already_is_not_taken_off_twice(desk: Desk) -> None:
    refunded, waiting = await desk.operation(), await desk.operation()
    await desk.commit(desk.order(refunded, **of("pi_1", 6_000, 10_000)))
    await desk.commit(desk.order(waiting, **of("pi_1", 1_000, 4_000, refunded.id)))

    assert (await desk.ask(**of("pi_1", 3_001, 4_000, refunded.id))).problem is not None
    assert (await desk.ask(**of("pi_1", 3_000, 4_000, refunded.id))).alone


async def test_a_payment_with_too_little_left_is_said_without_naming_others(desk: Desk) -> None:
    refused = await desk.ask(**of("pi_1", 101, 100))

    assert refused.problem is not None
    assert "USD 1.01" in refused.problem.message
    assert "op_" not in refused.problem.message


async def test_one_part_too_large_holds_nothing_of_the_others(desk: Desk) -> None:
    await desk.ask(**of("pi_2", 5_000, 5_000))
    operation = await desk.operation()
    parts = (
        CommitPart(payment_intent="pi_1", amount=1_000, left=1_000),
        CommitPart(payment_intent="pi_2", amount=1, left=5_000),
    )

    refused = await desk.commit(desk.order(operation, parts=parts))

    assert refused.problem is not None
    assert await desk.rows(operation) == []
    assert (await desk.ask(**of("pi_1", 1_000, 1_000))).alone


async def test_releasing_leaves_what_came_through(desk: Desk) -> None:
    operation = await desk.operation()
    parts = tuple(CommitPart(payment_intent=f"pi_{n}", amount=1_000, left=1_000) for n in (1, 2))
    await desk.commit(desk.order(operation, parts=parts))

    await desk.release(operation, "pi_1")

    assert (await desk.ask(**of("pi_1", 1_000, 1_000))).problem is not None
    assert (await desk.ask(**of("pi_2", 1_000, 1_000))).alone


# --- Rounds and repeats ------------------------------------------------------------------------------------


async def test_a_repeat_of_a_round_answers_what_the_first_attempt_did(desk: Desk) -> None:
    operation = await desk.operation()
    first = await desk.commit(desk.order(operation, 50_000))
    await desk.ask(50_000)

    again = await desk.commit(desk.order(operation, 50_000, at=LATER))

    assert (first.alone, again) == (True, first)
    assert [row.decided_at for row in await desk.rows(operation)] == [NOW]
    assert len(await desk.events(operation)) == 1


async def test_a_new_round_is_weighed_anew_and_replaces_the_one_before(desk: Desk) -> None:
    operation = await desk.operation()
    await desk.commit(desk.order(operation, 60_000))

    committed = await desk.commit(desk.order(operation, 50_000, round=2, at=LATER))

    assert committed.alone
    assert [(row.amount_minor, row.decided_at) for row in await desk.rows(operation)] == [(50_000, LATER)]
    assert [(event.key, event.code) for event in await desk.events(operation)] == [
        ("authority:1", BEYOND),
        ("authority:2", WITHIN),
    ]


async def test_a_round_that_is_not_possible_frees_the_one_before(desk: Desk) -> None:
    operation = await desk.operation()
    await desk.commit(desk.order(operation, **of("pi_1", 6_000, 10_000)))

    refused = await desk.commit(desk.order(operation, **of("pi_1", 10_001, 10_000), round=2, at=LATER))

    assert refused.problem is not None
    assert (await desk.ask(**of("pi_1", 10_000, 10_000))).alone


async def test_a_late_attempt_does_not_take_back_a_release(desk: Desk) -> None:
    operation = await desk.operation()
    order = desk.order(operation, 50_000)
    first = await desk.commit(order)
    await desk.release(operation)

    assert await desk.commit(order) == first

    assert [row.released_at for row in await desk.rows(operation)] == [LATER]


async def test_a_workflow_that_is_reset_gives_nothing_uncounted(desk: Desk) -> None:
    operation = await desk.operation()
    await desk.commit(desk.order(operation, 50_000))
    await desk.release(operation)
    for _ in range(2):
        await desk.ask(50_000)

    reset = desk.order(operation, 50_000, at=LATER + DAY)
    again = await desk.commit(reset)

    assert not again.alone
    assert await desk.commit(reset) == again
    assert [(row.released_at, row.decided_at) for row in await desk.rows(operation)] == [(None, None)]
    weighed = [one for one in await desk.events(operation) if one.key.startswith("authority")]
    assert [(event.key, event.code) for event in weighed] == [
        ("authority:1", WITHIN),
        (f"authority:1:{reset.at.isoformat()}", BEYOND),
    ]


# --- At the same moment ------------------------------------------------------------------------------------


async def at_once(desk: Desk, database_url: str, orders: list[Commit]) -> list[CommitmentResult]:
    """Each in a transaction of its own, half of them over connections of another process."""
    other = Database(database_url)
    try:
        return await asyncio.gather(
            *(
                Commitments((desk.database, other)[n % 2]).commit_money(order)
                for n, order in enumerate(orders)
            )
        )
    finally:
        await other.dispose()


async def test_of_requests_at_once_exactly_those_that_fit_the_window_go_through(
    desk: Desk, database_url: str
) -> None:
    orders = [desk.order(await desk.operation(), 15_000) for _ in range(20)]

    committed = await at_once(desk, database_url, orders)

    assert [answer.alone for answer in committed].count(True) == 6  # of USD 150.00 each, within USD 1,000.00
    assert [answer.problem for answer in committed] == [None] * 20


async def test_of_requests_at_once_a_customer_gets_no_more_than_their_total(
    desk: Desk, database_url: str
) -> None:
    second = await member(desk.database, desk.acme.organization, [Role.BILLING_ADMIN])
    orders = [
        desk.order(
            await desk.operation(requested_by=who.id),
            15_000,
            customer="cus_1",
            kind=kind,
        )
        for who in (desk.acme.admin, second)
        for kind in MONEY_BACK
        for _ in range(5)
    ]

    committed = await at_once(desk, database_url, orders)

    assert [answer.alone for answer in committed].count(True) == 4  # within USD 700.00


async def test_of_requests_at_once_no_more_is_held_than_what_is_left_of_the_payment(
    desk: Desk, database_url: str
) -> None:
    operations = [await desk.operation() for _ in range(20)]
    orders = [desk.order(operation, **of("pi_1", 3_000, 10_000)) for operation in operations]

    committed = await at_once(desk, database_url, orders)

    assert [answer.alone for answer in committed].count(True) == 3
    assert [answer.problem is None for answer in committed].count(True) == 3
    held = [await desk.rows(operation) for operation in operations]
    assert sum(row.amount_minor for rows in held for row in rows) == 9_000


async def test_of_the_same_order_at_once_one_is_carried_out(desk: Desk, database_url: str) -> None:
    operation = await desk.operation()

    committed = await at_once(desk, database_url, [desk.order(operation, 50_000)] * 10)

    assert committed == [CommitmentResult(alone=True)] * 10
    assert len(await desk.rows(operation)) == len(await desk.events(operation)) == 1


# --- Lines of an invoice ------------------------------------------------------------------------------------


def credited_line(amount: int, *noted: str) -> LineToCredit:
    """Of USD 100.00; each of `noted` is an operation whose note is in Stripe, voided by now."""
    return LineToCredit(
        line="il_1",
        name="Seats",
        amount=usd(amount),
        billed=usd(10_000),
        credits=tuple(LineCredit(operation=one, amount=0) for one in noted),
    )


@pytest.mark.parametrize(("state", "closed_at"), [("running", None), ("completed", NOW)])
async def test_what_another_credit_holds_of_a_line_is_seen_though_stripe_was_read_before_it_was_given(
    desk: Desk, state: str, closed_at: Any
) -> None:
    line = CreditedLine(
        line="il_1", description="Seats", quantity=None, amount=usd(7_000), discount=usd(0), tax=usd(0)
    )
    subject = CreditSubject(
        customer="cus_1",
        instrument="credit_note",
        invoice="in_1",
        invoice_number="A-1",
        amount=usd(7_000),
        reduces_due=usd(7_000),
        to_balance=usd(0),
        lines=(line,),
        reason="order_change",
        note="One seat too many.",
    )
    other = a_credit_operation(desk.acme, subject=subject.document(), state=state, closed_at=closed_at)
    about = OperationObject(object_id="in_1", operation_id=other.id, organization_id=desk.acme.id)
    await store(desk.database, other, about, a_commitment(other, 7_000))
    mine = await desk.operation(kind=Kind.CREDIT.value)

    def order(line: LineToCredit) -> Commit:
        return desk.order(mine, line.amount.amount_minor, invoice="in_1", lines=(line,))

    room = Commitments(desk.database).check_room
    assert await room(order(credited_line(3_000)))
    assert not await room(order(credited_line(3_001)))
    refused = await desk.commit(order(credited_line(3_001)))
    assert refused.problem is not None
    assert (refused.problem.code, other.id in refused.problem.message) == ("credit_line_too_large", True)
    assert await room(order(credited_line(10_000, other.id)))
