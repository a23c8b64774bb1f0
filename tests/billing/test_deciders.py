"""Who may decide, and as what: roles of their own, roles that were lent, and who may have no say."""

from datetime import UTC, datetime

import pytest

from billing.approval import Rung, Signature
from billing.deciders import ActsFor, Bench, Capacity, Deciders
from billing.operations import Role

NOON = datetime(2026, 4, 17, 16, tzinfo=UTC)
PEOPLE = {
    "ada": (Role.BILLING_ADMIN,),
    "cleo": (Role.CONTROLLER,),
    "lee": (Role.LEGAL,),
    "dan": (Role.FINANCE,),
    "both": (Role.CONTROLLER, Role.LEGAL),
}


def deciders(*acting, people=PEOPLE, requester="ada"):
    return Deciders(Bench(people, acting), "apr_1", requester)


def only(*names):
    return {name: PEOPLE[name] for name in names}


def a_rung(*roles, needs="any"):
    return Rung(roles=roles, opens_at=NOON, remind_at=(), deadline=NOON, state="active", needs=needs)


def signed(person, role, for_person=None):
    return Signature(person=person, role=role, at=NOON, for_person=for_person)


ONE = a_rung(Role.CONTROLLER)
EITHER = a_rung(Role.CONTROLLER, Role.LEGAL)
BOTH = a_rung(Role.CONTROLLER, Role.LEGAL, needs="all")


# --- As what -------------------------------------------------------------------------------------------


def test_somebody_decides_in_their_own_roles_first_and_then_in_those_lent_to_them():
    assert deciders(ActsFor("lee", "cleo")).capacities("cleo") == (
        Capacity("cleo", Role.CONTROLLER),
        Capacity("cleo", Role.LEGAL, "lee"),
    )


@pytest.mark.parametrize(
    ("delegation", "roles"),
    [
        (ActsFor("both", "dan"), [Role.FINANCE, Role.CONTROLLER, Role.LEGAL]),
        (ActsFor("both", "dan", role=Role.LEGAL), [Role.FINANCE, Role.LEGAL]),
        (ActsFor("both", "dan", role=Role.AUDITOR), [Role.FINANCE]),
        (ActsFor("both", "dan", approval="apr_1"), [Role.FINANCE, Role.CONTROLLER, Role.LEGAL]),
        (ActsFor("both", "dan", approval="apr_2"), [Role.FINANCE]),
        (ActsFor("gone", "dan"), [Role.FINANCE]),
        (ActsFor("dan", "dan"), [Role.FINANCE]),
    ],
    ids=["all roles", "one role", "not held", "this approval", "another approval", "has left", "oneself"],
)
def test_a_delegate_has_what_the_delegator_has_and_lends(delegation, roles):
    assert [one.role for one in deciders(delegation).capacities("dan")] == roles


def test_whose_role_it_is_is_the_delegator():
    assert Capacity("dan", Role.LEGAL, "lee").principal == "lee"
    assert Capacity("dan", Role.FINANCE).principal == "dan"


def test_delegation_is_not_transitive():
    chain = deciders(ActsFor("cleo", "dan"), ActsFor("dan", "lee"))
    assert {one.role for one in chain.capacities("lee")} == {Role.LEGAL, Role.FINANCE}


def test_who_has_left_decides_nothing_not_even_for_others():
    assert deciders(ActsFor("cleo", "gone")).capacities("gone") == ()


# --- No say --------------------------------------------------------------------------------------------


def test_the_requester_has_no_say_not_even_for_somebody_else():
    own = deciders(ActsFor("cleo", "both"), requester="both")
    assert own.capacities("both") == ()
    assert own.refusal("both").code == "own_request"


def test_who_acts_for_the_requester_in_any_matter_has_no_say():
    standing = deciders(ActsFor("ada", "cleo", approval="apr_2"), ActsFor("lee", "cleo"))
    assert standing.capacities("cleo") == ()
    assert standing.refusal("cleo").code == "requesters_delegate"


def test_nobody_decides_for_the_requester_nor_for_who_acts_for_the_requester():
    standing = deciders(ActsFor("both", "cleo"), ActsFor("cleo", "dan"), requester="both")
    assert standing.capacities("dan") == (Capacity("dan", Role.FINANCE),)


def test_who_acted_for_the_requester_once_has_a_say_again():
    assert deciders().refusal("cleo") is None


# --- Vacancy -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rung", "people", "why"),
    [
        (ONE, only("ada", "cleo"), None),
        (ONE, only("ada", "lee"), "nobody holds controller"),
        (EITHER, only("ada", "lee"), None),
        (EITHER, only("ada", "dan"), "nobody holds controller or legal"),
        (BOTH, only("ada", "cleo", "lee"), None),
        (BOTH, only("ada", "cleo"), "nobody holds legal"),
        (BOTH, only("ada", "both"), "one person alone holds controller and legal"),
        (BOTH, only("ada", "both", "cleo"), None),
    ],
)
def test_a_rung_is_vacant_when_nobody_can_give_what_it_takes(rung, people, why):
    assert deciders(people=people).why_vacant(rung) == why


def test_a_rung_that_only_the_requester_could_answer_is_vacant():
    assert deciders(people=only("cleo"), requester="cleo").why_vacant(ONE) == "nobody else holds controller"


def test_a_rung_that_only_the_requesters_delegate_could_answer_is_vacant():
    standing = deciders(ActsFor("ada", "cleo"), people=only("ada", "cleo"))
    assert standing.why_vacant(ONE) == "nobody else holds controller"


def test_a_delegate_fills_a_rung_whose_holder_lent_them_the_role():
    both = deciders(ActsFor("both", "dan", role=Role.LEGAL), people=only("ada", "both", "dan"))
    assert both.why_vacant(a_rung(Role.LEGAL)) is None
    # Of two roles of one person, their delegate gives only one: it is the same person's word twice.
    assert both.why_vacant(BOTH) == "one person alone holds controller and legal"


def test_what_is_signed_need_not_be_held_any_more():
    assert deciders(people=only("ada", "lee")).why_vacant(BOTH, [signed("cleo", Role.CONTROLLER)]) is None


# --- Whom to tell --------------------------------------------------------------------------------------


def test_who_acts_for_somebody_who_is_asked_is_asked_too():
    standing = deciders(ActsFor("cleo", "dan"), ActsFor("lee", "ada"))
    assert standing.acting(EITHER) == ("dan",)


def test_who_has_signed_is_not_asked_again():
    standing = deciders(ActsFor("cleo", "dan"), ActsFor("lee", "dan"))
    assert standing.acting(BOTH, [signed("cleo", Role.CONTROLLER)]) == ("dan",)
    assert standing.acting(BOTH, [signed("dan", Role.CONTROLLER, "cleo")]) == ()
