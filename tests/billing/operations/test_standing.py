"""Where a run takes up what an earlier one asked."""

from billing.core.operations import State
from billing.operations.questions import Question
from billing.operations.standing import Standing


def test_a_question_that_still_waits_is_asked_once_more_under_its_number() -> None:
    asked = ("requested", "mismatch:1", "mismatch:2")
    waits = Standing(state=State.MISMATCHED, stage="mismatched", keys=asked)
    answered = Standing(state=State.RUNNING, stage="reverting", keys=asked)

    assert (waits.asks(Question.MISMATCH), waits.asked_before(Question.MISMATCH)) == (True, 1)
    assert (answered.asks(Question.MISMATCH), answered.asked_before(Question.MISMATCH)) == (False, 2)


def test_a_question_that_was_never_asked_has_no_number() -> None:
    fresh = Standing(state=State.ACCEPTED, stage="accepted", keys=("requested",))

    assert fresh.asked_before(Question.FAILURE) == 0
