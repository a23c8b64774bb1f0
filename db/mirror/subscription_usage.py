"""An organization's subscription, the plans that there are, and what it uses, in one query."""

from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, bindparam, func, literal, true
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.plan_changes.limits import Usage
from billing.plan_changes.plans import Plan

from ..tables import Customer, Invoice, Organization, Person, PlanRow


class SubscriptionUsage(NamedTuple):
    """`usage` is None while the subscription has not been read from Stripe, and only then."""

    organization: Organization
    plans: list[Plan]
    usage: Usage | None


async def read(session: AsyncSession, organization_id: str) -> SubscriptionUsage:
    """An organization with every plan, by name, and its usage in its subscription's currency.

    Raises LookupError when there is none.
    """
    rows = (await session.exec(_WITH_USAGE, params={"organization": organization_id})).all()
    if not rows:
        raise LookupError(f"no organization {organization_id}")
    organization, _, seats, customers, balance = rows[0]
    held = organization.subscription
    return SubscriptionUsage(
        organization,
        [Plan.model_validate(plan.document) for _, plan, *_ in rows if plan is not None],
        Usage(seats=seats, customers=customers, ar_balance=int(balance), currency=held["currency"])
        if held
        else None,
    )


async def usage_and_plans(
    session: AsyncSession, organization_id: str, currency: str
) -> tuple[Usage, list[Plan]]:
    """As `usage`, with every plan, by name."""
    asked = {"organization": organization_id, "currency": currency}
    rows = (await session.exec(_USAGE_AND_PLANS, params=asked)).all()
    _, seats, customers, balance = rows[0]
    plans = [Plan.model_validate(document) for document, *_ in rows if document is not None]
    return Usage(seats=seats, customers=customers, ar_balance=int(balance), currency=currency), plans


async def usage(session: AsyncSession, organization_id: str, currency: str) -> Usage:
    """What an organization uses of its plan: active people, customers, and what its open invoices in
    `currency` leave unpaid, in minor units.
    """
    asked = {"organization": organization_id, "currency": currency}
    row = (await session.exec(_USAGE, params=asked)).one()
    return Usage(seats=row[0], customers=row[1], ar_balance=int(row[2]), currency=currency)


def _with_usage() -> Any:
    ours: BindParameter[str] = bindparam("organization")
    subscription: Any = col(Organization.subscription)
    held = select(subscription["currency"].as_string()).where(col(Organization.id) == ours).scalar_subquery()
    return (
        select(Organization, PlanRow)
        .outerjoin(PlanRow, true())
        .add_columns(*_usage_columns(ours, held))
        .where(col(Organization.id) == ours)
        .order_by(col(PlanRow.plan))
    )


def _usage_columns(organization: Any, currency: Any) -> tuple[ColumnElement[int], ColumnElement[int], Any]:
    """Active people, customers, and what open invoices in `currency` leave unpaid, in minor units."""
    seats = _count(Person.id, col(Person.organization_id) == organization, col(Person.active))
    customers = _count(
        Customer.id, col(Customer.organization_id) == organization, col(Customer.deleted).is_(False)
    )
    balance = (
        select(func.coalesce(func.sum(Invoice.amount_remaining), 0))
        .where(
            col(Invoice.organization_id) == organization,
            Invoice.status == "open",
            col(Invoice.currency) == currency,
        )
        .scalar_subquery()
    )
    return seats, customers, balance


def _count(key: Any, *conditions: Any) -> ColumnElement[int]:
    return select(func.count(key)).where(*conditions).scalar_subquery()


# Made once: building a statement costs more than carrying it out.
_WITH_USAGE = _with_usage()
_USAGE = select(*_usage_columns(bindparam("organization"), bindparam("currency")))
_USAGE_AND_PLANS: Any = (
    select(col(PlanRow.document), *_usage_columns(bindparam("organization"), bindparam("currency")))
    .select_from(select(literal(1).label("one")).subquery())
    .outerjoin(PlanRow, true())
    .order_by(col(PlanRow.plan))
)
