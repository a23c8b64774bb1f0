"""Where an organization stands: its subscription, the plans that there are and what it uses, in one query."""

from typing import Any, NamedTuple

from sqlalchemy import BindParameter, bindparam, true
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.plan_changes.limits import Usage
from billing.plan_changes.plans import Plan

from ..tables import Organization, PlanRow
from . import usage


class Standing(NamedTuple):
    """`usage` is None while the subscription has not been read from Stripe, and only then."""

    organization: Organization
    plans: list[Plan]
    usage: Usage | None


async def read(session: AsyncSession, organization_id: str) -> Standing:
    """An organization with every plan, by name, and its usage in its subscription's currency.

    Raises LookupError when there is none.
    """
    rows = (await session.exec(_STANDING, params={"organization": organization_id})).all()
    if not rows:
        raise LookupError(f"no organization {organization_id}")
    organization, _, seats, customers, balance = rows[0]
    held = organization.subscription
    return Standing(
        organization,
        [Plan.model_validate(plan.document) for _, plan, *_ in rows if plan is not None],
        Usage(seats=seats, customers=customers, ar_balance=int(balance), currency=held["currency"])
        if held
        else None,
    )


def _standing_statement() -> Any:
    ours: BindParameter[str] = bindparam("organization")
    subscription: Any = col(Organization.subscription)
    held = select(subscription["currency"].as_string()).where(col(Organization.id) == ours).scalar_subquery()
    return (
        select(Organization, PlanRow)
        .outerjoin(PlanRow, true())
        .add_columns(*usage.columns(ours, held))
        .where(col(Organization.id) == ours)
        .order_by(col(PlanRow.plan))
    )


# Made once: building the statement costs more than carrying it out.
_STANDING = _standing_statement()
