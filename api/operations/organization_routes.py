"""The caller's organization against its plan's limits, and the plans that there are."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.plan_changes.limits import LimitCheck, Usage, check_limits
from billing.plan_changes.plans import Plan
from db.core.pages import FewRows
from db.mirror import mirror, subscription_usage
from db.operations import operations
from db.tables import Operation

from ..http.auth import AnyCaller, Caller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.models import ListOf, OrganizationAnswer, PlanAnswer, StripeIds
from ..http.openapi import answers
from ..problems.problem import ApiProblem
from . import views
from .problems import NOT_SYNCED
from .schemas import PlansQuery

router = APIRouter(prefix="/v1", tags=["Organization"])


@router.get(
    "/organization",
    summary="Read your organization",
    responses=answers({200: example("operations/organization")}, NOT_SYNCED),
)
async def read_organization(caller: AnyCaller, context: InContext) -> OrganizationAnswer:
    """The plan as last read from Stripe, and current usage against its limits.

    `ar_balance` is in minor units of the plan's currency; `allowed` is null where there is no limit. If the
    subscription in Stripe does not match a plan, `unsupported` says why, and the other fields keep their last
    known values.
    """
    async with context.database.reading() as session:
        return (await organization_and_change(session, caller))[0]


async def organization_and_change(
    session: AsyncSession, caller: Caller
) -> tuple[OrganizationAnswer, Operation | None]:
    """With the plan change that is open. Raises ApiProblem `not_synced`."""
    row, plans, usage = await subscription_usage.read(session, caller.organization)
    held = row.subscription
    if held is None or usage is None:
        raise ApiProblem.of(NOT_SYNCED)
    unreadable = held.get(mirror.UNREADABLE)
    plan = next((plan for plan in plans if plan.plan == held.get("plan")), None)
    if plan is None and unreadable is None:
        raise ApiProblem.of(NOT_SYNCED)
    change = await operations.open_plan_change(session, row.id)
    answer = OrganizationAnswer(
        id=row.id,
        name=row.name,
        plan=plan.plan if plan else None,
        seats=held.get("seats"),
        interval=held.get("interval"),
        renews_at=datetime.fromtimestamp(held["period_end"], UTC) if "period_end" in held else None,
        limits=list(_limits(plan, held, usage)) if plan else [],
        unsupported=unreadable,
        pending_change=change.id if change else None,
        stripe=StripeIds(customer=row.stripe_customer, subscription=row.stripe_subscription),
        synced_at=row.synced_at,
    )
    return answer, change


def _limits(plan: Plan, held: Mapping[str, Any], usage: Usage) -> Sequence[LimitCheck]:
    price = next((price for price in plan.prices if price.id == held["price"]), None)
    return check_limits(plan, price, held["seats"], usage)


@router.get(
    "/plans",
    summary="List plans",
    response_model=ListOf[PlanAnswer],
    responses=list_answers("operations/plan", PlanAnswer),
)
async def list_plans(
    query: Annotated[PlansQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Sorted by name. A limit is null where there is none; `ar_balance` is in minor units of the price's
    currency.

    For a plan that is set up incorrectly in Stripe, or no longer sold, `unavailable` gives the reason. The
    others can be requested.
    """
    async with context.database.reading() as session:
        plans = FewRows(await mirror.plans(session), lambda plan: plan.plan, query.sort)
    show = views.each(PlanAnswer.model_validate)
    return await answer_list(request, context, query, plans, show, PlanAnswer)
