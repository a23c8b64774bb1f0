"""Who may give, take and see a delegation."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.deciders import already_decided, join_roles
from billing.approvals.delegation import check_of_approval, decided_already, not_held
from billing.core.errors import BillingError
from billing.core.operations import Role
from db.approvals import approvals, deciders, delegations
from db.approvals.closing import state_at
from db.tables import Approval, Delegation

from ..http.auth import Caller
from ..problems.problem import ApiProblem, not_found
from .problems import APPROVAL_CLOSED
from .views import Viewer, viewer


async def seen(session: AsyncSession, delegation_id: str, caller: Caller) -> Delegation:
    """One that the caller gave or was given, or audits. Raises ApiProblem `not_found`."""
    found = await delegations.get(session, caller.organization, delegation_id)
    sees_all = Role.AUDITOR in caller.roles
    if found is None or not (sees_all or caller.person in (found.from_person, found.to_person)):
        raise not_found()
    return found


async def check_open(session: AsyncSession, approval: Approval, caller: Caller) -> None:
    """Whether there is still something to decide in which whoever agrees may have a say."""
    seen_by = await viewer(session, caller)
    refusal = deciders.progress_of(approval, seen_by.pool).deciders.refusal(caller.person)
    if refusal is not None:
        raise BillingError(refusal.code, refusal.message)
    _check_still_open(approval, seen_by, "decide")


async def check_own(session: AsyncSession, approval: Approval, to: str, caller: Caller) -> None:
    """Whether the caller has a say of their own to give away, and this person may have it."""
    seen_by = await viewer(session, caller)
    progress = deciders.progress_of(approval, seen_by.pool)
    refusal = progress.deciders.refusal(caller.person)
    if refusal is not None:
        raise BillingError(refusal.code, refusal.message)
    roles = {role for rung in progress.ladder for role in rung.roles}
    if not roles & caller.roles:
        lent = any(one.role in roles for one in progress.deciders.capacities(caller.person))
        raise not_held(join_roles(roles), lent=lent)
    _check_still_open(approval, seen_by, "delegate")
    if caller.person in already_decided(progress.signatures):
        raise decided_already()
    check_of_approval(to, progress.deciders)


def _check_still_open(approval: Approval, seen_by: Viewer, to: str) -> None:
    state = state_at(approval, seen_by.at)
    if state != approvals.OPEN:
        raise ApiProblem(APPROVAL_CLOSED, f"This approval is already {state}; there is nothing to {to}.")
