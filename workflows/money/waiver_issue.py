"""A void or write-off in Stripe: done once, read back, its note kept in both places."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.operations import Problem, State
    from billing.money.waiver import EFFECTS, WaivedInvoice, WaiverSubject
    from billing.money.waiver_report import WaiverResult, waiver_problem, waiver_report
    from billing.operations.standing import Standing
    from billing.stripe.effects import EffectBegins

from ..core.effects import OperationEffects
from ..core.notes import NoteSync
from ..core.outcome import OperationEnded, Outcome, problem_of
from ..core.recorder import OperationRecorder
from .waiver_reads import WaiverPlanner

ISSUING = {"void": EventCode.VOIDING, "write_off": EventCode.WRITING_OFF}
ISSUED = {"void": EventCode.VOIDED, "write_off": EventCode.WRITTEN_OFF}


class WaiverIssue:
    def __init__(
        self,
        recorder: OperationRecorder,
        effects: OperationEffects,
        reads: WaiverPlanner,
        notes: NoteSync,
    ) -> None:
        self._recorder, self._effects, self._reads, self._notes = recorder, effects, reads, notes
        self._subject: WaiverSubject  # once it is carried out
        self._found: WaivedInvoice | None = None

    @property
    def report(self) -> WaiverResult:
        return waiver_report(self._subject, self._found)

    async def carry_out(self, subject: WaiverSubject, standing: Standing) -> Outcome | Problem:
        """Does it, at most once, and reads it back; why it is not as agreed, or carries no note.

        Raises OperationEnded when Stripe refused it: nothing was done.
        """
        self._subject = subject
        await self._issue(subject)
        problem = await self._verify()
        return problem or Outcome(State.COMPLETED, ISSUED[subject.about], result=self.report)

    async def _issue(self, subject: WaiverSubject) -> None:
        begins = EffectBegins(event=ISSUING[subject.about], stage="issuing")
        done = await self._effects.perform(
            "waiver", EFFECTS[subject.becomes], subject.invoice, {}, begins=begins
        )
        if done.outcome == "refused":
            raise OperationEnded(Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, done.problem))

    async def _verify(self) -> Problem | None:
        try:
            self._found = await self._reads.found(self._subject)
        except (ActivityError, ApplicationError) as error:
            return problem_of(error)
        return waiver_problem(self._subject, self._found) or await self.verify_note()

    async def verify_note(self) -> Problem | None:
        """None when Stripe has every note that our records have, which only now can be written there."""
        try:
            held = self._found.metadata if self._found else {}
            invoice = self._subject.invoice
            return await self._notes.sync("invoice.note", invoice, held, (invoice,))
        except (ActivityError, ApplicationError) as error:
            return problem_of(error)
