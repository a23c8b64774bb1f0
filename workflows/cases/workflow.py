"""What was made in Stripe itself: flagged, reminded of, escalated, and closed only with its note."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.cases.records import CaseRecords
    from billing.cases.case import (
        CLOSING,
        CaseCounted,
        CaseInput,
        CaseMaker,
        CaseSoFar,
        CaseStep,
        CloseCase,
        ConfirmCase,
        CountCase,
        DenyMaking,
        EndCase,
        NameMaker,
        OwnCase,
        TakeCase,
    )
    from billing.core.events import EventCode
    from billing.core.operations import SYSTEM, Problem, State

from ..core import anew, ids
from ..core.effects import OperationEffects
from ..core.notes import NoteSync
from ..core.outcome import problem_of, refused
from ..core.recorded import recorded
from ..core.recorder import OperationRecorder
from ..core.waiting import by, wait

CLOSED = Problem(code="not_closable", message="It was closed before.")
NOT_NAMED = Problem(code="not_confirmable", message="You are no longer named as having made it.")


@workflow.defn(name=ids.CASE)
class CaseWorkflow:
    """One case, open until somebody has written its note: silence only makes it louder."""

    @workflow.init
    def __init__(self, request: CaseInput) -> None:
        self._request = request
        self._recorder = OperationRecorder(
            organization=request.organization,
            operation=request.operation,
            requested_by=SYSTEM,
            policy=request.policy,
        )
        effects = OperationEffects(organization=request.organization, operation=request.operation)
        self._notes = NoteSync(request.operation, effects)
        self._begun = False
        self._close: CloseCase | None = None
        self._named: CloseCase | None = None

    @workflow.run
    async def run(self, request: CaseInput) -> str:
        so_far = await self._begin()
        while not await self._closed_by(so_far):
            so_far = await self._remind(so_far)
            if anew.is_time():
                await self._go_on_anew(so_far)
        await self._end(so_far)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return State.COMPLETED.value

    # --- What people send -----------------------------------------------------------------------------

    @workflow.update
    async def take(self, take: TakeCase) -> None:
        """Somebody becomes its owner, whoever was it before."""
        await self._still_open()
        order = OwnCase(operation=self._request.operation, person=take.person, at=workflow.now())
        await recorded(CaseRecords.assign_case, order)

    @workflow.update
    async def close(self, close: CloseCase) -> None:
        """The note is there; the first one closes it, once whoever is said to have made it has agreed."""
        await self._still_open()
        if close.done_by == close.person:
            self._close = close
            return
        order = NameMaker(operation=self._request.operation, close=close, at=workflow.now())
        self._named = close
        await recorded(CaseRecords.record_maker, order)

    @workflow.update
    async def confirm(self, confirm: ConfirmCase) -> None:
        """Whoever is said to have made it agrees, which closes it, or does not."""
        await self._still_open()
        named = self._named
        if named is None or named.done_by != confirm.person:
            raise refused(NOT_NAMED)
        self._named = None
        if confirm.made:
            self._close = named
            return
        order = DenyMaking(
            operation=self._request.operation, confirm=confirm, named_by=named.person, at=workflow.now()
        )
        await recorded(CaseRecords.record_denial, order)

    # --- The case -------------------------------------------------------------------------------------

    async def _begin(self) -> CaseSoFar:
        """Where it stands: by the records, unless the execution before this one has told."""
        so_far = self._request.so_far
        if so_far is None:
            step = CaseStep(operation=self._request.operation, at=workflow.now())
            so_far = await recorded(CaseRecords.open_case, step)
        self._named, self._close = so_far.named, so_far.closing
        self._begun = True
        return so_far

    async def _still_open(self) -> None:
        """Waits until it is known where the case stands. Raises ApplicationError where it is closed."""
        await workflow.wait_condition(lambda: self._begun)
        if self._close is not None:
            raise refused(CLOSED)

    async def _closed_by(self, so_far: CaseSoFar) -> bool:
        """Whether its note came before it is time to say something."""
        within = max(so_far.next_at - workflow.now(), timedelta())
        what = f"Waits for the note that is owed; reminds of it at {by(so_far.next_at)}."
        return await wait(what, lambda: self._close is not None, within)

    async def _remind(self, so_far: CaseSoFar) -> CaseSoFar:
        """Whoever owes the note, or everybody who can; when it is late the controller too."""
        late = workflow.now() >= self._request.deadline
        step = CaseStep(
            operation=self._request.operation,
            number=so_far.reminders + 1,
            at=workflow.now(),
            escalate=late and not so_far.escalated,
        )
        return await recorded(CaseRecords.remind_case, step)

    async def _end(self, so_far: CaseSoFar) -> None:
        """The note into both places, and the money into the windows of whoever gave it."""
        close = self._close
        assert close is not None
        await self._recorder.record_progress(
            CLOSING,
            EventCode.NOTE_GIVEN,
            actor=close.person,
            state=State.RUNNING,
            stage=CLOSING,
            result=CaseMaker(named=close.done_by, named_by=close.person, note=close.note),
            allowed_actions=(),
            detail={"done_by": close.done_by, "confirmed": close.done_by != close.person},
        )
        await self._notes.add(close.note, close.person)
        counted = await self._counted(close)
        problem = await self._noted_in_stripe()
        order = EndCase(
            operation=self._request.operation,
            close=close,
            counted=counted,
            noted_in_stripe=problem is None,
            problem=problem,
            reminders=so_far.reminders,
            at=workflow.now(),
        )
        await recorded(CaseRecords.end_case, order)

    async def _counted(self, close: CloseCase) -> CaseCounted | None:
        if self._request.found.amount is None:
            return None
        order = CountCase(operation=self._request.operation, person=close.done_by, at=workflow.now())
        counted: CaseCounted = await recorded(CaseRecords.count_case, order)
        return counted

    async def _noted_in_stripe(self) -> Problem | None:
        """Why Stripe does not take the note, such as of what is not there any more; None when it has it."""
        found = self._request.found
        try:
            return await self._notes.sync(found.note_effect, found.note_target, {}, found.payments)
        except (ActivityError, ApplicationError) as error:
            return problem_of(error)

    # --- Its parts ------------------------------------------------------------------------------------

    async def _go_on_anew(self, so_far: CaseSoFar) -> None:
        """With a fresh history; a note that has come meanwhile is looked at first."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._close is None:
            so_far = so_far.model_copy(update={"named": self._named})
            anew.go_on(self._request.model_copy(update={"so_far": so_far}))
