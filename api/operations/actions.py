"""Who may ask what of an operation. The workflow says what is possible at all, roles say by whom, and
whoever shaped it has no say in what others decide.
"""

from collections.abc import Collection
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.authorship import Author
from billing.approvals.deciders import ApproverPool, Deciders
from billing.approvals.ladder import Refusal
from billing.core.errors import BillingError
from billing.core.operations import Kind, Role
from db.approvals import approvals, deciders
from db.money import commitments
from db.tables import Operation

from ..http.auth import GIVERS, Caller
from ..problems.common import ROLE_MISSING
from ..problems.problem import ApiProblem
from .problems import (
    NOT_CANCELLABLE,
    NOT_CLOSABLE,
    NOT_CONFIRMABLE,
    NOT_NAMED,
    NOT_PAUSABLE,
    NOT_RESOLVABLE,
    NOT_RESUMABLE,
    NOT_REVISABLE,
    NOT_TAKABLE,
)

_IMPOSSIBLE = {
    "cancel": (NOT_CANCELLABLE, "can no longer be cancelled"),
    "pause": (NOT_PAUSABLE, "can be paused only while it is deciding or sending"),
    "resume": (NOT_RESUMABLE, "can be resumed only while it is paused"),
    "revise": (NOT_REVISABLE, "can be revised only after a reviewer has requested changes"),
    "accept": (NOT_RESOLVABLE, "can be accepted only while it is mismatched"),
    "revert": (NOT_RESOLVABLE, "can be reverted only while it is mismatched"),
    "read_again": (NOT_RESOLVABLE, "can be read again only while it is mismatched"),
    "retry": (NOT_RESOLVABLE, "can be retried only after it has failed"),
    "close": (NOT_RESOLVABLE, "can be closed only after it has failed"),
    "take": (NOT_TAKABLE, "can no longer be assigned"),
    "confirm": (NOT_CONFIRMABLE, "can be confirmed only while someone is named as having made the change"),
}
WEIGHED = ("accept", "retry", "revise")
"""What is decided or given by it is weighed by the roles that the records have."""
_IMPOSSIBLE_OF = {
    (Kind.PORTAL_ACCESS.value, "close"): (NOT_CLOSABLE, "was already closed"),
    (Kind.CASE.value, "close"): (NOT_CLOSABLE, "was already closed"),
}
"""Where an action means something else for one kind of operation."""


def possible(operation: Operation, caller: Caller) -> list[str]:
    """The operation's `allowed_actions` that this caller may ask for."""
    return [action for action in operation.allowed_actions if _refusal(operation, action, caller) is None]


def check(operation: Operation, action: str, caller: Caller) -> None:
    """Raises ApiProblem `role_missing` or the `not_…able` of the action, and BillingError `own_request`."""
    problem = _refusal(operation, action, caller)
    if problem:
        raise problem
    if action not in operation.allowed_actions:
        type_, why = _IMPOSSIBLE_OF.get((operation.kind, action)) or _IMPOSSIBLE[action]
        noun = Kind(operation.kind).noun
        state = operation.state.replace("_", " ")
        raise ApiProblem(type_, f"This {noun} is {state} (stage {operation.stage}): it {why}.")


async def check_authors(
    session: AsyncSession, operation: Operation, action: str, caller: Caller, at: datetime
) -> None:
    """Raises ApiProblem `role_missing`, and BillingError for whoever may not have their way with what they or
    others shaped or allowed.

    To accept a mismatch is a decision, so no author of it takes one: `own_request`, `requesters_delegate`. To
    try again is no approver's: `own_approval`; nor does it spend another's authority: `others_authority`.
    """
    if action in WEIGHED:
        caller.acts_with_all_roles()
    if action not in ("accept", "retry"):
        return
    pool = await deciders.approver_pool(session, operation.organization_id, at, people=[caller.person])
    if action == "accept":
        refusal = refusal_to_accept(operation, caller, pool)
    else:
        refusal = await _refusal_to_retry(session, operation, pool, caller, at)
    if refusal is not None:
        raise BillingError(refusal.code, refusal.message)


def refusal_to_accept(operation: Operation, caller: Caller, pool: ApproverPool) -> Refusal | None:
    """Why somebody may not take what Stripe made of it for what was asked."""
    return Deciders(pool, "", deciders.authors_of(operation)).refusal(caller.person)


async def _refusal_to_retry(
    session: AsyncSession, operation: Operation, pool: ApproverPool, caller: Caller, at: datetime
) -> Refusal | None:
    committed = await commitments.of_operation(session, operation.id)
    return Deciders(pool, "", deciders.authors_of(operation)).refusal_to_retry(
        Author(person=caller.person, at=at, how="retried"),
        await approvals.yeses(session, operation.id),
        {row.authority_of for row in committed if row.authority_of is not None and row.released_at is None},
    )


def _refusal(operation: Operation, action: str, caller: Caller) -> Exception | None:
    if action == "confirm":
        person = (operation.result or {}).get("named")
        return ApiProblem.of(NOT_NAMED) if person not in (None, caller.person) else None
    roles = _roles(operation, action)
    if not caller.roles.intersection(roles):
        needed = " or ".join(sorted(roles))
        return ApiProblem(
            ROLE_MISSING, f"The action {action} requires the role {needed}; ask someone who has it."
        )
    if action == "accept":
        # Who acts for whom is looked up when they do ask for it.
        refusal = refusal_to_accept(operation, caller, ApproverPool({caller.person: tuple(caller.roles)}))
        return BillingError(refusal.code, refusal.message) if refusal else None
    return None


def _roles(operation: Operation, action: str) -> Collection[Role]:
    if operation.kind == Kind.PLAN_CHANGE:
        return _roles_of_plan_change(operation, action)
    if operation.kind == Kind.CANCELLATION and action != "accept":
        return {Role.BILLING_ADMIN}
    # What came out other than agreed is accepted by those who approve such requests.
    return {Role.CONTROLLER, Role.LEGAL} if action == "accept" else GIVERS


def _roles_of_plan_change(operation: Operation, action: str) -> Collection[Role]:
    """Resolving is for the roles that the operation's own policy names; billing admins may also revert."""
    if action in ("cancel", "revise"):
        return {Role.BILLING_ADMIN}
    resolvers = {Role(role) for role in operation.policy["plan_change"]["resolve"]}
    return resolvers if action == "accept" else resolvers | {Role.BILLING_ADMIN}
