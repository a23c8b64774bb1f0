"""A yes: by whom, as what, what it still takes, and in whose authority it counts."""

import pytest

from billing.approvals.authorship import Author
from billing.approvals.deciders import ApproverPool, Capacity, Deciders, DelegatedRole
from billing.approvals.ladder import Refusal, build_ladder
from billing.approvals.progress import ApprovalProgress, Authority, YesResult, evaluate_approval, may_decide
from billing.core.money import Money
from billing.core.operations import Role
from billing.money.authority import AuthorityUse
from billing.policy.policy import AuthorityLimit, LadderStep

from .test_deciders import PEOPLE, signed
from .test_ladder import ALWAYS, FRIDAY_NOON, LADDER

C, L, F = Role.CONTROLLER, Role.LEGAL, Role.FINANCE
MORE = PEOPLE | {"cody": (C,), "lou": (L,), "eve": (Role.AUDITOR,)}


def usd(amount_minor):
    return Money(amount_minor=amount_minor, currency="usd")


def ladder(*steps):
    return build_ladder(
        [LadderStep(roles=roles, respond_within=480, needs=needs) for needs, *roles in steps],
        ALWAYS,
        FRIDAY_NOON,
    )


ALL = ladder(("all", C, L))
"""One rung that asks somebody of each."""


def case(*signatures, rungs=LADDER, rung=0, acting=(), people=MORE):
    return ApprovalProgress(
        Deciders(ApproverPool(people, acting), "apr_1", [Author(person="ada", at=FRIDAY_NOON, how="asked")]),
        rungs,
        rung,
        signatures,
    )


def code(answer):
    return answer.code if isinstance(answer, Refusal) else None


# --- Who ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "rung", "refused"),
    [
        ("cleo", 0, None),
        ("cleo", 1, None),
        ("lee", 0, "wrong_role"),
        ("lee", 1, None),
        ("both", 0, None),
        ("dan", 1, "wrong_role"),
        ("eve", 1, "wrong_role"),
        ("ada", 1, "own_request"),
        ("nobody", 1, "wrong_role"),
    ],
)
def test_roles_of_the_rungs_that_were_reached_decide(person, rung, refused):
    assert code(may_decide(case(rung=rung), person)) == refused
    assert code(evaluate_approval(case(rung=rung), person)) == refused


def test_a_later_rung_is_told_from_when_it_may_decide():
    refusal = may_decide(case(), "lee")
    assert refusal.message == "Legal can decide from 2026-04-20 16:00 UTC, a controller now."


def test_others_are_told_who_may():
    assert may_decide(case(rung=1), "dan").message == "Only a controller or Legal can decide."


def test_a_delegate_decides_for_the_delegator():
    lent = case(acting=[DelegatedRole("cleo", "dan")])
    assert evaluate_approval(lent, "dan") == YesResult(Capacity("dan", C, "cleo"), approved=True)


def test_a_delegate_of_the_requester_is_refused_as_such():
    assert (
        code(evaluate_approval(case(acting=[DelegatedRole("ada", "cleo")]), "cleo")) == "requesters_delegate"
    )


def test_own_roles_come_before_lent_ones_and_higher_rungs_before_lower():
    acting = [DelegatedRole("lou", "cleo")]
    assert [one.role for one in case(rung=1, acting=acting).options("cleo")] == [C, L]
    assert [one.role for one in case(rung=1).options("both")] == [L, C]


# --- Somebody of each --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"), [(("cleo", C), ("lee", L)), (("lee", L), ("cleo", C))], ids=["c, l", "l, c"]
)
def test_somebody_of_each_role_approves_in_either_order(first, second):
    (one, role), (other, last) = first, second
    assert evaluate_approval(case(rungs=ALL), one) == YesResult(Capacity(one, role), False, missing=(last,))
    both = evaluate_approval(case(signed(one, role), rungs=ALL), other)
    assert both == YesResult(Capacity(other, last), approved=True)


def test_nobody_approves_twice_whatever_roles_they_have():
    refusal = evaluate_approval(case(signed("both", C), rungs=ALL), "both")
    assert (refusal.code, refusal.message) == (
        "already_decided",
        "You have already approved it; it still needs Legal.",
    )


def test_a_second_one_of_the_same_role_adds_nothing():
    refusal = evaluate_approval(case(signed("cleo", C), rungs=ALL), "cody")
    assert (refusal.code, refusal.message) == (
        "already_decided",
        "A controller has already approved it; it still needs Legal.",
    )


def test_who_has_both_roles_gives_the_one_that_is_missing():
    assert evaluate_approval(case(signed("cleo", C), rungs=ALL), "both") == YesResult(
        Capacity("both", L), approved=True
    )


def test_a_delegate_and_the_delegator_are_one_person():
    lent = [DelegatedRole("both", "dan", role=L)]
    assert (
        code(evaluate_approval(case(signed("both", C), rungs=ALL, acting=lent), "dan")) == "already_decided"
    )
    assert (
        code(evaluate_approval(case(signed("dan", L, "both"), rungs=ALL, acting=lent), "both"))
        == "already_decided"
    )


def test_who_acts_for_two_gives_only_one_approval():
    lent = [DelegatedRole("cleo", "dan"), DelegatedRole("lee", "dan")]
    assert evaluate_approval(case(rungs=ALL, acting=lent), "dan").missing == (L,)
    assert (
        code(evaluate_approval(case(signed("dan", C, "cleo"), rungs=ALL, acting=lent), "dan"))
        == "already_decided"
    )


def test_a_lent_role_counts_where_the_own_one_is_there_already():
    lent = [DelegatedRole("lee", "cody")]
    assert evaluate_approval(case(signed("cleo", C), rungs=ALL, acting=lent), "cody") == YesResult(
        Capacity("cody", L, "lee"), approved=True
    )


def test_any_rung_that_was_reached_will_do():
    rungs = ladder(("all", C, L), ("any", F))
    assert evaluate_approval(case(signed("cleo", C), rungs=rungs, rung=1), "lee").approved
    assert evaluate_approval(case(signed("cleo", C), rungs=rungs, rung=1), "dan").approved
    assert evaluate_approval(case(rungs=rungs, rung=1), "cleo").missing == (L,)


# --- Authority ---------------------------------------------------------------------------------------------


LIMITS = {
    C: [AuthorityLimit(per_item=usd(10_000), window_days=30, window_total=usd(15_000))],
    L: [AuthorityLimit(per_item=usd(90_000), window_days=30, window_total=usd(100_000))],
}


def held_against(amount, limits=LIMITS, **used):
    uses = {
        person: {30: AuthorityUse(by_person=usd(used.get(person, 0)), to_customer=usd(0))} for person in MORE
    }
    return Authority(usd(amount), limits, uses)


@pytest.mark.parametrize(
    ("amount", "used", "person", "rung", "refused"),
    [
        (10_000, 5_000, "cleo", 0, None),
        (10_001, 0, "cleo", 0, "authority_too_small"),
        (10_000, 5_001, "cleo", 0, "authority_too_small"),
        (50_000, 0, "both", 0, "authority_too_small"),
        (50_000, 0, "both", 1, None),
        (50_000, 0, "lee", 0, "wrong_role"),
    ],
    ids=["within", "item too large", "window full", "by a later role", "once it is asked", "too early"],
)
def test_an_amount_needs_the_authority_of_a_role_that_is_asked(amount, used, person, rung, refused):
    assert code(evaluate_approval(case(rung=rung), person, held_against(amount, **{person: used}))) == refused


def test_a_role_without_an_authority_approves_no_amount():
    refusal = evaluate_approval(case(), "cleo", held_against(1, limits={}))
    assert refusal.code == "authority_too_small"
    assert "No one on the ladder has enough authority." in refusal.message


def test_whoever_is_refused_learns_why_and_who_may():
    assert evaluate_approval(case(), "cleo", held_against(50_000)).message == (
        "USD 500.00 exceeds the authority of a controller: USD 500.00 is more than USD 100.00 for one item. "
        "It requires Legal from 2026-04-20 16:00 UTC."
    )
    assert evaluate_approval(case(rung=1), "cleo", held_against(9_000, cleo=9_000)).message == (
        "USD 90.00 exceeds the authority of a controller: with USD 90.00 in the last 30 days it is more than "
        "USD 150.00 in all. It requires a controller or Legal with enough authority left in their window."
    )


def test_to_reject_takes_no_authority():
    assert may_decide(case(), "cleo") is None


def test_a_delegate_uses_the_delegators_authority_and_not_their_own():
    lent = case(acting=[DelegatedRole("cleo", "dan")])
    assert evaluate_approval(lent, "dan", held_against(9_000, dan=90_000)).authority_of == "cleo"
    assert code(evaluate_approval(lent, "dan", held_against(9_000, cleo=9_000))) == "authority_too_small"


def test_who_has_used_up_their_own_authority_may_still_use_what_was_lent():
    lent = case(acting=[DelegatedRole("cody", "cleo")])
    answer = evaluate_approval(lent, "cleo", held_against(9_000, cleo=9_000))
    assert (answer.capacity, answer.authority_of) == (Capacity("cleo", C, "cody"), "cody")


def test_of_those_who_approve_together_one_needs_the_authority():
    first = evaluate_approval(case(rungs=ALL), "cleo", held_against(50_000))
    assert (first.approved, first.missing) == (False, (L,))
    second = evaluate_approval(case(signed("cleo", C), rungs=ALL), "lee", held_against(50_000))
    assert (second.approved, second.authority_of) == (True, "lee")
    other_way = evaluate_approval(case(signed("lee", L), rungs=ALL), "cleo", held_against(50_000))
    assert (other_way.approved, other_way.authority_of) == (True, "lee")


def test_whoever_completes_it_counts_where_both_have_the_authority():
    assert (
        evaluate_approval(case(signed("lee", L), rungs=ALL), "cleo", held_against(5_000)).authority_of
        == "cleo"
    )


def test_the_last_signature_is_refused_when_nobodys_authority_covers_the_amount():
    full = held_against(50_000, lee=90_000)
    assert code(evaluate_approval(case(signed("lee", L), rungs=ALL), "cleo", full)) == "authority_too_small"
    # Another one of the same role may bring what is missing.
    fresh = evaluate_approval(case(signed("lee", L), rungs=ALL), "lou", full)
    assert (fresh.approved, fresh.missing) == (False, (C,))
    done = evaluate_approval(case(signed("lee", L), signed("lou", L), rungs=ALL), "cleo", full)
    assert (done.approved, done.authority_of) == (True, "lou")


def test_a_signature_that_is_too_small_for_one_rung_counts_on_another():
    rungs = ladder(("any", C), ("all", C, L))
    first = evaluate_approval(case(rungs=rungs, rung=1), "cleo", held_against(50_000))
    assert (first.approved, first.missing) == (False, (L,))


def test_whose_authority_matters_is_looked_up_for_them_alone():
    lent = case(signed("lee", L), rungs=ALL, acting=[DelegatedRole("cleo", "dan")])
    assert lent.concerned("dan") == {"lee", "cleo"}


def test_the_window_of_another_length_is_its_own():
    limits = {C: [AuthorityLimit(per_item=usd(10), window_days=7, window_total=usd(10))]}
    uses = {"cleo": {7: AuthorityUse(by_person=usd(1), to_customer=usd(0))}}
    assert code(evaluate_approval(case(), "cleo", Authority(usd(10), limits, uses))) == "authority_too_small"
