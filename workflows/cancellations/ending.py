"""A cancellation in Stripe: done once, read back; an end that is planned is waited for."""

from collections.abc import Iterator
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.cancellations.cancellation import Action, CancellableFacts, CancellationSubject
    from billing.cancellations.report import (
        CancellationResult,
        awaits_invoice,
        cancellation_problem,
        ended_sooner_problem,
        moved_problem,
        taken_back_problem,
        unread_report,
    )
    from billing.cancellations.stripe_params import effect_params
    from billing.core.events import EventCode
    from billing.core.notices import NoticeKind
    from billing.core.operations import Problem, State
    from billing.mail.messages import MailContext
    from billing.operations.standing import Standing
    from billing.plan_changes.obstacles import ENDED
    from billing.stripe.effects import OPERATION_MARK, EffectBegins, EffectKind

from ..core import options
from ..core.effects import OperationEffects
from ..core.notes import NoteSync
from ..core.outcome import TROUBLE, OperationEnded, Outcome, problem_of
from ..core.recorder import OperationRecorder
from ..core.stripe_changes import StripeChanges
from .reads import CancellationPlanner

EFFECTS: dict[Action, EffectKind] = {
    "at_period_end": "subscription.cancel_at_period_end",
    "now": "subscription.cancel",
    "take_back": "subscription.keep",
}
LAST_INVOICE = "Waits for Stripe to make the last invoice."
DONE = {"now": EventCode.PLAN_ENDED, "take_back": EventCode.PLAN_KEPT}


class PlanEnding:
    """From the approval to the end of the plan, or to its going on.

    done ── as approved ── ended, or kept
              └ planned ── its time has come ── last invoice as approved ── ended
                 └ taken back, moved, or ended sooner
    """

    def __init__(
        self,
        recorder: OperationRecorder,
        effects: OperationEffects,
        planner: CancellationPlanner,
        notes: NoteSync,
        changes: StripeChanges,
    ) -> None:
        self._recorder, self._effects, self._planner = recorder, effects, planner
        self._notes, self._changes = notes, changes
        self._subject: CancellationSubject  # once it is carried out
        self._found: CancellationResult | None = None

    @property
    def report(self) -> CancellationResult:
        return self._found or unread_report(self._subject)

    async def carry_out(self, subject: CancellationSubject, standing: Standing) -> Outcome | Problem:
        """At most once, and sees it through; why it is not as agreed, or carries no note.

        Raises OperationEnded when Stripe refused it: nothing was done.
        """
        self._subject = subject
        if "planned" not in standing.keys:
            await self._do()
            problem = await self._verify_at_last()
            if problem is not None:
                return problem
            if subject.action != "at_period_end":
                return self._done(DONE[subject.action])
            await self._record_planned()
        return await self._until_ended()

    # --- In Stripe ------------------------------------------------------------------------------------

    async def _do(self) -> None:
        subject = self._subject
        done = await self._effects.perform(
            "cancel",
            EFFECTS[subject.action],
            subject.subscription,
            effect_params(subject),
            begins=EffectBegins(event=EventCode.CANCELLING_PLAN, stage="applying"),
        )
        if done.outcome == "refused":
            raise OperationEnded(Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, done.problem))

    async def _verify_at_last(self) -> Problem | None:
        """As `_verify`, once the last invoice is there and final, as far as Stripe makes it within a day."""
        delays = _delays_of(options.LAST_INVOICE)
        while True:
            self._changes.clear()
            problem = await self._verify()
            if self._found is None or not awaits_invoice(self._subject, self._found):
                return problem
            if not await self._changes.wait(LAST_INVOICE, delays, objects=[self._subject.subscription]):
                return problem

    async def _verify(self) -> Problem | None:
        """Reads it back; None when Stripe has exactly what was approved, and the note."""
        self._found = None  # what was read before says nothing of what is there now
        try:
            self._found = await self._planner.came(self._subject)
        except TROUBLE as error:
            return problem_of(error)
        return cancellation_problem(self._found) or await self.verify_note()

    async def verify_note(self) -> Problem | None:
        """None when Stripe has every note that our records have."""
        subscription = self._subject.subscription
        try:
            held = (await self._planner.facts()).metadata
            return await self._notes.sync("subscription.note", subscription, held, (subscription,))
        except TROUBLE as error:
            return problem_of(error)

    def _done(self, event: EventCode) -> Outcome:
        again = 2 if self._subject.action == "at_period_end" else 1  # after the one of its plan
        notice = self._recorder.notice(
            NoticeKind.CANCELLATION_APPLIED, self._subject, again, result=self.report
        )
        return Outcome(State.COMPLETED, event, result=self.report, notice=notice)

    # --- Waiting for the end --------------------------------------------------------------------------

    async def _record_planned(self) -> None:
        """From here on the subscription is free for other changes, of which one may take the end back."""
        subject, report = self._subject, self.report
        context = MailContext(subject=subject, result=report)
        await self._recorder.record_progress(
            "planned",
            EventCode.PLAN_END_PLANNED,
            state=State.RUNNING,
            stage="ending",
            result=report,
            allowed_actions=(),
            detail={"ends_at": subject.ends_at},
            notice=self._recorder.notice(NoticeKind.CANCELLATION_APPLIED, subject, result=report),
            mails=(self._recorder.to_requester("planned", "cancellation_planned", context),),
        )

    async def _until_ended(self) -> Outcome | Problem:
        while True:
            self._changes.clear()
            found = await self._planner.facts()
            if (overtaken := self._overtaken(found)) is not None:
                self._effects.came_to_nothing()
                return overtaken
            if found.status in ENDED:
                return await self._verify_at_last() or self._done(EventCode.PLAN_ENDED)
            await self._changes.wait(
                "Waits for the plan to end as planned.",
                self._delays(),
                objects=[self._subject.subscription],
            )

    def _overtaken(self, found: CancellableFacts) -> Outcome | None:
        """How it ends that the plan does not end as planned, by somebody's doing."""
        ends_at = self._subject.ends_at or 0
        if found.status in ENDED:
            by = found.ended_by
            if by is None or (found.ended_at or 0) >= ends_at:
                return None
            return Outcome(State.CANCELLED, EventCode.PLAN_ENDED_SOONER, ended_sooner_problem(by))
        if found.cancel_at is None:
            marked = found.metadata.get(OPERATION_MARK)
            ours = marked if marked != self._recorder.operation else None
            return Outcome(State.CANCELLED, EventCode.PLAN_END_TAKEN_BACK, taken_back_problem(ours))
        if found.cancel_at != ends_at:
            return Outcome(State.FAILED, EventCode.PLAN_END_MOVED, moved_problem(found.cancel_at))
        return None

    def _delays(self) -> Iterator[timedelta]:
        poll = timedelta(minutes=self._recorder.policy.cancellations.waiting_poll)
        while True:
            left = timedelta(seconds=(self._subject.ends_at or 0) - workflow.now().timestamp())
            yield max(left, poll)


def _delays_of(each: tuple[timedelta, ...]) -> Iterator[timedelta]:
    """One after the other, however often it is looked meanwhile."""
    for delay in each:
        until = workflow.now() + delay
        while (left := until - workflow.now()) > timedelta():
            yield left
