"""What is done to Stripe once: agreed, carried out, read back. What is not as agreed waits for a person."""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.messages import AcceptAsInStripe
    from billing.core.notices import NoticeKind
    from billing.core.operations import Problem, State
    from billing.mail.messages import MailContext
    from billing.money.credit import CreditSubject
    from billing.money.credit_report import CreditResult
    from billing.money.waiver import WaiverSubject
    from billing.money.waiver_report import WaiverResult
    from billing.operations.questions import Question
    from billing.operations.standing import Standing

from ..approvals.review import Review
from ..core.commands import PendingCommands
from ..core.effects import OperationEffects
from ..core.lifecycle import OperationRun
from ..core.outcome import Outcome, outcome_of
from ..core.recorder import OperationRecorder
from .proposals import MoneyProposal

Subject = TypeVar("Subject", bound=CreditSubject | WaiverSubject)
Agreed = TypeVar("Agreed", bound=CreditSubject | WaiverSubject, contravariant=True)


class Issue(Protocol[Agreed]):
    """How it is done in Stripe, and what is found there afterwards."""

    @property
    def report(self) -> CreditResult | WaiverResult: ...

    async def issue(self, subject: Agreed) -> None:
        """At most once. Raises OperationEnded when Stripe refused it: nothing was done."""

    async def verify(self) -> Problem | None:
        """Reads it back; None when it is as agreed and carries its note."""

    async def verify_note(self) -> Problem | None:
        """None when Stripe has every note that our records have."""


class DoneEvents(NamedTuple):
    """What the timeline says when it is done, and when it is not as agreed, of which Finance has a notice."""

    done: EventCode
    differs: EventCode
    notice: NoticeKind


class DoneOnce(Generic[Subject]):
    def __init__(
        self,
        recorder: OperationRecorder,
        effects: OperationEffects,
        commands: PendingCommands[Any, AcceptAsInStripe],
        review: Review[MoneyProposal[Subject]],
        issue: Issue[Subject],
        events: DoneEvents,
        kept: Callable[[Standing], Subject],
    ) -> None:
        """`kept` reads what an earlier run had agreed on."""
        self._recorder, self._effects, self._commands = recorder, effects, commands
        self._review, self._issue, self._events, self._kept = review, issue, events, kept
        self._subject: Subject  # once it is approved
        self._mismatches = 0

    async def run(self) -> str:
        """To its end, from wherever an earlier run has left it; the state in which it has ended."""
        async with OperationRun(self._recorder, self._effects, self._commands) as run:
            standing = await run.begin()
            if standing.closed_at is not None:
                return standing.state.value
            outcome = await outcome_of(self._carry_out(standing))
            while run.leaves_doubt(outcome):
                outcome = await outcome_of(self._resolve(outcome.why))
            return await run.end(outcome)

    async def _carry_out(self, standing: Standing) -> Outcome:
        self._subject = await self._approved(standing)
        self._commands.cancel.close()
        await self._issue.issue(self._subject)
        problem = await self._issue.verify()
        if problem is not None:
            return await self._resolve(problem)
        return Outcome(State.COMPLETED, self._events.done, result=self._issue.report)

    async def _approved(self, standing: Standing) -> Subject:
        """What is within somebody's authority or approved, in this run or an earlier one."""
        if not standing.begun:
            return (await self._review.agree(standing)).subject
        self._mismatches = standing.asked_before(Question.MISMATCH)
        return self._kept(standing)

    async def _resolve(self, problem: Problem) -> Outcome:
        """What is not as agreed waits for a person, who takes it as Stripe has it."""
        self._mismatches += 1
        accepted = await self._ask_what_next(problem, self._mismatches)
        unnoted = await self._issue.verify_note()
        said = {"accepted_by": accepted.person, "comment": accepted.comment, "note_problem": unnoted}
        return Outcome(
            State.COMPLETED,
            EventCode.ACCEPTED_AS_IN_STRIPE,
            result=self._issue.report.model_copy(update=said),
            person=accepted.person,
            comment=accepted.comment,
        )

    async def _ask_what_next(self, problem: Problem, number: int) -> AcceptAsInStripe:
        asked = Question.MISMATCH.key(number)
        subject, report = self._subject, self._issue.report
        await self._recorder.record_progress(
            asked,
            self._events.differs,
            state=State.MISMATCHED,
            stage=Question.MISMATCH.stage,
            result=report,
            error=problem,
            allowed_actions=("accept",),
            detail=problem.model_dump(),
            notice=self._recorder.notice(
                self._events.notice, subject, number, result=report, problem=problem
            ),
        )
        context = MailContext(state=State.MISMATCHED, subject=subject, result=report, problem=problem)
        self._recorder.mail_requester(asked, "money_ended", context)
        return await self._commands.resolve.answer_to(number)
