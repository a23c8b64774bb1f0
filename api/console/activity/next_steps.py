"""What is next for an operation, by whom and until when: what its page says below its state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.approvals.ladder import ApprovalState
from billing.cancellations.cancellation import CancellationSubject
from billing.core.events import EventCode
from billing.core.operations import Kind, State
from billing.operations.kinds import KINDS, ON_REQUEST
from billing.operations.payloads import read_result
from billing.operations.questions import Question
from billing.plan_changes.report import PlanChangeResult
from billing.plan_changes.subject import PlanChangeSubject
from billing.portal.trouble import AccessTroubleSubject

from ...http.models import EventAnswer, OperationAnswer
from ..frame.filters import standing
from ..frame.subjects import About


@dataclass(frozen=True)
class NextStep:
    """`words`, and below them `label` with the time `until` which somebody has, or the UTC `day` of it."""

    words: str
    label: str = ""
    until: datetime | None = None
    day: int | None = None


WAITING: Mapping[str, str] = {
    State.ACCEPTED.value: "Plixo is reading what it needs from Stripe. Nothing has been changed.",
    State.RUNNING.value: "Plixo is carrying it out in Stripe.",
    State.HELD.value: "Nothing is sent to Stripe for now, and nothing is lost. It goes on by itself.",
    "withdrawn": "Nothing was changed.",
    "paused": "No reminder is decided until somebody resumes the run.",
    "pending": "Stripe has sent the refund, and the customer’s bank has yet to take it.",
    "requires_action": "Stripe asks the customer by mail where the money should go.",
    "maker_to_confirm": "The person who was named is asked whether they made it.",
    "refund_failed": "Somebody has to try it again, or close it without the refund.",
    "reverted": "The plan is what it was before.",
    "partly_refunded": "Somebody has to try the rest again, or close it without the rest.",
}
"""By how an operation stands."""
DIFFERS = "Somebody has to accept it as it is in Stripe, revert it, or have it read again."
ACCEPT = "A controller or Legal has to accept it as it is in Stripe."
REVISED = "Changes were requested. Whoever requested it revises it in time, or it expires."
NOTED = "Somebody closes it with a note that says who made it, and why."
STUCK = "A fault in Plixo has stopped it. Its operators have been alerted; nothing is lost."
SOLVED = "It closes by itself when the customer opens the invoice, or nobody has to pay it any more."
OVER: Mapping[State, str] = {
    State.REJECTED: "Nothing was {done}.",
    State.CANCELLED: "Nothing was {done}.",
    State.EXPIRED: "Its time ran out: nothing was {done}.",
    State.BLOCKED: "Nothing was {done}.",
    State.DECLINED: "Nothing was {done}. It can be requested again once another payment method is there.",
}
"""Of what somebody asked for and that came to nothing."""


def next_step(operation: OperationAnswer, events: Sequence[EventAnswer], names: About) -> NextStep | None:
    """None where nothing more is to come, or the page says it already. `events` is its timeline."""
    stands = standing(operation)
    if operation.kind in ON_REQUEST and stands in OVER:
        # Of a request to end a plan, "cancelled" would say that it has ended.
        done = "changed" if operation.kind == Kind.CANCELLATION else KINDS[operation.kind].done
        return NextStep(OVER[State(stands)].format(done=done))
    if events and events[-1].code == EventCode.WORKFLOW_STUCK:
        return NextStep(STUCK)
    if stands == Question.REVISION.stage:
        return NextStep(REVISED, "Revise it by", _until(events, "revise_by"))
    if stands == State.AWAITING_APPROVAL:
        return _review(events)
    if stands in (State.MISMATCHED, "outcome_unknown"):
        if operation.kind != Kind.PLAN_CHANGE:
            return NextStep(ACCEPT)
        held = read_result(operation.kind, operation.result)
        return NextStep(f"{DIFFERS} {held.reverting}" if isinstance(held, PlanChangeResult) else DIFFERS)
    if operation.kind == Kind.CASE and stands == ApprovalState.OPEN:
        named = operation.stage == "maker_to_confirm"
        return NextStep(WAITING[operation.stage] if named else NOTED, "Note due", _until(events, "deadline"))
    return _planned(operation, stands, names)


def _until(events: Sequence[EventAnswer], name: str) -> datetime | None:
    """The latest deadline of this name on a timeline."""
    known = [until for one in events if (until := one.detail.get(name))]
    return datetime.fromisoformat(known[-1]) if known else None


VACANT = {EventCode.RUNG_VACANT_ANY_ASKED, EventCode.RUNG_VACANT_ALL_ASKED, EventCode.RUNG_VACANT_LAST}


def _review(events: Sequence[EventAnswer]) -> NextStep:
    """By its timeline: who were to be asked when its last round was opened, and who is by now."""
    ladder, asked, deadline = list[Any](), 0, None
    for event in events:
        if event.code == EventCode.REVIEW_REQUESTED:
            ladder, asked = list(event.detail.get("asked", ())), 0
        elif event.code in VACANT:
            ladder = [None if number == event.detail["rung"] else of for number, of in enumerate(ladder)]
        elif event.code == EventCode.ESCALATED:
            asked = _rung(ladder, event.detail["to"], asked)
        else:
            continue
        deadline = event.detail.get("deadline", deadline)
    then = any(ladder[asked + 1 :])
    after = "it goes on to the next reviewers" if then else "it expires"
    until = datetime.fromisoformat(deadline) if deadline else None
    return NextStep(f"It waits for a decision; without one, {after}.", "Decide by", until)


def _rung(ladder: Sequence[Any], roles: Any, after: int) -> int:
    """Which one asks these; the one before, where none is told to."""
    return next((number for number in range(after + 1, len(ladder)) if ladder[number] == roles), after)


def _planned(operation: OperationAnswer, stands: str, names: About) -> NextStep | None:
    """What the subject says of when it goes on."""
    match names.subject(operation.kind, operation.subject):
        case PlanChangeSubject() as change if stands == "scheduled":
            return NextStep("Stripe makes the change at the renewal. Until then the plan stays as it is.",
                "Renews", day=change.period_end)  # fmt: skip
        case CancellationSubject() as end if stands == "ending":
            return NextStep("The plan stays in use until its end.", "Ends", day=end.ends_at)
        case AccessTroubleSubject() as trouble if stands == ApprovalState.OPEN:
            return NextStep(SOLVED, "Solve it by", trouble.deadline)
    if operation.kind == Kind.PORTAL_ACCESS and stands == ApprovalState.OPEN:
        return NextStep(SOLVED)
    if operation.kind == Kind.REMINDER_RUN and stands == State.RUNNING:
        return NextStep("Each reminder that is due is decided once, and mailed in the customer’s hours.")
    return NextStep(WAITING[stands]) if stands in WAITING else None
