"""Who may decide, and as what: roles of their own, roles that were lent, and who may have no say."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.approvals.authorship import Author
from billing.approvals.deciders import ApproverPool, Capacity, Deciders, DelegatedRole
from billing.approvals.ladder import Rung, Signature
from billing.core.operations import Role

NOON = datetime(2026, 4, 17, 16, tzinfo=UTC)
PEOPLE = {
    "ada": (Role.BILLING_ADMIN,),
    "cleo": (Role.CONTROLLER,),
    "lee": (Role.LEGAL,),
    "dan": (Role.FINANCE,),
    "both": (Role.CONTROLLER, Role.LEGAL),
}


def deciders(*acting, people=PEOPLE, requester="ada"):
    return Deciders(ApproverPool(people, acting), "apr_1", [asked_by(requester)])


def asked_by(person, how="asked"):
    return Author(person=person, at=NOON, how=how)


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
    assert deciders(DelegatedRole("lee", "cleo")).capacities("cleo") == (
        Capacity("cleo", Role.CONTROLLER),
        Capacity("cleo", Role.LEGAL, "lee"),
    )


@pytest.mark.parametrize(
    ("delegation", "roles"),
    [
        (DelegatedRole("both", "dan"), [Role.FINANCE, Role.CONTROLLER, Role.LEGAL]),
        (DelegatedRole("both", "dan", role=Role.LEGAL), [Role.FINANCE, Role.LEGAL]),
        (DelegatedRole("both", "dan", role=Role.AUDITOR), [Role.FINANCE]),
        (DelegatedRole("both", "dan", approval="apr_1"), [Role.FINANCE, Role.CONTROLLER, Role.LEGAL]),
        (DelegatedRole("both", "dan", approval="apr_2"), [Role.FINANCE]),
        (DelegatedRole("gone", "dan"), [Role.FINANCE]),
        (DelegatedRole("dan", "dan"), [Role.FINANCE]),
    ],
    ids=["all roles", "one role", "not held", "this approval", "another approval", "has left", "oneself"],
)
def test_a_delegate_has_what_the_delegator_has_and_lends(delegation, roles):
    assert [one.role for one in deciders(delegation).capacities("dan")] == roles


def test_whose_role_it_is_is_the_delegator():
    assert Capacity("dan", Role.LEGAL, "lee").principal == "lee"
    assert Capacity("dan", Role.FINANCE).principal == "dan"


def test_delegation_is_not_transitive():
    chain = deciders(DelegatedRole("cleo", "dan"), DelegatedRole("dan", "lee"))
    assert {one.role for one in chain.capacities("lee")} == {Role.LEGAL, Role.FINANCE}


def test_who_has_left_decides_nothing_not_even_for_others():
    assert deciders(DelegatedRole("cleo", "gone")).capacities("gone") == ()


# --- No say --------------------------------------------------------------------------------------------


def test_the_requester_has_no_say_not_even_for_somebody_else():
    own = deciders(DelegatedRole("cleo", "both"), requester="both")
    assert own.capacities("both") == ()
    assert own.refusal("both").code == "own_request"


def test_who_acts_for_the_requester_in_any_matter_has_no_say():
    standing = deciders(DelegatedRole("ada", "cleo", approval="apr_2"), DelegatedRole("lee", "cleo"))
    assert standing.capacities("cleo") == ()
    assert standing.refusal("cleo").code == "requesters_delegate"


def test_nobody_decides_for_the_requester_nor_for_who_acts_for_the_requester():
    standing = deciders(DelegatedRole("both", "cleo"), DelegatedRole("cleo", "dan"), requester="both")
    assert standing.capacities("dan") == (Capacity("dan", Role.FINANCE),)


@pytest.mark.parametrize(
    ("until", "refusal"),
    [
        (NOON - timedelta(seconds=1), None),
        (NOON, None),
        (NOON + timedelta(seconds=1), "requesters_delegate"),
    ],
    ids=["over before", "over when they asked", "revoked afterwards"],
)
def test_who_acted_for_the_requester_has_a_say_again_in_what_they_ask_later(until, refusal):
    acted = ApproverPool(PEOPLE, past_delegations=[DelegatedRole("ada", "cleo", until=until)])
    found = Deciders(acted, "apr_1", [asked_by("ada")]).refusal("cleo")
    assert (found.code if found else None) == refusal


def test_whoever_shaped_any_part_of_it_has_no_say_and_neither_has_who_acts_for_them():
    authors = [asked_by("ada"), asked_by("cleo", "revised"), asked_by("ada", "revised")]
    standing = Deciders(ApproverPool(PEOPLE, [DelegatedRole("cleo", "lee")]), "apr_1", authors)
    assert {person: standing.refusal(person) and standing.refusal(person).code for person in PEOPLE} == {
        "ada": "own_request",
        "cleo": "own_request",
        "lee": "requesters_delegate",
        "dan": None,
        "both": None,
    }
    assert standing.refusal("ada").message == "Requesters can't decide on their own requests."
    assert standing.refusal("cleo").message == "People can't decide on requests that they revised."
    assert {one.person for one in standing.holding(Role.CONTROLLER)} == {"both"}


def test_an_auditor_decides_nothing_in_whatever_role_and_lends_none():
    people = PEOPLE | {"eve": (Role.AUDITOR, Role.CONTROLLER)}
    standing = deciders(DelegatedRole("lee", "eve"), DelegatedRole("eve", "dan"), people=people)
    assert standing.capacities("eve") == ()
    assert standing.refusal("eve").code == "wrong_role"
    assert standing.capacities("dan") == (Capacity("dan", Role.FINANCE),)


# --- Trying again --------------------------------------------------------------------------------------


def to_retry(person, *yeses, spent=(), acting=(), authors=("ada",)):
    standing = Deciders(ApproverPool(PEOPLE, acting), "", [asked_by(one) for one in authors])
    refusal = standing.refusal_to_retry(asked_by(person, "retried"), yeses, spent)
    return refusal and refusal.code


def test_what_was_approved_is_not_tried_again_by_who_approved_it():
    yes = signed("cleo", Role.CONTROLLER)
    assert to_retry("cleo", yes, spent=["cleo"]) == "own_approval"
    assert to_retry("ada", yes, spent=["cleo"]) is None
    assert to_retry("both", yes, spent=["cleo"]) is None


def test_nor_by_those_for_whom_it_was_approved_or_whose_delegate_did():
    yes = signed("dan", Role.CONTROLLER, for_person="cleo")
    assert to_retry("cleo", yes, spent=["cleo"]) == "own_approval"
    assert to_retry("dan", yes, spent=["cleo"]) == "own_approval"
    own = signed("cleo", Role.CONTROLLER)
    assert to_retry("both", own, spent=["cleo"], acting=[DelegatedRole("both", "cleo")]) == "own_approval"


def test_one_of_two_who_approved_is_enough_to_refuse():
    both = [signed("cleo", Role.CONTROLLER), signed("lee", Role.LEGAL)]
    assert [to_retry(who, *both, spent=["lee"]) for who in ("cleo", "lee", "both")] == [
        "own_approval",
        "own_approval",
        None,
    ]


def test_what_went_out_on_ones_own_authority_is_tried_again_by_that_person_alone():
    assert to_retry("ada", spent=["ada"]) is None
    assert to_retry("both", spent=["ada"]) == "others_authority"
    # A round that was approved before, of something else, changes nothing in that.
    assert to_retry("both", signed("cleo", Role.CONTROLLER), spent=["ada"]) == "others_authority"


def test_who_became_a_requesters_delegate_after_approving_bars_nobody_from_trying_again():
    yes = signed("cleo", Role.CONTROLLER)
    assert to_retry("ada", yes, spent=["cleo"], acting=[DelegatedRole("ada", "cleo")]) is None


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
    standing = deciders(DelegatedRole("ada", "cleo"), people=only("ada", "cleo"))
    assert standing.why_vacant(ONE) == "nobody else holds controller"


def test_a_delegate_fills_a_rung_whose_holder_lent_them_the_role():
    both = deciders(DelegatedRole("both", "dan", role=Role.LEGAL), people=only("ada", "both", "dan"))
    assert both.why_vacant(a_rung(Role.LEGAL)) is None
    # Of two roles of one person, their delegate gives only one: it is the same person's word twice.
    assert both.why_vacant(BOTH) == "one person alone holds controller and legal"


def test_what_is_signed_need_not_be_held_any_more():
    assert deciders(people=only("ada", "lee")).why_vacant(BOTH, [signed("cleo", Role.CONTROLLER)]) is None


# --- Whom to tell --------------------------------------------------------------------------------------


def test_who_acts_for_somebody_who_is_asked_is_asked_too():
    standing = deciders(DelegatedRole("cleo", "dan"), DelegatedRole("lee", "ada"))
    assert standing.delegates(EITHER) == ("dan",)


def test_who_has_signed_is_not_asked_again():
    standing = deciders(DelegatedRole("cleo", "dan"), DelegatedRole("lee", "dan"))
    assert standing.delegates(BOTH, [signed("cleo", Role.CONTROLLER)]) == ("dan",)
    assert standing.delegates(BOTH, [signed("dan", Role.CONTROLLER, "cleo")]) == ()
