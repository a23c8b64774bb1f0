"""Reminding customers: a run for each organization, paged through, that people may pause, resume and end."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.reminders.promises import PromiseRecords
    from activities.reminders.runs import Reminders
    from billing.core.events import EventCode
    from billing.core.operations import SYSTEM, Problem, State
    from billing.reminders.runs import (
        CallOff,
        DecidePage,
        LookAgain,
        OpenedRuns,
        OpenRuns,
        PageDecided,
        ReminderRunInput,
        RunPause,
        RunSummary,
        SendDue,
        SentDue,
        SettlePromises,
    )

from ..core import anew, ids, options
from ..core.outcome import Outcome, problem_of, refused
from ..core.recorder import OperationRecorder
from ..core.waiting import wait

_OVER = Problem(code="already_ended", message="The run has ended.")
_GOING, _STOPPED = ("pause", "cancel"), ("resume", "cancel")


@workflow.defn(name=ids.REMINDER_SWEEP)
class ReminderSweepWorkflow:
    """Without a run it opens those that are needed now; with one it carries that out."""

    @workflow.init
    def __init__(self, asked: ReminderRunInput | OpenRuns | None = None) -> None:
        self._pause: RunPause | None = None
        self._resumed: RunPause | None = None
        self._cancel: RunPause | None = None
        self._held = False
        self._ending = False
        self._over = False
        self._later = 0

    @workflow.run
    async def run(self, asked: ReminderRunInput | OpenRuns | None = None) -> None:
        if not isinstance(asked, ReminderRunInput):
            await self._open_runs(asked or OpenRuns(at=workflow.now()))
            return
        self._run, self._later = asked, asked.later
        self._recorder = OperationRecorder(
            organization=asked.organization,
            operation=asked.operation,
            requested_by=SYSTEM,
            policy=asked.policy,
        )
        await self._recorder.end(await self._told())
        self._over = True
        await workflow.wait_condition(workflow.all_handlers_finished)

    # --- What people send -----------------------------------------------------------------------------

    @workflow.update
    async def pause(self, pause: RunPause) -> None:
        """Stops after the page or the batch of mails that is on its way; answers when it has."""
        self._pause = pause
        await workflow.wait_condition(lambda: self._held or self._over or self._pause is None)
        self._check_going()

    @workflow.update
    async def resume(self, resume: RunPause) -> None:
        """Goes on where it stopped."""
        self._pause, self._resumed = None, resume
        await workflow.wait_condition(lambda: not self._held or self._over)

    @workflow.update
    async def cancel(self, cancel: RunPause) -> None:
        """Ends it; what was not sent is not sent any more, what was held stays for the next run."""
        self._cancel = self._cancel or cancel
        await workflow.wait_condition(lambda: self._over)

    @pause.validator
    def _may_pause(self, pause: RunPause) -> None:
        self._check_going()

    @resume.validator
    def _may_resume(self, resume: RunPause) -> None:
        self._check_going()

    @cancel.validator
    def _may_cancel(self, cancel: RunPause) -> None:
        self._check_going()

    def _check_going(self) -> None:
        if self._ending:
            raise refused(_OVER)

    # --- By schedule ----------------------------------------------------------------------------------

    async def _open_runs(self, order: OpenRuns) -> None:
        if order.after is None:
            # First, since a promise that was broken no longer keeps a reminder away.
            settle = SettlePromises(at=order.at)
            await workflow.execute_activity_method(
                PromiseRecords.settle_promises, settle, **options.REMINDER_PAGE
            )
        while True:
            opened: OpenedRuns = await workflow.execute_activity_method(
                Reminders.open_runs, order, **options.REMINDER_PAGE
            )
            for run in opened.runs:
                await self._start(run)
            if opened.after is None:
                return
            order = order.model_copy(update={"after": opened.after})
            if anew.is_time_early():
                anew.go_on(order)

    async def _start(self, run: ReminderRunInput) -> None:
        try:
            await workflow.start_child_workflow(
                ids.REMINDER_SWEEP,
                run,
                id=ids.operation_workflow(run.operation),
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=ParentClosePolicy.ABANDON,
                priority=options.SWEEP,
                static_summary=f"Reminder run of {run.organization}",
            )
        except WorkflowAlreadyStartedError:
            return  # by an earlier attempt

    # --- A run ------------------------------------------------------------------------------------

    async def _told(self) -> Outcome:
        try:
            await self._begin()
            await self._pages()
            await self._send_later()
            return await self._summed_up()
        except ActivityError as error:
            self._ending = True
            return Outcome(State.FAILED, EventCode.GIVEN_UP, problem_of(error))

    async def _begin(self) -> None:
        if self._run.at is not None:
            return  # by an earlier execution
        at = workflow.now()
        self._run = self._run.model_copy(update={"at": at})
        await self._recorder.record_progress(
            "begun",
            EventCode.RUN_BEGUN,
            state=State.RUNNING,
            stage="deciding",
            allowed_actions=_GOING,
            detail={"dry_run": self._run.dry_run},
        )

    async def _pages(self) -> None:
        while not self._run.decided and await self._goes_on():
            await self._decide_page()
            await self._send()
            going = not self._run.decided and self._pause is None
            if going and anew.is_time_early() and workflow.all_handlers_finished():
                anew.go_on(self._run.model_copy(update={"later": self._later}))

    async def _decide_page(self) -> None:
        run = self._run
        page = DecidePage(operation=run.operation, at=workflow.now(), after=run.after, seen=run.seen)
        done: PageDecided = await workflow.execute_activity_method(
            Reminders.decide_reminders, page, **options.REMINDER_PAGE
        )
        update = {"after": done.after, "seen": run.seen + done.seen, "decided": done.after is None}
        self._run = run.model_copy(update=update)

    async def _send(self) -> None:
        """What is due of this run, a batch at a time."""
        while not self._run.dry_run and await self._goes_on():
            order = SendDue(operation=self._run.operation, at=workflow.now())
            sent: SentDue = await workflow.execute_activity(
                ids.SEND_CUSTOMER_MAILS, order, result_type=SentDue, **options.REMINDER_MAILS
            )
            self._later = sent.later
            if not sent.more:
                return

    async def _send_later(self) -> None:
        """What the mail server could not take is tried for a while; the next run sees to the rest."""
        for period in options.SEND_LATER:
            if not self._later or not await self._goes_on():
                return
            await self._until_it_is_time(period)
            await self._look_again()
            await self._send()

    async def _goes_on(self) -> bool:
        """Waits while it is paused; False when it was cancelled."""
        while self._pause is not None and self._cancel is None:
            await self._hold(self._pause)
        return self._cancel is None

    async def _hold(self, pause: RunPause) -> None:
        now = workflow.now().isoformat()
        await self._tell_people(f"paused:{now}", EventCode.PAUSED, pause, State.HELD, "paused", _STOPPED)
        self._held = True
        await wait(
            "Paused by somebody: waits to be resumed or cancelled.",
            lambda: self._pause is None or self._cancel is not None,
        )
        if self._cancel is None and self._resumed is not None:
            stage = "sending" if self._run.decided else "deciding"
            await self._tell_people(
                f"resumed:{now}", EventCode.RESUMED, self._resumed, State.RUNNING, stage, _GOING
            )
            await self._look_again()
        self._held = False

    async def _look_again(self) -> None:
        order = LookAgain(operation=self._run.operation, at=workflow.now())
        await workflow.execute_activity_method(
            Reminders.review_held_reminders, order, **options.REMINDER_PAGE
        )

    async def _until_it_is_time(self, period: timedelta) -> None:
        await wait(
            "Waits to try the mails again that the mail server could not take.",
            lambda: self._pause is not None or self._cancel is not None,
            period,
        )

    async def _tell_people(
        self, key: str, event: EventCode, said: RunPause, state: State, stage: str, actions: tuple[str, ...]
    ) -> None:
        await self._recorder.record_progress(
            key,
            event,
            actor=said.person,
            state=state,
            stage=stage,
            allowed_actions=actions,
            detail={"comment": said.comment} if said.comment else {},
        )

    async def _summed_up(self) -> Outcome:
        # From here on it is settled how it ends.
        self._ending = True
        cancel, operation = self._cancel, self._run.operation
        if cancel is not None:
            order = CallOff(operation=operation, at=workflow.now())
            await workflow.execute_activity_method(Reminders.cancel_reminders, order, **options.REMINDER_PAGE)
        summary: RunSummary = await workflow.execute_activity_method(
            Reminders.read_run_summary, operation, **options.REMINDER_PAGE
        )
        if cancel is None:
            return Outcome(State.COMPLETED, EventCode.COMPLETED, result=summary)
        return Outcome(
            State.CANCELLED, EventCode.CANCELLED, result=summary, person=cancel.person, comment=cancel.comment
        )
