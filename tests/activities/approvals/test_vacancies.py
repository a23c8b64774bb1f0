"""Rungs that nobody can answer, and whom the others ask: people and delegations as they are then."""

from datetime import timedelta
from typing import Any

from billing.approvals.messages import OpenedApproval
from billing.core.operations import Role
from billing.mail.messages import MailRequest
from billing.policy.policy import LadderStep
from db.core.session import Database

from ...support.builders import NOW, Member, member, store
from ...support.money_rows import a_delegation
from ...support.told import named
from ..reviewing import LADDER, LATER, Review
from .test_approvals import new_york

FINANCE = LadderStep(roles=(Role.FINANCE,), respond_within=480)
BOTH = LadderStep(roles=(Role.CONTROLLER, Role.LEGAL), respond_within=480, needs="all")


async def leave(database: Database, *members: Member) -> None:
    async with database.transaction() as session:
        for one in members:
            one.person.active = False
            session.add(one.person)


async def told(review: Review) -> list[str]:
    return [named(event) for event in await review.events()]


def asked(mail: MailRequest) -> tuple[Any, ...]:
    """Whom it is for: roles, people, and who is left out."""
    return mail.roles, mail.people, mail.excluding


def states(opened: OpenedApproval) -> list[str]:
    return [rung.state for rung in opened.rungs]


# --- The first, one in the middle, the last ---------------------------------------------------------------


async def test_without_a_controller_legal_is_asked_at_once(review: Review) -> None:
    await leave(review.database, review.acme.controller)

    opened = await review.opened()

    assert (opened.rung, states(opened)) == (1, ["vacant", "active"])
    assert (await review.mail()).context.why
    assert opened.rungs[1].deadline == new_york(3, 10)
    row = await review.row()
    assert (row.rung, row.deadline) == (1, new_york(3, 10))
    assert await told(review) == ["review_requested", "rung_vacant_any_asked legal"]


async def test_opening_again_finds_the_rung_that_is_open_and_tells_nothing_new(review: Review) -> None:
    await leave(review.database, review.acme.controller)
    first = await review.opened()
    await member(review.database, review.acme.organization, [Role.CONTROLLER])

    again = await review.opened(at=LATER)

    assert (again.rungs, again.rung) == (first.rungs, 1)
    assert len(await review.events()) == 2


async def test_a_rung_whose_people_left_meanwhile_is_passed_over_when_its_turn_comes(review: Review) -> None:
    await review.open(ladder=(*LADDER, FINANCE))
    await leave(review.database, review.acme.legal)

    climbed = await review.climb(at=new_york(3, 10))
    again = await review.climb(at=new_york(3, 11))

    assert (climbed.rung, states(climbed)) == (2, ["passed", "vacant", "active"])
    assert climbed.rungs[2].deadline == new_york(4, 10)
    assert (again.rung, again.rungs) == (climbed.rung, climbed.rungs)
    assert await told(review) == [
        "review_requested",
        "rung_vacant_any_asked finance",
        "escalated",
    ]
    assert (await review.events())[-1].detail["to"] == ["finance"]


async def test_the_last_rung_stays_open_although_nobody_holds_it(review: Review) -> None:
    await leave(review.database, review.acme.controller, review.acme.legal)

    opened = await review.opened()

    assert (opened.rung, states(opened)) == (1, ["vacant", "vacant"])
    assert (await review.row()).deadline == new_york(3, 10)
    assert await told(review) == [
        "review_requested",
        "rung_vacant_any_asked legal",
        "rung_vacant_last",
    ]


async def test_who_comes_into_a_vacant_role_may_decide(review: Review) -> None:
    await leave(review.database, review.acme.controller, review.acme.legal)
    await review.open()
    new = await member(review.database, review.acme.organization, [Role.CONTROLLER])

    settled = await review.decide(new)

    assert settled.outcome is not None
    assert settled.outcome.state == "approved"


async def test_a_rung_that_only_the_requester_could_answer_is_passed_over(review: Review) -> None:
    both = await member(review.database, review.acme.organization, [Role.BILLING_ADMIN, Role.CONTROLLER])
    await leave(review.database, review.acme.controller)

    await review.open(requested_by=both.id)

    assert (await told(review))[-1] == "rung_vacant_any_asked legal"
    assert (await review.events())[-1].detail["why"]


async def test_a_rung_is_not_vacant_while_somebody_acts_for_its_holder(review: Review) -> None:
    await store(review.database, a_delegation(review.acme.controller.person, review.acme.finance.person))
    lent = await review.opened()

    assert lent.rung == 0
    assert (await review.mail()).people == (review.acme.finance.id,)


async def test_somebody_of_each_role_must_be_there(review: Review) -> None:
    await leave(review.database, review.acme.legal)

    opened = await review.opened(ladder=(BOTH, FINANCE))

    assert opened.rung == 1
    assert (await told(review))[-1] == "rung_vacant_any_asked finance"


async def test_two_are_asked_where_one_could_not_be(review: Review) -> None:
    await leave(review.database, review.acme.finance)

    await review.open(ladder=(FINANCE, BOTH))

    assert (await told(review))[-1] == "rung_vacant_all_asked controller legal"


# --- Whom it asks ------------------------------------------------------------------------------------------


async def test_the_requester_and_who_acts_for_them_are_not_asked(review: Review) -> None:
    acme = review.acme
    await store(review.database, a_delegation(acme.admin.person, acme.controller.person))
    await member(review.database, acme.organization, [Role.CONTROLLER])

    await review.open()

    assert asked(await review.mail()) == (
        (Role.CONTROLLER,),
        (),
        tuple(sorted([acme.admin.id, acme.controller.id])),
    )


async def test_reminders_go_to_who_is_still_to_approve(review: Review) -> None:
    acme = review.acme
    await store(review.database, a_delegation(acme.legal.person, acme.finance.person))
    await review.open(ladder=(BOTH,))
    before = await review.remind()
    await review.decide(acme.controller)

    after = await review.remind(number=1)

    assert asked(before) == ((Role.CONTROLLER, Role.LEGAL), (acme.finance.id,), (acme.admin.id,))
    assert asked(after) == (
        (Role.LEGAL,),
        (acme.finance.id,),
        tuple(sorted([acme.admin.id, acme.controller.id])),
    )


async def test_a_reminder_knows_who_has_come_to_act_for_somebody_since(review: Review) -> None:
    await review.open()
    lent = a_delegation(review.acme.controller.person, review.acme.finance.person, starts_at=LATER)
    await store(review.database, lent)

    assert (await review.mail()).people == ()
    assert (await review.remind()).people == (review.acme.finance.id,)


async def test_what_was_decided_meanwhile_asks_nobody_else(review: Review) -> None:
    await review.open()
    await review.decide(review.acme.controller)

    climbed = await review.climb(at=NOW + timedelta(days=1))

    assert climbed.rung == 0
