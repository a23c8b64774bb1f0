"""An approver's authority: looked at when they decide, and used up by what they approve."""

from asyncio import gather
from datetime import UTC, datetime
from typing import Any

import pytest

from billing.core.money import Money
from billing.core.operations import Role
from billing.policy.policy import AuthorityLimit
from db.money import commitments
from db.tables import Commitment, Operation

from ...support.builders import Tenant, an_operation, store
from ...support.house import House
from ...support.money_rows import a_commitment
from ..conftest import ON_BOTH_DATABASES
from .escalating import BOTH, CONTROLLER, LEGAL, Review, a_review

pytestmark = pytest.mark.slow


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


def limit(per_item: int, window: int) -> tuple[AuthorityLimit, ...]:
    return (AuthorityLimit(per_item=usd(per_item), window_days=30, window_total=usd(window)),)


AUTHORITY = {Role.CONTROLLER: limit(10_000, 15_000), Role.LEGAL: limit(90_000, 100_000)}


async def of_money(home: House, acme: Tenant, amount: int, *ladder: Any) -> Review:
    """A review of an amount that is set aside for its operation."""

    def set_aside(operation: Operation) -> list[Commitment]:
        return [a_commitment(operation, amount, customer_id="cus_1")]

    return await a_review(
        home,
        acme,
        *ladder,
        amount=usd(amount),
        authority=AUTHORITY,
        customer="cus_1",
        counted=("refund", "credit"),
        set_aside=set_aside,
    )


async def counted_in(review: Review) -> str | None:
    async with review.home.database.reading() as session:
        [row] = await commitments.of_operation(session, review.operation.id)
    return row.authority_of


async def test_what_the_controller_may_not_approve_legal_may_once_it_is_asked(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await of_money(home, acme, 50_000, CONTROLLER, LEGAL)
    seen = await review.shown(acme.controller)
    refused = await review.decide(acme.controller)
    await home.skip_past(seen["deadline"])
    await review.reached(1)
    approved = await review.decide(acme.legal)

    assert (refused.status_code, refused.json()["code"]) == (403, "authority_too_small")
    assert not seen["can_decide"]
    assert approved.status_code == 200, approved.text
    assert await counted_in(review) == acme.legal.id


@ON_BOTH_DATABASES
async def test_a_window_that_is_used_up_between_the_opening_and_the_decision_does_not_cover_it(
    home: House,
) -> None:
    acme = await home.shop.tenant(home.database)
    review = await of_money(home, acme, 8_000, CONTROLLER)
    before = await review.shown(acme.controller)
    other = an_operation(acme, kind="credit")
    used = a_commitment(other, 9_000, authority_of=acme.controller.id, decided_at=datetime.now(UTC))
    await store(home.database, other, used)
    refused = await review.decide(acme.controller)

    assert before["can_decide"] is True
    assert (refused.status_code, refused.json()["code"]) == (403, "authority_too_small")
    assert await counted_in(review) is None


@ON_BOTH_DATABASES
async def test_of_two_approvals_that_fit_the_window_only_singly_one_is_refused(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    reviews = [await of_money(home, acme, 9_000, CONTROLLER) for _ in range(2)]
    answers = await gather(*(review.decide(acme.controller) for review in reviews))

    assert sorted(answer.status_code for answer in answers) == [200, 403]
    assert sorted([await counted_in(review) for review in reviews], key=str) == sorted(
        [acme.controller.id, None], key=str
    )


async def test_a_delegate_approves_within_the_delegators_authority(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await of_money(home, acme, 8_000, CONTROLLER)
    await review.delegate(acme.controller, acme.finance)
    answer = await review.decide(acme.finance)

    assert answer.status_code == 200, answer.text
    assert await counted_in(review) == acme.controller.id


async def test_both_approve_what_is_within_the_authority_of_one(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    review = await of_money(home, acme, 50_000, BOTH)
    await review.decide(acme.legal)
    await review.decide(acme.controller)

    assert (await review.handle.result()).state == "approved"
    assert await counted_in(review) == acme.legal.id
