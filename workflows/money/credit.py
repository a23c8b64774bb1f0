"""A credit: checked, within authority or approved, given once, read back, closed with its note."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.messages import AcceptAsInStripe
    from billing.core.notices import NoticeKind
    from billing.core.operations import Kind
    from billing.money.credit import CreditInput, CreditSubject, ReviseCredit
    from billing.operations.standing import Standing

from ..approvals.object_end import OptionalCalls
from ..approvals.review import Review
from ..core import ids
from ..core.commands import PendingCommands
from ..core.done_once import DoneOnce, MismatchTold
from ..core.effects import OperationEffects
from ..core.handlers import OperationHandlers
from ..core.notes import NoteSync
from ..core.recorder import OperationRecorder
from ..core.stripe_changes import StripeChanges
from .credit_issue import CreditIssue
from .credit_reads import CreditReads
from .reservation import MoneyReservation
from .review import ReviewedMoney

MISMATCH = MismatchTold(EventCode.CREDIT_DIFFERS, NoticeKind.CREDIT_DIFFERS, "money_ended")


def kept(standing: Standing) -> CreditSubject:
    return CreditSubject.model_validate(standing.subject)


@workflow.defn(name=ids.CREDIT)
class CreditWorkflow(OperationHandlers):
    """One credit, from the request to the read-back."""

    @workflow.init
    def __init__(self, request: CreditInput) -> None:
        rules = request.policy.credit
        self._commands: PendingCommands[ReviseCredit, AcceptAsInStripe] = PendingCommands(
            too_late="The credit is already being given in Stripe.",
            revise=ReviseCredit,
            resolve=AcceptAsInStripe,
        )
        self._changes = StripeChanges()
        self._recorder = OperationRecorder(
            organization=request.organization,
            operation=request.operation,
            requested_by=request.requested_by,
            policy=request.policy,
        )
        self._effects = OperationEffects(organization=request.organization, operation=request.operation)
        reads = CreditReads(request, self._effects.calls)
        notes = NoteSync(request.operation, self._effects, request.note)
        reviewed = ReviewedMoney(
            request,
            self._recorder,
            reads,
            CreditReads(request, OptionalCalls()),
            MoneyReservation(self._recorder, Kind.CREDIT, rules),
            notes,
        )
        self._story = DoneOnce(
            self._recorder,
            self._effects,
            self._commands,
            Review(self._recorder, self._commands, self._changes, reviewed),
            CreditIssue(self._recorder, self._effects, reads, notes),
            MISMATCH,
            kept,
        )

    @workflow.run
    async def run(self, request: CreditInput) -> str:
        return await self._story.run()

    # --- What people send -----------------------------------------------------------------------------

    @workflow.update
    async def revise(self, revise: ReviseCredit) -> None:
        """The edited request, after an approver asked for changes."""
        await self._commands.revise.take(revise)

    @workflow.update
    async def resolve(self, resolve: AcceptAsInStripe) -> None:
        """Accepts what Stripe made of the credit."""
        await self._commands.resolve.take(resolve)
