"""Whether a customer can be written to."""

from typing import Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from . import mirror
from .tables import CustomerSettings


async def usable(
    session: AsyncSession, organization_id: str, customer_id: str
) -> Literal["usable", "none", "bounced"]:
    """`bounced` only while the address is still the one that was refused for good."""
    customer = await mirror.customer(session, organization_id, customer_id)
    if customer is None or not customer.email:
        return "none"
    settings = await session.get(CustomerSettings, customer_id)
    bounced = settings is not None and settings.bounced_address == customer.email
    return "bounced" if bounced else "usable"
