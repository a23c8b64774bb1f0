"""The caller's organization against its plan's limits, and the plans that there are."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from billing.limits import check_limits
from billing.plans import find_plan
from db import mirror, operations, standing

from . import examples, views
from .auth import AnyCaller
from .context import InContext
from .models import Listed, OrganizationAnswer, PlanAnswer, StripeIds
from .models import Query as ListQuery
from .openapi import answers
from .problems import ApiProblem

router = APIRouter(prefix="/v1", tags=["Organization"])


@router.get(
    "/organization",
    summary="Read your organization",
    responses=answers({200: examples.ORGANIZATION}, "not_synced"),
)
async def read_organization(who: AnyCaller, context: InContext) -> OrganizationAnswer:
    """The plan as last read from Stripe, and what is in use now against its limits.

    `ar_balance` is in minor units of the plan's currency; `allowed` of null is unlimited.
    """
    async with context.database.reading() as session:
        row, plans, usage = await standing.read(session, who.organization)
        held = row.subscription
        if held is None or usage is None or all(plan.plan != held["plan"] for plan in plans):
            raise ApiProblem.usual("not_synced")
        plan = find_plan(plans, held["plan"])
        price = next((price for price in plan.prices if price.id == held["price"]), None)
        change = await operations.open_plan_change(session, row.id)
    return OrganizationAnswer(
        id=row.id,
        name=row.name,
        plan=plan.plan,
        seats=held["seats"],
        interval=held["interval"],
        renews_at=datetime.fromtimestamp(held["period_end"], UTC),
        limits=list(check_limits(plan, price, held["seats"], usage)),
        pending_change=change.id if change else None,
        stripe=StripeIds(customer=row.stripe_customer, subscription=row.stripe_subscription),
        synced_at=row.synced_at,
    )


@router.get(
    "/plans",
    summary="List the plans",
    responses=answers({200: examples.listed(examples.PLAN)}, "invalid_request", "invalid_cursor"),
)
async def list_plans(
    query: Annotated[ListQuery, Query()], who: AnyCaller, context: InContext
) -> Listed[PlanAnswer]:
    """By name. A limit of null is unlimited; `ar_balance` is in minor units of the price's currency."""
    async with context.database.reading() as session:
        plans = await mirror.plans(session)
    return views.sliced(plans, lambda plan: plan.plan, PlanAnswer.model_validate, query.limit, query.cursor)
