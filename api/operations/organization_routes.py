"""The caller's organization against its plan's limits, and the plans that there are."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.core.operations import Problem
from billing.plan_changes.limits import LimitCheck, Usage, check_limits
from billing.plan_changes.obstacles import OWING, OpenInvoice, SubscriptionState, in_the_way
from billing.plan_changes.plans import Plan
from db.core.pages import FewRows
from db.mirror import bills, mirror, subscription_usage
from db.operations import operations
from db.tables import Operation, Organization

from ..http.auth import AnyCaller, Caller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.models import ListOf, ObstacleAnswer, OrganizationAnswer, StripeIds
from ..http.openapi import answers
from ..problems.problem import ApiProblem
from . import views
from .problems import NOT_SYNCED
from .schemas import AddOnAnswer, AddOnsQuery, PlanAnswer, PlansQuery

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
    """With the plan change or cancellation that is open, the newer one where it is to take another's place.

    Raises ApiProblem `not_synced`.
    """
    row, plans, usage = await subscription_usage.read(session, caller.organization)
    held = row.subscription
    if held is None or usage is None:
        raise ApiProblem.of(NOT_SYNCED)
    unreadable = held.get(mirror.UNREADABLE)
    plan = next((plan for plan in plans if plan.plan == held.get("plan")), None)
    if plan is None and unreadable is None:
        raise ApiProblem.of(NOT_SYNCED)
    change = next(reversed(await operations.changing_subscription(session, row.id)), None)
    answer = OrganizationAnswer(
        id=row.id,
        name=row.name,
        plan=plan.plan if plan else None,
        seats=held.get("seats"),
        interval=held.get("interval"),
        renews_at=datetime.fromtimestamp(held["period_end"], UTC) if "period_end" in held else None,
        ends_at=datetime.fromtimestamp(held["cancel_at"], UTC) if held.get("cancel_at") else None,
        others=held.get("others", []),
        limits=list(_limits(plan, held, usage)) if plan else [],
        unsupported=unreadable["message"] if unreadable else None,
        obstacles=[
            ObstacleAnswer(**one.model_dump()) for one in await _obstacles(session, row, held, change)
        ],
        pending_change=change.id if change else None,
        stripe=StripeIds(customer=row.stripe_customer, subscription=row.stripe_subscription),
        synced_at=row.synced_at,
    )
    return answer, change


async def _obstacles(
    session: AsyncSession, organization: Organization, held: Mapping[str, Any], change: Operation | None
) -> Sequence[Problem]:
    """What stands in the way of any plan change, by the mirror; not the schedule of our own open `change`."""
    if (unreadable := held.get(mirror.UNREADABLE)) is not None:
        return [Problem.model_validate(unreadable)]
    said = {name: held[name] for name in SubscriptionState.model_fields if name in held}
    state = SubscriptionState.model_validate(said)
    if state.status in OWING and (owed := await bills.newest_unpaid(session, organization.id)) is not None:
        remaining = Money(amount_minor=owed.amount_remaining, currency=owed.currency)
        invoice = OpenInvoice(id=owed.id, number=owed.number, remaining=remaining)
        state = state.model_copy(update={"open_invoice": invoice})
    if change is not None:
        state = state.model_copy(update={"schedule": None})
    return in_the_way(state)


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


@router.get(
    "/add-ons",
    summary="List add-ons",
    response_model=ListOf[AddOnAnswer],
    responses=list_answers("operations/add_on", AddOnAnswer),
)
async def list_add_ons(
    query: Annotated[AddOnsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Those that the policy offers beside a plan, sorted by their short names."""
    offered = context.policy.plan_change.add_ons
    async with context.database.reading() as session:
        there = [one for one in await mirror.add_ons(session) if one.add_on in offered]
    add_ons = FewRows(there, lambda add_on: add_on.add_on, query.sort)
    show = views.each(AddOnAnswer.model_validate)
    return await answer_list(request, context, query, add_ons, show, AddOnAnswer)
