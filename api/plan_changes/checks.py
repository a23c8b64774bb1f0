"""What the mirror knows to be impossible of a plan change; the workflow asks Stripe itself."""

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import Kind
from billing.plan_changes.plans import plan_on_sale
from billing.plan_changes.rules import validate_change
from billing.plan_changes.subject import PlanChangeRequest, Terms
from db.mirror import mirror, subscription_usage
from db.operations import operations
from db.tables import Operation, Organization

from ..http.auth import Caller
from ..operations.problems import NOT_SYNCED
from ..problems.problem import ApiProblem
from .problems import SUBSCRIPTION_UNSUPPORTED


async def check_by_mirror(
    session: AsyncSession, caller: Caller, wanted: PlanChangeRequest, offered: Sequence[str]
) -> Organization:
    """The organization whose plan it is; `offered` are the add-ons of the policy. Raises ApiProblem and
    InvalidRequest."""
    organization, plans, usage = await subscription_usage.read(session, caller.organization)
    held = organization.subscription
    if held is None or usage is None or not plans:
        raise ApiProblem.of(NOT_SYNCED)
    if why := held.get(mirror.UNREADABLE):
        detail = (
            f"Your subscription in Stripe doesn't match any plan. {why['message']} Ask Plixo to correct it."
        )
        raise ApiProblem(SUBSCRIPTION_UNSUPPORTED, detail, code=why["code"])
    current = Terms.model_validate({name: held[name] for name in Terms.model_fields})
    add_ons = await mirror.add_ons(session) if wanted.add_ons or current.others else []
    validate_change(current, wanted, plan_on_sale(plans, wanted.plan), usage, add_ons, offered)
    return organization


async def check_revision(
    session: AsyncSession,
    caller: Caller,
    wanted: PlanChangeRequest,
    offered: Sequence[str],
    operation: str,
) -> None:
    """As `check_by_mirror`; one that takes the place of another still comes at the end of the period.

    Raises ApiProblem, InvalidRequest and Conflict `plan_change_open`.
    """
    organization = await check_by_mirror(session, caller, wanted, offered)
    in_progress = await operations.changing_subscription(session, organization.id)
    others = [one for one in in_progress if one.id != operation]
    if others and replaceable(wanted, others) is None:
        raise operations.subscription_taken(others[-1], Kind.PLAN_CHANGE)


def replaceable(wanted: PlanChangeRequest, in_progress: Sequence[Operation]) -> Operation | None:
    """Of what holds the subscription, the plan change whose place this may take: nothing else does, and it
    waits for the end of the period, at which this one is to come as well."""
    match in_progress:
        case [waiting] if operations.waits(waiting) and wanted.effective == "period_end":
            return waiting
    return None
