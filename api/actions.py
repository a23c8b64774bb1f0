"""Who may ask what of an operation. The workflow says what is possible at all, roles say by whom."""

from collections.abc import Collection

from billing.operations import Kind, Role
from db.tables import Operation

from .auth import GIVERS, Caller
from .problems import ApiProblem

_IMPOSSIBLE = {
    "cancel": ("not_cancellable", "can't be cancelled any more"),
    "pause": ("not_pausable", "can be paused only while it is deciding or sending"),
    "resume": ("not_resumable", "can be resumed only while it is paused"),
    "revise": ("not_revisable", "can be revised only after a reviewer asked for changes"),
    "accept": ("not_resolvable", "can be accepted only while it is mismatched"),
    "revert": ("not_resolvable", "can be reverted only while it is mismatched"),
    "retry": ("not_resolvable", "can be tried again only after it failed"),
    "close": ("not_resolvable", "can be left at that only after it failed"),
    "take": ("not_takable", "can't be taken on any more"),
}
_IMPOSSIBLE_OF = {
    (Kind.PORTAL_ACCESS.value, "close"): ("not_closable", "was closed before"),
    (Kind.CASE.value, "close"): ("not_closable", "was closed before"),
}
"""Where an action means something else for one kind of operation."""


def possible(operation: Operation, caller: Caller) -> list[str]:
    """The operation's `allowed_actions` that this caller may ask for."""
    return [action for action in operation.allowed_actions if _refusal(operation, action, caller) is None]


def check(operation: Operation, action: str, caller: Caller) -> None:
    """Raises ApiProblem `role_missing`, `own_request`, or the `not_…able` of the action."""
    problem = _refusal(operation, action, caller)
    if problem:
        raise problem
    if action not in operation.allowed_actions:
        code, why = _IMPOSSIBLE_OF.get((operation.kind, action)) or _IMPOSSIBLE[action]
        named = operation.kind.replace("_", " ")
        raise ApiProblem(code, f"This {named} is at {operation.stage} ({operation.state}): it {why}.")


def _refusal(operation: Operation, action: str, caller: Caller) -> ApiProblem | None:
    roles = _roles(operation, action)
    if not caller.roles.intersection(roles):
        named = " or ".join(sorted(roles))
        return ApiProblem("role_missing", f"To {action} it needs the role {named}; ask somebody who has it.")
    if action == "accept" and caller.person == operation.requested_by:
        detail = "Nobody accepts a mismatch of their own request. Somebody else has to decide."
        return ApiProblem("own_request", detail)
    return None


def _roles(operation: Operation, action: str) -> Collection[Role]:
    if operation.kind == Kind.PLAN_CHANGE:
        return _roles_of_plan_change(operation, action)
    # A credit that came out other than agreed is accepted by those who approve credits.
    return {Role.CONTROLLER, Role.LEGAL} if action == "accept" else GIVERS


def _roles_of_plan_change(operation: Operation, action: str) -> Collection[Role]:
    """Resolving is for the roles that the operation's own policy names; billing admins may also revert."""
    if action in ("cancel", "revise"):
        return {Role.BILLING_ADMIN}
    resolvers = {Role(role) for role in operation.policy["plan_change"]["resolve"]}
    return resolvers if action == "accept" else resolvers | {Role.BILLING_ADMIN}
