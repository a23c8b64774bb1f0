"""What is done to Stripe once: agreed, carried out, read back. What is not as agreed waits for a person, who
can take it as Stripe has it and nothing else."""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.cancellations.cancellation import CancellationSubject
    from billing.cancellations.report import CancellationResult
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

from .commands import PendingCommands
from .effects import OperationEffects
from .lifecycle import OperationRun
from .outcome import Outcome, outcome_of
from .recorder import OperationRecorder

AnySubject = CreditSubject | WaiverSubject | CancellationSubject
Subject = TypeVar("Subject", bound=AnySubject)
Agreed = TypeVar("Agreed", bound=AnySubject, contravariant=True)
Found = TypeVar("Found", bound=AnySubject, covariant=True)


WAITS_TO_ACCEPT = "It is not in Stripe as agreed: waits for somebody to accept what is there."


class Execution(Protocol[Agreed]):
    """How it is done in Stripe, and what is found there afterwards."""

    @property
    def report(self) -> CreditResult | WaiverResult | CancellationResult: ...

    async def carry_out(self, subject: Agreed, standing: Standing) -> Outcome | Problem:
        """At most once, and read back; why it is not as agreed, or carries no note.

        Raises OperationEnded when Stripe refused it: nothing was done.
        """

    async def verify_note(self) -> Problem | None:
        """None when Stripe has every note that our records have."""


class Agreement(Protocol[Found]):
    """What people have agreed to."""

    @property
    def subject(self) -> Found: ...


class PriorReview(Protocol[Found]):
    """The review before it."""

    async def agree(self, standing: Standing) -> Agreement[Found]: ...


class MismatchTold(NamedTuple):
    """What the timeline says when it is not as agreed, of which Finance has a notice and the requester a
    mail."""

    event: EventCode
    notice: NoticeKind
    template: str


class DoneOnce(Generic[Subject]):
    def __init__(
        self,
        recorder: OperationRecorder,
        effects: OperationEffects,
        commands: PendingCommands[Any, AcceptAsInStripe],
        review: PriorReview[Subject],
        execution: Execution[Subject],
        told: MismatchTold,
        kept: Callable[[Standing], Subject],
    ) -> None:
        """`kept` reads what an earlier run had agreed on."""
        self._recorder, self._effects, self._commands = recorder, effects, commands
        self._review, self._execution, self._told, self._kept = review, execution, told, kept
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
        came = await self._execution.carry_out(self._subject, standing)
        return await self._resolve(came) if isinstance(came, Problem) else came

    async def _approved(self, standing: Standing) -> Subject:
        """What is within somebody's authority or approved, in this run or an earlier one."""
        if not standing.begun:
            return (await self._review.agree(standing)).subject
        self._mismatches = standing.asked_before(Question.MISMATCH)
        return self._kept(standing)

    async def _resolve(self, problem: Problem) -> Outcome:
        self._mismatches += 1
        accepted = await self._ask(problem, self._mismatches)
        unnoted = await self._execution.verify_note()
        said = {"accepted_by": accepted.person, "comment": accepted.comment, "note_problem": unnoted}
        return Outcome(
            State.COMPLETED,
            EventCode.ACCEPTED_AS_IN_STRIPE,
            result=self._execution.report.model_copy(update=said),
            person=accepted.person,
            comment=accepted.comment,
        )

    async def _ask(self, problem: Problem, number: int) -> AcceptAsInStripe:
        asked = Question.MISMATCH.key(number)
        subject, report, told = self._subject, self._execution.report, self._told
        context = MailContext(state=State.MISMATCHED, subject=subject, result=report, problem=problem)
        await self._recorder.record_progress(
            asked,
            told.event,
            state=State.MISMATCHED,
            stage=Question.MISMATCH.stage,
            result=report,
            error=problem,
            allowed_actions=("accept",),
            detail=problem.model_dump(),
            notice=self._recorder.notice(told.notice, subject, number, result=report, problem=problem),
            mails=(self._recorder.to_requester(asked, told.template, context),),
        )
        return await self._commands.resolve.answer_to(number, WAITS_TO_ACCEPT)
