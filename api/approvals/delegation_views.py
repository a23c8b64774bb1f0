"""A delegation as the API shows it."""

from datetime import datetime

from db.tables import Delegation

from ..problems.problem import ApiProblem
from .problems import DELEGATION_CLOSED
from .schemas import DelegationAnswer


def shown(row: Delegation, at: datetime) -> DelegationAnswer:
    """A delegation as it stands at this time."""
    return DelegationAnswer.model_validate(
        row.model_dump()
        | {
            "delegator": row.from_person,
            "delegate": row.to_person,
            "approval": row.approval_id,
            "state": _state(row, at),
        }
    )


def closed(row: Delegation, at: datetime) -> ApiProblem:
    """Why it can't be accepted or declined any more."""
    state = _state(row, at)
    if row.accepted_at is not None and row.revoked_at is None:
        return ApiProblem(DELEGATION_CLOSED, f"You accepted this delegation ({state}): revoke it instead.")
    return ApiProblem(DELEGATION_CLOSED, f"This delegation is {state}: create a new one.")


def _state(row: Delegation, at: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.declined_at is not None:
        return "declined"
    if row.ends_at <= at:
        return "over"
    if row.accepted_at is None:
        return "offered"
    return "upcoming" if row.starts_at > at else "active"
