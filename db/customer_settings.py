"""What we know of a customer beside Stripe; a row comes into being with the first thing that is known."""

from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from .statements import insert_into
from .tables import CustomerSettings


async def change(
    session: AsyncSession,
    *,
    customer_id: str,
    organization_id: str,
    by: str,
    at: datetime,
    **values: Any,
) -> None:
    """Set these columns of the customer's; the others stay as they are."""
    changed = {**values, "updated_at": at, "updated_by": by}
    insert = insert_into(session, CustomerSettings).values(
        customer_id=customer_id, organization_id=organization_id, **changed
    )
    await session.exec(insert.on_conflict_do_update(index_elements=["customer_id"], set_=changed))


async def note_bounce(
    session: AsyncSession,
    *,
    customer_id: str,
    organization_id: str,
    address: str,
    code: int | None,
    at: datetime,
) -> None:
    """The mail server refuses the customer's address for good (SMTP 5xx, RFC 5321 section 4.2.1)."""
    await change(
        session,
        customer_id=customer_id,
        organization_id=organization_id,
        by="system",
        at=at,
        bounced_at=at,
        bounced_address=address,
        bounce_code=code,
    )
