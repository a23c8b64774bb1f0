"""What Stripe made of a plan change: verified as approved, or resolved by a person."""

from collections.abc import Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.approvals.notice_messages import NoticeInput
    from billing.core.events import EventCode
    from billing.core.notices import NoticeKind
    from billing.core.operations import Problem, State
    from billing.mail.messages import MailContext
    from billing.operations.questions import Question
    from billing.operations.standing import Standing
    from billing.plan_changes.messages import Resolve, Revise
    from billing.plan_changes.proration import OtherDifference
    from billing.plan_changes.report import (
        PlanChangeResult,
        applied_report,
        mismatch_problem,
        now_as_approved_problem,
        preview_detail,
        unread_problem,
        unread_report,
    )
    from billing.plan_changes.revert import (
        revert_detail,
        revert_report,
        still_as_shown,
        unread_revert_problem,
        with_revert,
    )
    from billing.plan_changes.stripe_params import apply_params
    from billing.plan_changes.subject import PlanChangeSubject
    from billing.plan_changes.verification import verify
    from billing.stripe.effects import EffectOutcome, effect_key

from ..core.commands import PendingCommands
from ..core.effects import OperationEffects
from ..core.outcome import TROUBLE, OperationEnded, Outcome, problem_of
from ..core.recorder import OperationRecorder
from .payment import PlanChangePayment
from .reads import PlanChangeReads

REVERTING = "reverting"


class PlanChangeVerification:
    """The part of a plan change after Stripe was asked to change something: nothing here is a failure.

    verify ── as approved ── completed
       └ something else, or nothing that can be read ── resolve: a person accepts, reverts, reads again

    What a revert would bring is shown with the question, and read from Stripe once it is done.
    """

    _subject: PlanChangeSubject  # what `expect` is given

    def __init__(
        self,
        recorder: OperationRecorder,
        effects: OperationEffects,
        reads: PlanChangeReads,
        glances: PlanChangeReads,
        commands: PendingCommands[Revise, Resolve],
        payment: PlanChangePayment,
    ) -> None:
        """`glances` are reads that nobody waits for."""
        self._recorder, self._effects, self._commands = recorder, effects, commands
        self._reads, self._glances, self._payment = reads, glances, payment
        self._report: PlanChangeResult | None = None
        self._unforeseen: Sequence[OtherDifference] = ()
        self._untold: NoticeInput | None = None
        """The final figures as they were last read, until a step brings them to Finance."""
        self._asked = self._reverts = 0
        self._reverted_before: PlanChangeResult | None = None

    def expect(self, subject: PlanChangeSubject, standing: Standing) -> None:
        """What Stripe is to hold; goes on where an earlier run was."""
        self._subject = subject
        self._payment.expect(subject, standing)
        self._asked = standing.asked_before(Question.MISMATCH)
        self._reverts = standing.version("revert")
        if standing.stage == REVERTING and self._is_to_be_reverted(standing.last(Question.MISMATCH)):
            self._asked = standing.last(Question.MISMATCH) - 1
        if self._reverts > 0 and standing.result is not None:
            self._reverted_before = PlanChangeResult.model_validate(standing.result)

    async def verify(self, unforeseen: Sequence[OtherDifference] = ()) -> Outcome:
        """What Stripe now holds is matched with what was approved, once that is paid; Finance gets the final
        figures. A change that Stripe has dropped meanwhile ends so.

        What was `unforeseen` of a change at the end of the period differs in any case.
        """
        self._unforeseen = unforeseen
        report, self._reverted_before = self._reverted_before, None
        if report is not None and report.revert is not None:
            return await self._revert(report)
        return await self._read()

    async def resolve(self, problem: Problem) -> Outcome:
        """Stripe holds other lines than those approved, or nobody knows which: a person says what holds."""
        report = self._report
        if report is None:
            report, problem = unread_report(self._subject), unread_problem(problem)
            # Not the figures, but that there may be some.
            self._untold = self._final_figures(report.model_copy(update={"problem": problem}))
        resolve, report = await self._agreed(report, problem)
        if resolve.action == "read_again":
            self._report = None
            return await self._read()
        if resolve.action == "revert":
            return await self._revert(report, resolve)
        answered = {"accepted_by": resolve.person, "comment": resolve.comment}
        return Outcome(
            State.COMPLETED,
            EventCode.ACCEPTED_AS_IN_STRIPE,
            result=report.model_copy(update={**answered, "revert": None, "irrevertible": None}),
            person=resolve.person,
            comment=resolve.comment,
        )

    async def _agreed(self, report: PlanChangeResult, problem: Problem) -> tuple[Resolve, PlanChangeResult]:
        """What a person makes of it; a revert only as it was shown, or it is shown anew and asked again."""
        revert = await self._glances.revert(self._subject)
        while True:
            shown, why = (None, revert) if isinstance(revert, Problem) else (revert, None)
            report = report.model_copy(update={"revert": shown, "irrevertible": why})
            resolve = await self._ask(report, with_revert(problem, revert))
            if resolve.action != "revert":
                return resolve, report
            await self._recorder.record_progress(
                f"reverting:{self._asked}",
                EventCode.REVERTING,
                actor=resolve.person,
                state=State.RUNNING,
                stage=REVERTING,
                allowed_actions=(),
            )
            revert = await self._reads.revert(self._subject, shown)
            if still_as_shown(shown, revert):
                return resolve, report

    def _is_to_be_reverted(self, question: int) -> bool:
        """Whether an earlier run was answered so, and has not come to ask Stripe for it."""
        return self._reverts < question and self._commands.resolve.is_answered(question)

    async def _read(self) -> Outcome:
        subject, unpaid = self._subject, None
        if subject.effective == "period_end":
            found = await self._reads.renewal(subject)
        else:
            if subject.charged_at_once:
                settled = await self._payment.settled()
                if isinstance(settled, Outcome):
                    return settled
                unpaid = settled
            self._commands.cancel.close()
            key = effect_key(self._recorder.organization, self._recorder.operation, "apply", 1)
            own = self._payment.invoice
            found = self._payment.lines or await self._reads.result(subject, key, own, is_own=own is not None)
        checked = verify(subject, found, self._unforeseen)
        problem = unpaid if checked.ok else mismatch_problem(checked)
        report = applied_report(subject, found, checked, unpaid)
        self._report, self._untold = report, self._final_figures(report)
        if problem is None and not self._commands.resolve.is_answered(self._asked + 1):
            return Outcome(State.COMPLETED, EventCode.VERIFIED, result=report, notice=self._untold)
        return await self.resolve(problem or now_as_approved_problem())

    async def _ask(self, report: PlanChangeResult, problem: Problem) -> Resolve:
        self._commands.cancel.close()
        self._asked += 1
        asked = Question.MISMATCH.key(self._asked)
        context = MailContext(state=State.MISMATCHED, subject=self._subject, result=report, problem=problem)
        await self._recorder.record_progress(
            asked,
            _differing(report),
            state=State.MISMATCHED,
            stage=Question.MISMATCH.stage,
            result=report,
            error=problem,
            allowed_actions=("accept", "revert", "read_again"),
            detail={
                "differences": report.document()["differences"],
                "problem": problem.model_dump(),
            }
            | ({"revert": preview_detail(report.revert)} if report.revert else {}),
            notice=self._untold,
            mails=(self._recorder.to_requester(asked, "plan_change_ended", context),),
        )
        self._untold = None
        what = "Stripe has something else than was approved: waits for somebody to accept or revert it."
        return await self._commands.resolve.answer_to(self._asked, what)

    async def _revert(self, report: PlanChangeResult, resolve: Resolve | None = None) -> Outcome:
        """Back to the previous plan, and what that left there; without `resolve` an earlier run has begun it.

        Raises OperationEnded where Stripe refuses: the change is there still.
        """
        revert = report.revert
        assert revert is not None, "it was shown"
        if resolve is not None:
            self._reverts = self._asked  # each answer leads to one try
            answered = {"reverted_by": resolve.person, "comment": resolve.comment}
            report = report.model_copy(update=answered)
        performed = await self._effects.perform(
            "revert",
            "subscription.update",
            report.subscription,
            apply_params(revert),
            self._reverts,
        )
        if performed.outcome == "refused":
            ended = Outcome(State.FAILED, EventCode.REVERT_REFUSED, performed.problem)
            raise OperationEnded(ended)
        report = await self._read_revert(report, revert, performed)
        return Outcome(
            State.CANCELLED,
            EventCode.REVERTED,
            result=report,
            person=resolve.person if resolve else None,
            comment=report.comment,
        )

    async def _read_revert(
        self, report: PlanChangeResult, revert: PlanChangeSubject, performed: EffectOutcome
    ) -> PlanChangeResult:
        """What the revert left in Stripe is matched with what was shown of it; Finance gets the figures."""
        invoice = performed.detail.get("latest_invoice")
        try:
            reverted = revert_report(revert, await self._reads.result(revert, performed.key, invoice))
        except TROUBLE as error:
            problem = unread_revert_problem(problem_of(error))
            report = report.model_copy(update={"problem": problem})
            event, detail = EventCode.REVERT_UNREAD, problem.model_dump()
        else:
            report = report.model_copy(update={"reverted": reverted})
            event = EventCode.REVERT_VERIFIED if reverted.verified else EventCode.REVERT_DIFFERS
            detail = revert_detail(reverted)
        notice = self._recorder.notice(
            NoticeKind.PLAN_CHANGE_REVERTED, self._subject, self._reverts, result=report
        )
        await self._recorder.record_progress(f"reverted:{self._reverts}", event, detail=detail, notice=notice)
        return report

    def _final_figures(self, report: PlanChangeResult) -> NoticeInput:
        """Once for each reading: what could not be read may be read later, and differ."""
        number = self._asked + 1
        return self._recorder.notice(NoticeKind.PLAN_CHANGE_APPLIED, self._subject, number, result=report)


def _differing(report: PlanChangeResult) -> EventCode:
    if report.differences:
        return EventCode.LINES_DIFFER
    return EventCode.PAYMENT_MISSING if report.unpaid else EventCode.OUTCOME_UNKNOWN
