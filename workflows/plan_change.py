"""A plan change: preview to the second, review of exactly these lines, one change in Stripe, verified."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from billing.messages import Cancel, Resolve, Revise
    from billing.notices import NoticeKind
    from billing.operations import Problem, State
    from billing.plan_change import PlanChangeInput, ResultLines, Subject, verify
    from billing.plan_change_params import apply_params, revert_params, schedule_params
    from billing.plan_change_report import (
        applied_report,
        mismatch_problem,
        schedule_gone_problem,
        schedule_problem,
    )
    from billing.stripe_events import StripeChanged

from . import ids
from .news import EVENTS_FIRST
from .plan_change_reads import PlanChangeReads
from .plan_change_review import PlanChangeReview, dump
from .plan_change_waits import PlanChangeWaits
from .story import Ended, Story, problem_of


@workflow.defn(name=ids.PLAN_CHANGE)
class PlanChangeWorkflow:
    """One plan change, from the request to the last verified line."""

    @workflow.init
    def __init__(self, request: PlanChangeInput) -> None:
        self._waits = PlanChangeWaits(request)
        self._reads = PlanChangeReads(request, self._waits.news)
        self._story = Story(
            organization=request.organization,
            operation=request.operation,
            requested_by=request.requested_by,
            policy=request.policy,
        )
        self._review = PlanChangeReview(request, self._story, self._reads, self._waits)

    @workflow.run
    async def run(self, request: PlanChangeInput) -> str:
        try:
            subject = await self._review.agree_on_lines()
            if subject.effective == "now":
                end = await self._change_now(subject)
            else:
                end = await self._change_at_period_end(subject)
        except Ended as early:
            end = early
        except (ActivityError, ApplicationError) as error:
            end = Ended(State.FAILED, "given up", problem_of(error))
        await self._close(end)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return end.state.value

    # --- What people and Stripe send ------------------------------------------------------------------

    @workflow.update
    async def cancel(self, cancel: Cancel) -> None:
        """Takes the request back; possible until the change is being applied, and while it is scheduled."""
        await self._waits.take_cancel(cancel)

    @cancel.validator
    def _may_cancel(self, cancel: Cancel) -> None:
        self._waits.check_cancel()

    @workflow.update
    async def revise(self, revise: Revise) -> None:
        """The edited request, after an approver asked for changes."""
        await self._waits.take_revision(revise)

    @workflow.update
    async def resolve(self, resolve: Resolve) -> None:
        """Accepts or reverts what Stripe made of the change."""
        await self._waits.take_resolution(resolve)

    @workflow.signal
    def stripe_changed(self, changed: StripeChanged) -> None:
        """Stripe has told us of the subscription; what it is now, is read from Stripe."""
        self._waits.news.tell()

    # --- Now ------------------------------------------------------------------------------------------

    async def _change_now(self, subject: Subject) -> Ended:
        self._waits.past_cancelling = True
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
        if applied.outcome == "refused" and applied.declined:
            return Ended(State.DECLINED, "card declined; nothing was changed", applied.problem)
        if applied.outcome == "refused":
            return Ended(State.FAILED, "refused by Stripe", applied.problem)
        return await self._verify(subject, await self._reads.result(subject, applied.key))

    async def _verify(self, subject: Subject, found: ResultLines) -> Ended:
        """What Stripe now holds is matched with what was approved; Finance gets the final figures."""
        checked = verify(subject, found.lines)
        report = applied_report(subject, found, checked)
        await self._story.flag_finance(NoticeKind.PLAN_CHANGE_APPLIED, dump(subject) | {"result": report})
        if checked.ok:
            return Ended(State.COMPLETED, "verified: every line is as approved", result=report)
        return await self._resolve_mismatch(subject, report, mismatch_problem(checked))

    async def _resolve_mismatch(self, subject: Subject, report: dict[str, Any], problem: Problem) -> Ended:
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
        context = {"state": "mismatched", "subject": dump(subject), "result": report}
        await self._story.mail_requester("mismatch", "plan_change_ended", context)
        resolve = await self._waits.for_resolution()
        if resolve.action == "accept":
            state, event, by = State.COMPLETED, "accepted as Stripe has it", "accepted_by"
        else:
            await self._revert(subject, resolve)
            state, event, by = State.CANCELLED, "reverted to the former plan", "reverted_by"
        result = report | {by: resolve.person, "comment": resolve.comment}
        return Ended(state, event, result=result, person=resolve.person, comment=resolve.comment)

    async def _revert(self, subject: Subject, resolve: Resolve) -> None:
        await self._story.tell(
            "reverting",
            "reverting to the former plan",
            actor=resolve.person,
            state=State.RUNNING,
            stage="reverting",
            allowed_actions=(),
        )
        facts = await self._reads.facts()
        reverted = await self._story.perform(
            "revert", "subscription.update", subject.subscription, revert_params(subject, facts.period_start)
        )
        if reverted.outcome == "refused":
            raise Ended(State.FAILED, "the former plan could not be restored", reverted.problem)

    # --- At period end --------------------------------------------------------------------------------

    async def _change_at_period_end(self, subject: Subject) -> Ended:
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
        shown = dump(subject) | {"result": report}
        await self._story.flag_finance(NoticeKind.PLAN_CHANGE_SCHEDULED, shown)
        await self._story.mail_requester("scheduled", "plan_change_scheduled", {"subject": shown})
        gone = await self._until_changed(subject, schedule)
        self._waits.no_more_cancelling()
        if gone and self._waits.cancelled is None:
            return Ended(State.FAILED, "the schedule was taken away in Stripe", schedule_gone_problem())
        # Taken back, or done: a schedule that stayed would be in the way of the next change.
        await self._release(schedule)
        if not await self._reads.has_changed(subject):
            return self._review.cancelled()
        return await self._verify(subject, await self._reads.renewal(subject))

    async def _until_changed(self, subject: Subject, schedule: str) -> bool:
        """Waits for the end of the period or a cancellation; whether the change will never happen."""
        try:
            while (standing := await self._reads.standing(subject, schedule)) == "waits":
                if self._waits.cancelled is not None:
                    break
                await self._waits.for_period_end(subject)
        except ActivityError:
            if workflow.patched(EVENTS_FIRST):
                # What has been given up must not happen by itself later.
                self._waits.no_more_cancelling()
                await self._release(schedule)
            raise
        return standing == "gone"

    async def _schedule(self, subject: Subject) -> str:
        """Plans the change in Stripe; what can't be planned as approved is taken back at once."""
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
        """One that has run its course meanwhile refuses; what then holds is read afterwards."""
        await self._story.perform("release", "schedule.release", schedule, {})

    # --- The end --------------------------------------------------------------------------------------

    async def _close(self, end: Ended) -> None:
        self._waits.close()
        await self._story.end(end)
        context = {
            "state": end.state.value,
            "subject": dump(self._review.subject) or None,
            "result": end.result,
            "problem": end.problem.model_dump() if end.problem else None,
            "person": end.person,
            "comment": end.comment,
        }
        await self._story.mail_requester("ended", "plan_change_ended", context)
