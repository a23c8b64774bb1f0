"""A decision's mark: made with a key, of all that it says, and by nobody who has only the database."""

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from billing.approvals.marks import UNMARKED, DecisionMarks
from billing.core.keys import Keys

OLD, NEW = b"1" * 32, b"2" * 32


@dataclass(frozen=True)
class Taken:
    approval_id: str = "apr_1-1"
    organization_id: str = "org_1"
    person_id: str = "per_1"
    decision: str = "approve"
    comment: str | None = None
    subject_hash: str = "5" * 64
    decided_at: datetime = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
    for_person: str | None = None


MARKS = DecisionMarks.of(Keys("new", {"new": NEW, "old": OLD}))


def test_a_mark_holds_for_the_decision_that_it_was_made_for() -> None:
    assert MARKS.holds(Taken(), MARKS.mark(Taken()))
    assert MARKS.mark(Taken()).startswith("new:")


@pytest.mark.parametrize("field", [field.name for field in fields(Taken)])
def test_it_holds_for_no_other(field: str) -> None:
    other = {"decided_at": Taken().decided_at + timedelta(microseconds=1)}.get(field, "another")
    assert not MARKS.holds(replace(Taken(), **{field: other}), MARKS.mark(Taken()))


@pytest.mark.parametrize("mark", ["", "new:", "new:00", "unknown:00", "new", "old:" + "0" * 64])
def test_what_is_no_mark_does_not_hold(mark: str) -> None:
    assert not MARKS.holds(Taken(), mark)


def test_a_mark_of_an_older_key_holds_until_that_is_dropped() -> None:
    mark = DecisionMarks.of(Keys("old", {"old": OLD})).mark(Taken())
    assert MARKS.holds(Taken(), mark)
    assert not DecisionMarks.of(Keys("new", {"new": NEW})).holds(Taken(), mark)


def test_a_key_itself_makes_no_mark() -> None:
    assert not MARKS.holds(Taken(), DecisionMarks(Keys("new", {"new": NEW})).mark(Taken()))


def test_what_was_decided_before_there_were_keys_holds_while_that_is_allowed() -> None:
    turning_on = DecisionMarks.of(Keys("new", {"new": NEW}, plain=True))
    assert turning_on.holds(Taken(), "")
    assert not turning_on.holds(Taken(), "new:00")


def test_without_keys_there_are_no_marks() -> None:
    assert (UNMARKED.mark(Taken()), UNMARKED.holds(Taken(), "")) == ("", True)
