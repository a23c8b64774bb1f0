"""Whether, and how, a customer can be written to."""

from typing import Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.customers import Correspondent, Whereabouts, correspondent

from ..mirror import mirror
from ..tables import Customer, CustomerSettings, Organization


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


def written_to(home: Organization, customer: Customer, settings: CustomerSettings | None) -> Correspondent:
    """The customer as one writes to them; one that was deleted in Stripe has no address any more."""
    return correspondent(
        customer=customer.id,
        name=customer.name,
        email=None if customer.deleted else customer.email,
        settings=Whereabouts(settings.language, settings.zone, settings.country, settings.subdivision)
        if settings
        else Whereabouts(),
        stripe=Whereabouts(language=customer.language, country=customer.country),
        organization=Whereabouts(zone=home.zone, country=home.country, subdivision=home.subdivision),
    )
