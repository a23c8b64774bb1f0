"""From which networks an organization's customers may open links: rules, with who made them and why."""

from collections.abc import Collection, Mapping
from datetime import datetime
from ipaddress import ip_network
from typing import Any, Literal

from sqlalchemy import or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.portal.networks import Action, Rule

from ..core.pages import PagedRows, order
from ..tables import PortalNetwork

NetworkSort = Literal["created_at", "-created_at", "network", "-network"]

_KEYS: Mapping[str, tuple[Any, ...]] = {
    "created_at": (col(PortalNetwork.id),),  # ids are in the order in which they were made
    "network": (col(PortalNetwork.network), col(PortalNetwork.id)),
}


async def same_network(session: AsyncSession, row: PortalNetwork) -> PortalNetwork | None:
    """The rule in force for this network and these customers, whatever it does with them.

    Whoever adds one unless there is one holds `lock`.
    """
    found = await session.exec(
        select(PortalNetwork).where(
            PortalNetwork.organization_id == row.organization_id,
            col(PortalNetwork.customer_id).is_not_distinct_from(row.customer_id),
            PortalNetwork.network == row.network,
            col(PortalNetwork.removed_at).is_(None),
        )
    )
    return found.first()


async def get(session: AsyncSession, organization_id: str, network_id: str) -> PortalNetwork | None:
    """The rule, removed or not, if it is this organization's."""
    found = await session.get(PortalNetwork, network_id)
    return found if found and found.organization_id == organization_id else None


def paged(
    organization_id: str,
    *,
    removed: bool = False,
    customer_id: str | None = None,
    sort: NetworkSort = "-created_at",
) -> PagedRows[PortalNetwork]:
    """An organization's rules in force, or those that were removed. With `customer_id` those that hold for
    this customer: its own and the organization's."""
    gone = col(PortalNetwork.removed_at)
    wanted = select(PortalNetwork).where(
        PortalNetwork.organization_id == organization_id, gone.is_not(None) if removed else gone.is_(None)
    )
    if customer_id is not None:
        own = col(PortalNetwork.customer_id)
        wanted = wanted.where(or_(own.is_(None), own == customer_id))
    return PagedRows(wanted, *order(_KEYS, sort))


async def remove(session: AsyncSession, network_id: str, *, by: str, at: datetime) -> PortalNetwork:
    """Take a rule away at once; the first to do so stays. Returns it as it then is.

    Raises LookupError when there is none.
    """
    await session.exec(
        update(PortalNetwork)
        .where(col(PortalNetwork.id) == network_id, col(PortalNetwork.removed_at).is_(None))
        .values(removed_by=by, removed_at=at)
        .execution_options(synchronize_session=False)
    )
    row = await session.get(PortalNetwork, network_id, populate_existing=True)
    if row is None:
        raise LookupError(network_id)
    return row


async def rules_for(
    session: AsyncSession, organization_id: str, customer_id: str
) -> tuple[list[Rule], list[Rule]]:
    """The rules in force for a customer's links: its own, and the organization's for everybody.

    As `billing.portal.networks.verdict` takes them.
    """
    found = await session.exec(
        select(PortalNetwork)
        .where(
            PortalNetwork.organization_id == organization_id,
            or_(col(PortalNetwork.customer_id).is_(None), col(PortalNetwork.customer_id) == customer_id),
            col(PortalNetwork.removed_at).is_(None),
        )
        .order_by(col(PortalNetwork.id))
    )
    rows = found.all()
    own = [rule_of(row) for row in rows if row.customer_id is not None]
    return own, [rule_of(row) for row in rows if row.customer_id is None]


async def made_at(session: AsyncSession, ids: Collection[str]) -> dict[str, datetime]:
    """When each of these rules was made."""
    if not ids:
        return {}
    found = await session.exec(
        select(PortalNetwork.id, PortalNetwork.created_at).where(col(PortalNetwork.id).in_(ids))
    )
    return dict(found.all())


def rule_of(row: PortalNetwork) -> Rule:
    action: Action = "allow" if row.action == "allow" else "block"
    return Rule(action, ip_network(row.network), row.id)
