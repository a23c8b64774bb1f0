"""What Stripe made of a plan change: verified as approved, or resolved by a person."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.notices import NoticeKind
    from billing.core.operations import Problem, State
    from billing.core.questions import Question
    from billing.core.standing import Standing
    from billing.mail.messages import MailContext
    from billing.plan_changes.messages import Resolve, Revise
    from billing.plan_changes.report import (
        PlanChangeResult,
        applied_report,
        mismatch_problem,
        unread_problem,
        unread_report,
    )
    from billing.plan_changes.stripe_params import revert_params
    from billing.plan_changes.subject import PlanChangeSubject, verify
    from billing.stripe.effects import effect_key

from ..core.commands import PendingCommands
from ..core.effects import OperationEffects
from ..core.outcome import OperationEnded, Outcome
from ..core.recorder import OperationRecorder
from .reads import PlanChangeReads


class PlanChangeVerification:
    """The part of a plan change after Stripe was asked to change something: nothing here is a failure.

    verify ── as approved ── completed
       └ other lines, or none that can be read ── resolve: a person accepts, reverts, reads again
    """

    _subject: PlanChangeSubject  # what `expect` is given

    def __init__(
        self,
        recorder: OperationRecorder,
        effects: OperationEffects,
        reads: PlanChangeReads,
        commands: PendingCommands[Revise, Resolve],
    ) -> None:
        self._recorder, self._effects, self._reads, self._commands = recorder, effects, reads, commands
        self._report: PlanChangeResult | None = None
        self._asked = self._reverts = 0
        self._reverted_before = False

    def expect(self, subject: PlanChangeSubject, standing: Standing) -> None:
        """What Stripe is to hold; goes on where an earlier run was."""
        self._subject = subject
        self._asked = standing.last(Question.MISMATCH)
        if standing.stage == "mismatched":
            self._asked -= 1  # the same question once more
        self._reverts = standing.version("revert")
        self._reverted_before = self._reverts > 0

    async def verify(self) -> Outcome:
        """What Stripe now holds is matched with what was approved; Finance gets the final figures."""
        if self._reverted_before:
            self._reverted_before = False
            self._reverts -= 1
            await self._revert()
            return Outcome(State.CANCELLED, EventCode.REVERTED)
        return await self._read()

    async def resolve(self, problem: Problem) -> Outcome:
        """Stripe holds other lines than those approved, or nobody knows which: a person says what holds."""
        report = self._report
        if report is None:
            report, problem = unread_report(self._subject), unread_problem(problem)
            # Not the figures, but that there may be some.
            await self._flag_finance(report.model_copy(update={"problem": problem}))
        resolve = await self._ask(report, problem)
        if resolve.action == "read_again":
            self._report = None
            return await self._read()
        if resolve.action == "accept":
            state, event, by = State.COMPLETED, EventCode.ACCEPTED_AS_IN_STRIPE, "accepted_by"
        else:
            await self._revert(resolve)
            state, event, by = State.CANCELLED, EventCode.REVERTED, "reverted_by"
        result = report.model_copy(update={by: resolve.person, "comment": resolve.comment})
        return Outcome(state, event, result=result, person=resolve.person, comment=resolve.comment)

    async def _read(self) -> Outcome:
        subject = self._subject
        if subject.effective == "period_end":
            found = await self._reads.renewal(subject)
        else:
            key = effect_key(self._recorder.organization, self._recorder.operation, "apply", 1)
            found = await self._reads.result(subject, key)
        checked = verify(subject, found.lines)
        self._report = applied_report(subject, found, checked)
        await self._flag_finance(self._report)
        if checked.ok:
            return Outcome(State.COMPLETED, EventCode.VERIFIED, result=self._report)
        return await self.resolve(mismatch_problem(checked))

    async def _ask(self, report: PlanChangeResult, problem: Problem) -> Resolve:
        self._commands.cancel.close()
        self._asked += 1
        asked = Question.MISMATCH.key(self._asked)
        await self._recorder.record_progress(
            asked,
            EventCode.LINES_DIFFER if report.differences else EventCode.OUTCOME_UNKNOWN,
            state=State.MISMATCHED,
            stage="mismatched",
            result=report,
            error=problem,
            allowed_actions=("accept", "revert", "read_again"),
            detail={
                "differences": report.document()["differences"],
                "problem": problem.model_dump(),
            },
        )
        context = MailContext(state=State.MISMATCHED, subject=self._subject, result=report, problem=problem)
        self._recorder.mail_requester(asked, "plan_change_ended", context)
        return await self._commands.resolve.answer_to(self._asked)

    async def _revert(self, resolve: Resolve | None = None) -> None:
        """Back to the former plan. Raises OperationEnded where Stripe refuses: the change is there still."""
        self._reverts += 1
        if resolve is not None:
            await self._recorder.record_progress(
                f"reverting:{self._reverts}",
                EventCode.REVERTING,
                actor=resolve.person,
                state=State.RUNNING,
                stage="reverting",
                allowed_actions=(),
            )
        subject = self._subject
        facts = await self._reads.facts()
        params = revert_params(subject, facts.period_start)
        reverted = await self._effects.perform(
            "revert", "subscription.update", subject.subscription, params, self._reverts
        )
        if reverted.outcome == "refused":
            ended = Outcome(State.FAILED, EventCode.REVERT_REFUSED, reverted.problem)
            raise OperationEnded(ended)

    async def _flag_finance(self, report: PlanChangeResult) -> None:
        """Once for each reading: what could not be read may be read later, and differ."""
        number = self._asked + 1
        await self._recorder.flag_finance(
            NoticeKind.PLAN_CHANGE_APPLIED, self._subject, number, result=report
        )
