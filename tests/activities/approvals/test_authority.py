"""Approving money: whose authority covers it, counted in the same transaction as the decision."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from billing.core.money import Money
from billing.core.operations import Kind, Role
from billing.policy.policy import AuthorityLimit
from db.core.session import Database
from db.money import commitments
from db.tables import Commitment

from ...support.builders import NOW, Member, an_operation, member, store
from ...support.money_rows import a_commitment, a_delegation
from ..reviewing import LATER, Review, Settled
from .test_vacancies import BOTH


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


LIMITS = {
    Role.CONTROLLER: (AuthorityLimit(per_item=usd(10_000), window_days=30, window_total=usd(15_000)),),
    Role.LEGAL: (
        AuthorityLimit(
            per_item=usd(90_000), window_days=30, window_total=usd(100_000), customer_total=usd(95_000)
        ),
    ),
}


async def ask(review: Review, amount: int = 8_000, **asked: Any) -> None:
    """Opens the review of money that is set aside for the operation."""
    await store(review.database, a_commitment(review.operation, amount, kind="refund", customer_id="cus_1"))
    given = {
        "amount": usd(amount),
        "authority": LIMITS,
        "customer": "cus_1",
        "counted": (Kind.REFUND, Kind.CREDIT),
    }
    await review.open(**given | asked)


async def spent(review: Review, who: Member, amount: int, **fields: Any) -> None:
    """Something else that counts in a person's authority."""
    operation = an_operation(review.acme, kind=fields.get("kind", "refund"), closed_at=NOW)
    given = {"authority_of": who.id, "decided_at": NOW - timedelta(days=1)} | fields
    await store(review.database, operation, a_commitment(operation, amount, **given))


async def committed(review: Review) -> Commitment:
    async with review.database.reading() as session:
        [row] = await commitments.of_operation(session, review.operation.id)
    return row


def code(settled: Settled) -> str | None:
    return settled.refusal.code if settled.refusal else None


async def test_an_approval_within_authority_is_counted_with_it(review: Review) -> None:
    await ask(review)

    settled = await review.decide(review.acme.controller)

    assert settled.outcome is not None
    row = await committed(review)
    assert (row.authority_of, row.decided_at) == (review.acme.controller.id, LATER)
    assert (await review.events())[-1].detail["authority_of"] == review.acme.controller.id


async def test_beyond_their_authority_nobody_approves_and_learns_who_may(review: Review) -> None:
    await ask(review, 50_000)

    settled = await review.decide(review.acme.controller)

    assert settled.refusal is not None
    assert settled.refusal.code == "authority_too_small"
    for told in ("USD 500.00", "controller", "USD 100.00", "Legal", "2026-03-03 15:00 UTC"):
        assert told in settled.refusal.message
    assert (await committed(review)).decided_at is None
    assert (await review.row()).state == "open"


@pytest.mark.parametrize("decision", ["reject", "request_changes"])
async def test_to_say_no_takes_no_authority_and_counts_nothing(review: Review, decision: str) -> None:
    await ask(review, 50_000)

    settled = await review.decide(review.acme.controller, decision=decision, comment="Why?")

    assert settled.outcome is not None
    assert (await committed(review)).decided_at is None


@pytest.mark.parametrize(
    ("other", "refused"),
    [
        ({}, "authority_too_small"),
        ({"kind": "credit"}, "authority_too_small"),
        ({"kind": "plan_change"}, None),
        ({"currency": "eur"}, None),
        ({"decided_at": NOW - timedelta(days=31)}, None),
        ({"released_at": NOW}, None),
        ({"authority_of": None, "decided_at": None}, None),
    ],
    ids=["refund", "credit", "another kind", "another currency", "long ago", "came to nothing", "undecided"],
)
async def test_what_was_given_before_counts_in_the_window(
    review: Review, other: dict[str, Any], refused: str | None
) -> None:
    await spent(review, review.acme.controller, 8_000, **other)
    await ask(review)

    assert code(await review.decide(review.acme.controller)) == refused


async def test_a_window_that_was_used_up_since_the_request_no_longer_covers_it(review: Review) -> None:
    await ask(review)
    decision = await review.decision(review.acme.controller)
    await spent(review, review.acme.controller, 8_000)

    assert code(await review.settle(decision)) == "authority_too_small"


async def test_what_the_customer_got_from_others_counts_too(review: Review) -> None:
    await spent(review, review.acme.admin, 20_000, customer_id="cus_1")
    await ask(review, 80_000)
    await review.climb()

    refusal = (await review.decide(review.acme.legal)).refusal

    assert refusal is not None
    assert "with USD 200.00 to the customer in the last 30 days" in refusal.message


async def test_a_delegate_uses_up_the_delegators_authority(review: Review) -> None:
    acme = review.acme
    await store(review.database, a_delegation(acme.controller.person, acme.finance.person))
    await ask(review)

    await review.decide(acme.finance)

    assert (await committed(review)).authority_of == acme.controller.id


async def test_of_those_who_approve_together_the_one_whose_authority_covers_it_is_counted(
    review: Review,
) -> None:
    await ask(review, 50_000, ladder=(BOTH,))
    first = await review.decide(review.acme.legal)
    between = await committed(review)

    second = await review.decide(review.acme.controller)

    assert (first, between.decided_at) == (Settled(), None)
    assert second.outcome is not None
    assert (await committed(review)).authority_of == review.acme.legal.id


async def test_the_last_of_several_is_refused_when_nobodys_authority_covers_it(review: Review) -> None:
    await spent(review, review.acme.legal, 60_000)
    await ask(review, 50_000, ladder=(BOTH,))
    await review.decide(review.acme.legal)

    refused = await review.decide(review.acme.controller)

    assert code(refused) == "authority_too_small"
    other = await member(review.database, review.acme.organization, [Role.LEGAL])
    await review.decide(other)
    done = await review.decide(review.acme.controller)
    assert done.outcome is not None
    assert (await committed(review)).authority_of == other.id


async def test_two_approvals_at_the_same_moment_do_not_both_fit_the_same_window(
    review: Review, database: Database
) -> None:
    await ask(review, 9_000)
    operation = an_operation(review.acme, kind="refund")
    await store(database, operation)
    twin = Review(database, review.acme, operation)
    await ask(twin, 9_000)
    worker = Database(database.url)  # another process
    mine = await review.decision(review.acme.controller)
    theirs = await twin.decision(review.acme.controller)

    settled = await asyncio.gather(review.settle(mine), twin.settle(theirs, database=worker))
    await worker.dispose()

    assert sorted(map(code, settled), key=str) == [None, "authority_too_small"]
