"""Tells the admins of an organization that a limit of its plan is near, or reached: once each time it comes
to that, by what was told before.
"""

from datetime import datetime

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import Role
from billing.mail.messages import MailContext, MailRequest
from billing.plan_changes.limits import LimitReached, check_limits, crossed
from billing.plan_changes.obstacles import ENDED

from ..cases import subscription_cases
from ..operations import outbox
from ..tables import Organization
from . import subscription_usage

PAGE = 50
"""Organizations that are looked at by one activity."""


async def page(session: AsyncSession, after: str) -> list[str]:
    """The next organizations' ids, in their order."""
    wanted = select(Organization.id).where(col(Organization.id) > after).order_by(col(Organization.id))
    return list(await session.exec(wanted.limit(PAGE)))


async def tell(session: AsyncSession, organization_id: str, at: datetime) -> None:
    """Of each limit of the organization's plan that was crossed since it was last looked at."""
    await subscription_cases.lock(session, organization_id)
    organization, plans, usage = await subscription_usage.read(session, organization_id)
    held = organization.subscription or {}
    plan = next((plan for plan in plans if plan.plan == held.get("plan")), None)
    if plan is None or usage is None or held.get("status") in ENDED:
        return
    price = next((price for price in plan.prices if price.id == held["price"]), None)
    if price is not None and price.currency != usage.currency:
        return  # its limit of the AR balance is in no currency that it uses
    told = organization.limits_told or {}
    news, now = crossed(check_limits(plan, price, held["seats"], usage), told, usage.currency)
    if now == told:
        return
    await session.exec(
        update(Organization)
        .where(col(Organization.id) == organization_id)
        .values(limits_told=now)
        .execution_options(synchronize_session=False)
    )
    for one in news:
        await _mail(session, organization_id, one, at)


async def _mail(session: AsyncSession, organization: str, reached: LimitReached, at: datetime) -> None:
    key = f"{organization}-limit-{reached.name}-{reached.percent}-{int(at.timestamp())}"
    request = MailRequest(
        organization=organization,
        operation="",
        key=key,
        template="limit_near",
        roles=(Role.BILLING_ADMIN,),
        context=MailContext(limit=reached),
    )
    await outbox.mail(session, request, at=at)
