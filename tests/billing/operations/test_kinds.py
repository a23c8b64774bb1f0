"""The table of kinds is whole, and so is what each reviewed kind needs beside it."""

from billing.approvals.subject_changes import COMPARED
from billing.core.operations import Kind
from billing.operations.kinds import GIVE_MONEY, KINDS, ON_REQUEST


def test_each_kind_of_operation_begins_with_an_event_of_its_own() -> None:
    assert KINDS.keys() == set(Kind)
    assert len({facts.begins_with for facts in KINDS.values()}) == len(Kind)


def test_no_two_kinds_have_one_name() -> None:
    assert len({kind.noun for kind in Kind}) == len(Kind)


def test_whatever_gives_money_was_asked_for() -> None:
    assert set(GIVE_MONEY) <= set(ON_REQUEST)


def test_what_is_asked_for_can_be_compared_with_its_last_round() -> None:
    assert COMPARED.keys() == set(ON_REQUEST)
