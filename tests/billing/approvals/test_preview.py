"""Who would be asked: by the rules by which they are."""

from billing.approvals.authorship import Author
from billing.approvals.deciders import ApproverPool, Deciders, DelegatedRole
from billing.approvals.ladder import open_rung
from billing.approvals.preview import preview_review

from .test_ladder import FRIDAY_NOON, LADDER
from .test_progress import ALL, MORE, held_against


def preview(rungs=LADDER, people=MORE, acting=(), authority=None, author="ada"):
    asked = [Author(person=author, at=FRIDAY_NOON, how="asked")]
    deciders = Deciders(ApproverPool(people, acting), "", asked)
    opening = open_rung(
        rungs, 0, FRIDAY_NOON, rebuilt=lambda start: rungs[start:], why_vacant=deciders.why_vacant
    )
    return preview_review(opening, deciders, authority)


def named(rung):
    return [(one.person, one.role, one.for_person) for one in rung.people]


def test_each_rung_names_whoever_holds_a_role_of_it_once():
    found = preview()
    assert found.first == 0
    assert [named(rung) for rung in found.rungs] == [
        [("both", "controller", None), ("cleo", "controller", None), ("cody", "controller", None)],
        [("both", "legal", None), ("lee", "legal", None), ("lou", "legal", None)],
    ]
    assert [rung.vacant for rung in found.rungs] == [None, None]
    assert all(one.why_not is None for rung in found.rungs for one in rung.people)


def test_neither_the_requester_nor_who_acts_for_them_is_named_and_a_delegate_is_as_such():
    acting = (DelegatedRole("cleo", "dan"), DelegatedRole("cody", "lou"))
    found = preview(acting=acting, author="cody")
    assert named(found.rungs[0]) == [
        ("both", "controller", None),
        ("cleo", "controller", None),
        ("dan", "controller", "cleo"),
    ]
    assert named(found.rungs[1]) == [("both", "legal", None), ("lee", "legal", None)]


def test_a_rung_that_nobody_could_answer_is_passed_over_and_says_why():
    people = {person: roles for person, roles in MORE.items() if "controller" not in roles}
    found = preview(people=people)
    assert found.first == 1
    assert (found.rungs[0].rung.state, found.rungs[0].people) == ("vacant", ())
    assert found.rungs[0].vacant == "nobody holds controller"
    assert found.rungs[1].rung.state == "active"


def test_whose_authority_is_too_small_is_named_with_the_reason():
    found = preview(authority=held_against(60_000))
    small = {one.person: one.why_not for one in found.rungs[0].people}
    assert small["cleo"].startswith("USD 600.00 exceeds the authority of a controller")
    assert all(one.why_not is None for one in found.rungs[1].people if one.person in ("lee", "lou"))


def test_where_somebody_of_each_role_is_asked_all_of_them_are_named():
    assert [person for person, *_ in named(preview(rungs=ALL).rungs[0])] == [
        *("both", "cleo", "cody", "lee", "lou")
    ]
