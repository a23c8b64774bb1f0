"""What a review leaves on its operation's timeline."""

from collections.abc import Collection, Sequence

from billing.approvals.deciders import Deciders, join_roles
from billing.approvals.ladder import Opening, Rung
from billing.approvals.messages import (
    ClimbApproval,
    CloseApproval,
)
from billing.core.events import EventCode
from billing.core.operations import Role, State
from billing.mail.steps import OpenApproval
from billing.operations.messages import Progress
from db.approvals.deciders import ladder_of, signatures_of
from db.approvals.decisions import decided_key
from db.tables import Approval


def requested(order: OpenApproval, row: Approval) -> Progress:
    request = order.request
    return Progress(
        operation=request.operation,
        key=f"{request.approval}:opened",
        event=EventCode.REVIEW_REQUESTED,
        at=order.at,
        state=State.AWAITING_APPROVAL,
        stage="review",
        approval=request.approval,
        detail={
            "approval": request.approval,
            "round": request.round,
            "subject_hash": request.subject_hash,
            "asked": [rung["roles"] for rung in row.ladder],
            "deadline": row.deadline.isoformat() if row.deadline else None,
        },
    )


def vacancies(order: OpenApproval | ClimbApproval, opening: Opening) -> list[Progress]:
    """An event for each rung that nobody can answer, which says who is asked instead."""
    told = []
    for number, why in opening.vacant.items():
        event, instead = _instead(opening.ladder, number)
        detail = {
            "approval": order.request.approval,
            "rung": number,
            "roles": list(opening.ladder[number].roles),
            "why": why,
            "instead": instead,
        }
        key = f"{order.request.approval}:vacant:{number}"
        operation = order.request.operation
        told.append(Progress(operation=operation, key=key, event=event, at=order.at, detail=detail))
    return told


def escalated(order: ClimbApproval, opening: Opening) -> Progress:
    current = opening.ladder[opening.rung]
    return Progress(
        operation=order.operation,
        key=f"{order.approval}:rung:{opening.rung}",
        event=EventCode.ESCALATED,
        at=order.at,
        detail={
            "approval": order.approval,
            "to": list(current.roles),
            "deadline": current.deadline.isoformat(),
        },
    )


def closed(order: CloseApproval, row: Approval) -> Progress:
    return Progress(
        operation=order.operation,
        key=decided_key(order.approval),
        event=EventCode(f"review_{order.state}"),
        at=order.at,
        detail={"approval": order.approval, "reason": order.reason}
        | ({"signatures": row.signatures} if row.signatures else {}),
    )


def _instead(ladder: Sequence[Rung], number: int) -> tuple[EventCode, list[Role]]:
    """The event of a vacant rung, and the roles that are asked in place of its own."""
    if number == len(ladder) - 1:
        return EventCode.RUNG_VACANT_LAST, []
    following = ladder[number + 1]
    roles = sorted(set(following.roles))
    if following.needs == "all" and len(roles) > 1:
        return EventCode.RUNG_VACANT_ALL_ASKED, roles
    return EventCode.RUNG_VACANT_ANY_ASKED, roles


def why_this_rung(row: Approval, deciders: Deciders) -> str | None:
    """Why it is this one that is asked, where nobody could be asked on the one below."""
    ladder = ladder_of(row)
    if row.rung == 0 or ladder[row.rung - 1].state != "vacant":
        return None
    why = deciders.why_vacant(ladder[row.rung - 1], signatures_of(row)) or "nobody could be asked before"
    return f"{why[:1].upper()}{why[1:]}: {_you(ladder[row.rung].roles)}."


def _you(roles: Collection[Role]) -> str:
    return f"{join_roles(roles)} is asked instead"
