"""A note that was added to an operation: mirrored into the metadata of what the operation made in Stripe."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.effects.perform import StripeEffects
    from activities.operations.notes import NoteRecords
    from billing.money.notes import NoteInput, NoteObject, NotesQuery, note_metadata
    from billing.stripe.effects import Effect

from ..core import ids, options
from ..core.recorded import recorded
from ..core.stripe_calls import StripeCalls


@workflow.defn(name=ids.NOTE)
class NoteWorkflow:
    """One note. What its operation makes later carries the note from the beginning."""

    @workflow.init
    def __init__(self, request: NoteInput) -> None:
        self._calls = StripeCalls(request.organization, request.operation)

    @workflow.run
    async def run(self, request: NoteInput) -> int:
        objects: list[NoteObject] = await recorded(
            NoteRecords.read_note_objects, NotesQuery(operation=request.operation)
        )
        for number, made in enumerate(objects):
            target = f"{made.customer}/{made.target}" if made.customer else made.target
            effect = Effect(
                organization=request.organization,
                operation=request.operation,
                step=f"note:{request.note.seq}:{number}",
                kind=made.kind,
                target=target,
                params={"metadata": note_metadata([request.note], made.names)},
            )
            await self._calls.call(StripeEffects.perform_effect, effect, options.STRIPE_EFFECT)
        return len(objects)
