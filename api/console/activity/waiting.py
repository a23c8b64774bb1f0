"""Who an operation waits for, by name, and until when, as far as lists say it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from billing.approvals.deciders import Deciders, outstanding
from billing.approvals.ladder import Rung, Signature
from billing.core.events import EventCode
from billing.core.operations import State
from billing.operations.questions import Question
from db.approvals import approvals
from db.approvals.deciders import progress_of
from db.core import timeline
from db.tables import Approval, TimelineEvent

from ...http.models import OperationAnswer
from ..frame.filters import PersonAsked, sentence, whom
from ..frame.visit import PageVisit

DEADLINES: Mapping[EventCode, str] = {
    EventCode.AWAITING_REVISION: "revise_by",
    EventCode.NOT_POSSIBLE: "revise_by",
    EventCode.NOT_POSSIBLE_ANY_MORE: "revise_by",
    EventCode.BLOCKED_BY_LIMITS: "revise_by",
    EventCode.NOTE_OWED: "deadline",
    EventCode.TROUBLE_NOTICED: "deadline",
}
"""Where a timeline says until when somebody has."""


class WaitsFor(NamedTuple):
    """`who` has names; empty where it waits for whoever comes first, or for nobody."""

    who: str = ""
    until: datetime | None = None
    owner: str | None = None
    """Who has taken it, by their id."""


async def waits_for(visit: PageVisit, operations: Sequence[OperationAnswer]) -> Mapping[str, WaitsFor]:
    """By the operations' ids, in two statements."""
    reviewed = [row.approval for row in operations if row.approval and row.state == State.AWAITING_APPROVAL]
    async with visit.context.database.reading() as session:
        told = await timeline.of_several(
            session, [row.id for row in operations], [*DEADLINES, EventCode.ASSIGNED]
        )
        reviews = await approvals.several(session, reviewed)
    open_ = {row.operation_id: row for row in reviews}
    return {
        row.id: _waits(
            visit, row, open_.get(row.id), [event for event in told if event.operation_id == row.id]
        )
        for row in operations
    }


def _waits(
    visit: PageVisit, operation: OperationAnswer, review: Approval | None, told: Sequence[TimelineEvent]
) -> WaitsFor:
    names = [DEADLINES.get(EventCode(event.code), "") for event in told]
    known = [event.detail[name] for event, name in zip(told, names, strict=True) if name in event.detail]
    until = datetime.fromisoformat(known[-1]) if known else None
    if operation.stage == Question.REVISION.stage:
        return WaitsFor(visit.shell.names.get(operation.requested_by, ""), until)
    if review is not None:
        progress = progress_of(review, visit.shell.pool)
        rung = progress.ladder[progress.rung]
        return WaitsFor(asked_of(visit, progress.deciders, rung, progress.signatures), review.deadline)
    owner = next((event.actor for event in reversed(told) if event.code == EventCode.ASSIGNED), None)
    return WaitsFor(visit.shell.names.get(owner or "", ""), until, owner)


def asked_of(visit: PageVisit, deciders: Deciders, rung: Rung, signatures: Iterable[Signature] = ()) -> str:
    """Whom a rung still asks, by name: whoever may decide now in its roles, their own or one that was
    delegated to them."""
    roles = outstanding(rung, signatures)
    people = [
        PersonAsked(
            role=capacity.role,
            name="you" if person == visit.caller.person else visit.shell.names[person],
        )
        for person in deciders.pool.roles
        for capacity in deciders.capacities(person)
        if capacity.role in roles
    ]
    asked = whom(people, roles, rung.needs)
    return sentence(asked) if asked.startswith("you ") or asked == "you" else asked
