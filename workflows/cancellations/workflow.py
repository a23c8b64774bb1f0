"""A cancellation of the plan: checked, approved, done once in Stripe, verified; an end that is planned is
waited for."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.cancellations.cancellation import (
        CancellationInput,
        CancellationSubject,
        ReviseCancellation,
    )
    from billing.core.events import EventCode
    from billing.core.messages import AcceptAsInStripe
    from billing.core.notices import NoticeKind
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
from .ending import PlanEnding
from .reads import CancellationPlanner
from .review import ReviewedCancellation

MISMATCH = MismatchTold(EventCode.CANCELLATION_DIFFERS, NoticeKind.CANCELLATION_DIFFERS, "cancellation_ended")


def kept(standing: Standing) -> CancellationSubject:
    return CancellationSubject.model_validate(standing.subject)


@workflow.defn(name=ids.CANCELLATION)
class CancellationWorkflow(OperationHandlers):
    """One cancellation, from the request to the end of the plan."""

    @workflow.init
    def __init__(self, request: CancellationInput) -> None:
        self._commands: PendingCommands[ReviseCancellation, AcceptAsInStripe] = PendingCommands(
            too_late="It is already being done in Stripe: an end that is planned is taken back by a request "
            "of its own.",
            revise=ReviseCancellation,
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
        planner = CancellationPlanner(request, self._effects.calls)
        notes = NoteSync(request.operation, self._effects, request.note)
        reviewed = ReviewedCancellation(
            request, self._recorder, planner, CancellationPlanner(request, OptionalCalls()), notes
        )
        self._story = DoneOnce(
            self._recorder,
            self._effects,
            self._commands,
            Review(self._recorder, self._commands, self._changes, reviewed),
            PlanEnding(self._recorder, self._effects, planner, notes, self._changes),
            MISMATCH,
            kept,
        )

    @workflow.run
    async def run(self, request: CancellationInput) -> str:
        return await self._story.run()

    # --- What people send -----------------------------------------------------------------------------

    @workflow.update
    async def revise(self, revise: ReviseCancellation) -> None:
        """The edited request, after an approver asked for changes."""
        await self._commands.revise.take(revise)

    @workflow.update
    async def resolve(self, resolve: AcceptAsInStripe) -> None:
        """Accepts what Stripe made of it."""
        await self._commands.resolve.take(resolve)
