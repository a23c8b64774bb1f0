"""A plan change: preview to the second, review of exactly these lines, one change in Stripe, verified."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from billing.messages import ApprovalOutcome, Cancel, Resolve, Revise
    from billing.notices import NoticeKind
    from billing.operations import SYSTEM, Problem, State
    from billing.plan_change import (
        PlanChangeInput,
        ResultLines,
        Subject,
        subject_hash,
        verify,
    )
    from billing.plan_change_params import apply_params, revert_params, schedule_params
    from billing.plan_change_report import (
        applied_report,
        blocked_problem,
        mismatch_problem,
        schedule_problem,
    )

from . import ids
from .plan_change_reads import PlanChangeReads
from .plan_change_waits import PlanChangeWaits
from .story import Story, problem_of, refused


class Ended(Exception):
    """The story is over before anything more is done to Stripe."""

    def __init__(self, state: State, event: str, problem: Problem | None = None, actor: str = SYSTEM):
        super().__init__(event)
        self.state, self.event, self.problem, self.actor = state, event, problem, actor


@workflow.defn(name=ids.PLAN_CHANGE)
class PlanChangeWorkflow:
    """One plan change, from the request to the last verified line."""

    @workflow.init
    def __init__(self, request: PlanChangeInput) -> None:
        self._request = request
        self._wanted = request.wanted
        self._subject: Subject | None = None
        self._round = 0
        self._waits = PlanChangeWaits(request)
        self._reads = PlanChangeReads(request)
        self._story = Story(
            organization=request.organization,
            operation=request.operation,
            requested_by=request.requested_by,
            policy=request.policy,
        )

    @workflow.run
    async def run(self, request: PlanChangeInput) -> str:
        try:
            subject = await self._agree_on_lines()
            if subject.effective == "now":
                state = await self._change_now(subject)
            else:
                state = await self._change_at_period_end(subject)
        except Ended as end:
            state = await self._end(end.state, end.event, problem=end.problem, actor=end.actor)
        except (ActivityError, ApplicationError) as error:
            state = await self._end(State.FAILED, "given up", problem=problem_of(error))
        await workflow.wait_condition(workflow.all_handlers_finished)
        return state.value

    # --- What people send -----------------------------------------------------------------------------

    @workflow.update
    async def cancel(self, cancel: Cancel) -> None:
        """Takes the request back; possible until the change is being applied, and while it is scheduled."""
        self._waits.cancelled = cancel

    @cancel.validator
    def _may_cancel(self, cancel: Cancel) -> None:
        if not self._waits.cancellable:
            raise refused(Problem(code="too_late", message="The change is already being applied in Stripe."))

    @workflow.update
    async def revise(self, revise: Revise) -> None:
        """The edited request, after an approver asked for changes."""
        self._waits.revised = revise

    @revise.validator
    def _may_revise(self, revise: Revise) -> None:
        if not self._waits.revisable:
            raise refused(Problem(code="not_revisable", message="Nobody has asked for changes."))

    @workflow.update
    async def resolve(self, resolve: Resolve) -> None:
        """Accepts or reverts what Stripe made of the change."""
        self._waits.resolved = resolve

    @resolve.validator
    def _may_resolve(self, resolve: Resolve) -> None:
        if not self._waits.resolvable:
            raise refused(Problem(code="nothing_to_resolve", message="There is no mismatch to resolve."))

    # --- Preview and review ---------------------------------------------------------------------------

    async def _agree_on_lines(self) -> Subject:
        """Previews and asks for review until what was approved is still what Stripe would do."""
        subject = await self._preview("preview taken")
        await self._story.flag_finance(NoticeKind.PLAN_CHANGE_REQUESTED, self._dump(subject))
        while True:
            match (await self._review(subject)).state:
                case "approved":
                    current = await self._reads.preview_again(self._wanted, subject)
                    if current is not None and subject_hash(current) == subject_hash(subject):
                        self._block_if_over_limits(current)
                        self._waits.cancellable = False
                        return subject
                    subject = await self._preview("lines drifted since the review")
                case "changes_requested":
                    await self._await_revision()
                    subject = await self._preview("request revised")
                case "rejected":
                    raise Ended(State.REJECTED, "rejected")
                case "expired":
                    raise Ended(State.EXPIRED, "expired without an answer")
                case "dismissed":
                    raise self._cancelled()

    async def _preview(self, event: str) -> Subject:
        """A new preview at a second that Stripe chooses, and the end if a limit is exceeded."""
        if self._waits.cancelled is not None:
            raise self._cancelled()
        subject = await self._reads.preview(self._wanted)
        self._subject = subject
        self._round += 1
        await self._story.tell(
            f"preview:{self._round}",
            event,
            state=State.RUNNING,
            stage="previewed",
            subject=self._dump(subject),
            allowed_actions=("cancel",),
            detail={
                "proration_date": subject.proration_date,
                "lines": [line.model_dump(mode="json") for line in subject.preview.lines],
                "due_now": subject.preview.due_now.model_dump(),
                "next_invoice": subject.preview.next_invoice.model_dump(),
                "limits": [check.model_dump() for check in subject.limits],
            },
        )
        self._block_if_over_limits(subject)
        return subject

    def _block_if_over_limits(self, subject: Subject) -> None:
        if not subject.within_limits:
            raise Ended(State.BLOCKED, "blocked by the plan's limits", blocked_problem(subject))

    async def _review(self, subject: Subject) -> ApprovalOutcome:
        """One round; a cancellation on the way dismisses it."""
        if self._waits.cancelled is not None:
            return ApprovalOutcome(state="dismissed")
        approval = await self._story.start_review(
            "plan_change", self._round, self._dump(subject), subject_hash(subject)
        )
        await self._waits.until(lambda: self._waits.cancelled is not None or approval.done())
        if not approval.done():
            await approval.signal("dismiss", "The request was taken back.")
        return await approval

    async def _await_revision(self) -> None:
        self._waits.revisable = True
        await self._story.tell(
            f"changes_requested:{self._round}",
            "waiting for the request to be revised",
            state=State.AWAITING_APPROVAL,
            stage="changes_requested",
            allowed_actions=("revise", "cancel"),
        )
        revised = await self._waits.for_revision()
        self._waits.revisable = False
        if self._waits.cancelled is not None:
            raise self._cancelled()
        if revised is None:
            raise Ended(State.EXPIRED, "expired without a revision")
        self._wanted = revised.wanted

    def _cancelled(self) -> Ended:
        cancel = self._waits.cancelled
        return Ended(State.CANCELLED, "cancelled", actor=cancel.person if cancel else SYSTEM)

    # --- Now ------------------------------------------------------------------------------------------

    async def _change_now(self, subject: Subject) -> State:
        await self._story.tell(
            "applying",
            "applying the approved change",
            state=State.RUNNING,
            stage="applying",
            allowed_actions=(),
        )
        applied = await self._story.perform(
            "apply", "subscription.update", subject.subscription, apply_params(subject)
        )
        if applied.outcome == "refused":
            state = State.DECLINED if applied.declined else State.FAILED
            event = "card declined; nothing was changed" if applied.declined else "refused by Stripe"
            raise Ended(state, event, applied.problem)
        return await self._verify(subject, await self._reads.result(subject, applied.key))

    async def _verify(self, subject: Subject, found: ResultLines) -> State:
        """What Stripe now holds is matched with what was approved; Finance gets the final figures."""
        checked = verify(subject, found.lines)
        report = applied_report(subject, found, checked)
        await self._story.flag_finance(
            NoticeKind.PLAN_CHANGE_APPLIED, self._dump(subject) | {"result": report}
        )
        if checked.ok:
            return await self._end(State.COMPLETED, "verified: every line is as approved", result=report)
        return await self._resolve_mismatch(subject, report, mismatch_problem(checked))

    async def _resolve_mismatch(self, subject: Subject, report: dict[str, Any], problem: Problem) -> State:
        """Stripe holds other lines than those approved: a person accepts or reverts them."""
        self._waits.resolvable = True
        await self._story.tell(
            "mismatch",
            "lines differ from those approved",
            state=State.MISMATCHED,
            stage="mismatched",
            result=report,
            error=problem,
            allowed_actions=("accept", "revert"),
            detail={"differences": report["differences"]},
        )
        await self._story.mail_requester(
            "mismatch", "plan_change_ended", self._context(State.MISMATCHED, report, problem)
        )
        resolve = await self._waits.for_resolution()
        detail = {"comment": resolve.comment}
        await self._story.tell(
            f"resolved:{resolve.action}", resolve.action, actor=resolve.person, detail=detail
        )
        if resolve.action == "accept":
            report = report | {"accepted_by": resolve.person, "comment": resolve.comment}
            return await self._end(State.COMPLETED, "accepted as Stripe has it", result=report)
        facts = await self._reads.facts()
        reverted = await self._story.perform(
            "revert", "subscription.update", subject.subscription, revert_params(subject, facts.period_start)
        )
        if reverted.outcome == "refused":
            raise Ended(State.FAILED, "the former plan could not be restored", reverted.problem)
        report = report | {"reverted_by": resolve.person, "comment": resolve.comment}
        return await self._end(State.CANCELLED, "reverted to the former plan", result=report)

    # --- At period end --------------------------------------------------------------------------------

    async def _change_at_period_end(self, subject: Subject) -> State:
        schedule = await self._schedule(subject)
        self._waits.cancellable = True
        report = {"schedule": schedule, "effective_at": subject.period_end, "verified": True}
        await self._story.tell(
            "scheduled",
            "scheduled for the end of the period",
            state=State.RUNNING,
            stage="scheduled",
            result=report,
            allowed_actions=("cancel",),
            detail=report,
        )
        await self._story.flag_finance(
            NoticeKind.PLAN_CHANGE_SCHEDULED, self._dump(subject) | {"result": report}
        )
        while not await self._reads.has_changed(subject):
            if self._waits.cancelled is not None:
                self._waits.cancellable = False
                await self._release(schedule)
                if not await self._reads.has_changed(subject):
                    raise self._cancelled()
                break
            await self._waits.for_period_end(subject)
        self._waits.cancellable = False
        return await self._verify(subject, await self._reads.renewal(subject))

    async def _schedule(self, subject: Subject) -> str:
        await self._story.tell(
            "applying",
            "scheduling the approved change",
            state=State.RUNNING,
            stage="applying",
            allowed_actions=(),
        )
        created = await self._story.perform("schedule", "schedule.create", subject.subscription, {})
        if created.outcome == "refused" or created.stripe_id is None:
            raise Ended(State.FAILED, "refused by Stripe", created.problem)
        phases = schedule_params(subject, created.detail["phase_start"], created.detail["phase_end"])
        planned = await self._story.perform("phases", "schedule.update", created.stripe_id, phases)
        if planned.outcome == "refused":
            await self._release(created.stripe_id)
            raise Ended(State.FAILED, "refused by Stripe", planned.problem)
        if not await self._reads.planned(subject, created.stripe_id):
            await self._release(created.stripe_id)
            raise Ended(State.FAILED, "the schedule differs from what was approved", schedule_problem())
        return created.stripe_id

    async def _release(self, schedule: str) -> None:
        """A schedule that has run its course meanwhile refuses; what then holds is read afterwards."""
        await self._story.perform("release", "schedule.release", schedule, {})

    # --- The end --------------------------------------------------------------------------------------

    async def _end(
        self,
        state: State,
        event: str,
        *,
        problem: Problem | None = None,
        actor: str = SYSTEM,
        result: dict[str, Any] | None = None,
    ) -> State:
        self._waits.cancellable = False
        await self._story.tell(
            "ended",
            event,
            actor=actor,
            state=state,
            stage="done",
            result=result,
            error=problem,
            allowed_actions=(),
            detail=problem.model_dump() if problem else {},
        )
        await self._story.mail_requester("ended", "plan_change_ended", self._context(state, result, problem))
        return state

    def _context(
        self, state: State, result: dict[str, Any] | None, problem: Problem | None
    ) -> dict[str, Any]:
        return {
            "state": state.value,
            "subject": self._dump(self._subject) if self._subject else None,
            "result": result,
            "problem": problem.model_dump() if problem else None,
        }

    @staticmethod
    def _dump(subject: Subject) -> dict[str, Any]:
        return subject.model_dump(mode="json")
