"""A credit in Stripe: given once, read back, its note kept in both places."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.operations import Problem, State
    from billing.money.credit import CreditFound, CreditSubject, credit_params
    from billing.money.credit_report import CreditResult, credit_problem, credit_report
    from billing.operations.standing import Standing
    from billing.stripe.effects import EffectBegins

from ..core.effects import OperationEffects
from ..core.notes import NoteSync
from ..core.outcome import OperationEnded, Outcome, problem_of
from ..core.recorder import OperationRecorder
from .credit_reads import CreditReads


class CreditIssue:
    def __init__(
        self,
        recorder: OperationRecorder,
        effects: OperationEffects,
        reads: CreditReads,
        notes: NoteSync,
    ) -> None:
        self._recorder, self._effects, self._reads, self._notes = recorder, effects, reads, notes
        self._subject: CreditSubject  # once it is carried out
        self._given = ""
        self._found: CreditFound | None = None

    @property
    def report(self) -> CreditResult:
        return credit_report(self._subject, self._given, self._found)

    async def carry_out(self, subject: CreditSubject, standing: Standing) -> Outcome | Problem:
        """Gives it, at most once, and reads it back; why it is not as agreed, or carries no note.

        Raises OperationEnded when Stripe refused it: nothing was done.
        """
        self._subject = subject
        await self._issue(subject)
        problem = await self._verify()
        return problem or Outcome(State.COMPLETED, EventCode.CREDITED, result=self.report)

    async def _issue(self, subject: CreditSubject) -> None:
        params = credit_params(subject, self._notes.initial_metadata(()))
        of_balance = subject.instrument == "balance"
        given = await self._effects.perform(
            "credit",
            "balance.create" if of_balance else "credit_note.create",
            subject.customer if of_balance else str(subject.invoice),
            params,
            begins=EffectBegins(event=EventCode.ISSUING_CREDIT, stage="issuing"),
        )
        if given.outcome == "refused" or given.stripe_id is None:
            raise OperationEnded(Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, given.problem))
        self._given = given.stripe_id

    async def _verify(self) -> Problem | None:
        try:
            self._found = await self._reads.found(self._subject, self._given)
        except (ActivityError, ApplicationError) as error:
            return problem_of(error)
        return credit_problem(self._subject, self._found) or await self.verify_note()

    async def verify_note(self) -> Problem | None:
        """None when Stripe has every note that our records have."""
        try:
            held = self._found.metadata if self._found else {}
            if self._subject.instrument == "balance":
                target = f"{self._subject.customer}/{self._given}"
                return await self._notes.sync("balance.note", target, held, ())
            return await self._notes.sync("credit_note.note", self._given, held, ())
        except (ActivityError, ApplicationError) as error:
            return problem_of(error)
