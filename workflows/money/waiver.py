"""A void or write-off: checked, within authority or approved, done once, read back, closed with its note."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.messages import AcceptAsInStripe
    from billing.core.notices import NoticeKind
    from billing.money.waiver import ReviseWaiver, WaiverInput, WaiverSubject
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
from .reservation import MoneyReservation
from .review import ReviewedMoney
from .waiver_issue import WaiverIssue
from .waiver_reads import WaiverPlanner

MISMATCHES = {
    "void": MismatchTold(EventCode.VOID_DIFFERS, NoticeKind.VOID_DIFFERS, "money_ended"),
    "write_off": MismatchTold(EventCode.WRITE_OFF_DIFFERS, NoticeKind.WRITE_OFF_DIFFERS, "money_ended"),
}


@workflow.defn(name=ids.WAIVER)
class WaiverWorkflow(OperationHandlers):
    """One void or write-off, from the request to the read-back."""

    @workflow.init
    def __init__(self, request: WaiverInput) -> None:
        rules = request.policy.money_rules(request.kind)
        self._commands: PendingCommands[ReviseWaiver, AcceptAsInStripe] = PendingCommands(
            too_late="The invoice is already being changed in Stripe.",
            revise=ReviseWaiver,
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
        reads = WaiverPlanner(request, self._effects.calls)
        notes = NoteSync(request.operation, self._effects, request.note)
        reviewed = ReviewedMoney(
            request,
            self._recorder,
            reads,
            WaiverPlanner(request, OptionalCalls()),
            MoneyReservation(self._recorder, request.kind, rules),
            notes,
        )

        def kept(standing: Standing) -> WaiverSubject:
            return WaiverSubject.model_validate({**(standing.subject or {}), "about": request.wanted.action})

        self._story = DoneOnce(
            self._recorder,
            self._effects,
            self._commands,
            Review(self._recorder, self._commands, self._changes, reviewed),
            WaiverIssue(self._recorder, self._effects, reads, notes),
            MISMATCHES[request.wanted.action],
            kept,
        )

    @workflow.run
    async def run(self, request: WaiverInput) -> str:
        return await self._story.run()

    # --- What people send -----------------------------------------------------------------------------

    @workflow.update
    async def revise(self, revise: ReviseWaiver) -> None:
        """The edited request, after an approver asked for changes."""
        await self._commands.revise.take(revise)

    @workflow.update
    async def resolve(self, resolve: AcceptAsInStripe) -> None:
        """Accepts what Stripe made of the invoice."""
        await self._commands.resolve.take(resolve)
