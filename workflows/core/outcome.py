"""How an operation ends, and what may go wrong on the way."""

import asyncio
from collections.abc import Awaitable
from dataclasses import KW_ONLY, dataclass
from typing import Self, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from billing.approvals.notice_messages import NoticeInput
    from billing.core.events import EventCode
    from billing.core.messages import Cancel
    from billing.core.operations import Problem, State
    from billing.evidence.event_words import words
    from billing.operations.payloads import OperationResult

TROUBLE = (ActivityError, ChildWorkflowError, ApplicationError)
"""What a step may raise that is no bug: what went wrong, by `problem_of`."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome:
    """How an operation ends.

    `person` is who brought the end about, with what comment; nobody did when it is None. With `keeps`
    only the money of these payments stays set aside; without, all of it does when it was completed, and none
    otherwise. A failure is `settled` when a person has said so, or nothing can come of it any more. Finance
    gets the `notice` with it.
    """

    state: State
    event: EventCode
    problem: Problem | None = None
    _: KW_ONLY
    result: OperationResult | None = None
    person: str | None = None
    comment: str | None = None
    keeps: tuple[str, ...] | None = None
    settled: bool = False
    notice: NoticeInput | None = None

    @property
    def releases(self) -> bool:
        """Whether money that was set aside is free again."""
        return self.keeps is not None or self.state is not State.COMPLETED

    @property
    def why(self) -> Problem:
        """What went wrong, of a failure."""
        return self.problem or Problem(code="failed", message=f"{words(self.event)}.")

    @classmethod
    def cancelled(cls, cancel: Cancel | None) -> Self:
        """What a cancellation leads to."""
        if cancel is None:
            return cls(State.CANCELLED, EventCode.CANCELLED)
        return cls(State.CANCELLED, EventCode.CANCELLED, person=cancel.person, comment=cancel.comment)


class OperationEnded(Exception):
    """Raised where an operation ends early."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.event)
        self.outcome = outcome


async def outcome_of(step: Awaitable[Result]) -> Result | Outcome:
    """What a step returns; how the operation ends where the step ended it early or was given up."""
    try:
        return await step
    except OperationEnded as early:
        return early.outcome
    except TROUBLE as error:
        return Outcome(State.FAILED, EventCode.GIVEN_UP, problem_of(error))


def problem_of(error: ActivityError | ChildWorkflowError | ApplicationError) -> Problem:
    """Why a step was given up, for the admin. Raises CancelledError where that is why."""
    if is_cancelled_exception(error):
        raise asyncio.CancelledError from error
    cause = error if isinstance(error, ApplicationError) else error.cause
    if isinstance(cause, ApplicationError):
        return Problem(code=cause.type or "failed", message=cause.message)
    return Problem(code="gave_up", message="Stripe or the database could not be reached for days.")


def refusal_of(error: ActivityError | ChildWorkflowError | ApplicationError) -> Problem | None:
    """Why a step is refused, however often it is tried; None of one that only can't be done at present.
    Raises CancelledError as `problem_of` does."""
    problem = problem_of(error)
    cause = error if isinstance(error, ApplicationError) else error.cause
    return problem if isinstance(cause, ApplicationError) and cause.non_retryable else None


def refused(problem: Problem) -> ApplicationError:
    """An update's refusal, by which its sender learns the code."""
    return ApplicationError(problem.message, type=problem.code, non_retryable=True)
