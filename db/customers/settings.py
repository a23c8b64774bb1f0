"""What we know of a customer beside Stripe; a row comes into being with the first thing that is known."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import update
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import SYSTEM

from ..core.statements import insert_into, is_sqlite
from ..tables import Customer, CustomerSettings, Organization

LiftedWhy = Literal["person", "mail_taken", "server_refused_everybody"]
"""Who lifted a bounce: a person, a mail that the server took, or that it refused everybody at that time."""


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


async def lift_bounce(
    session: AsyncSession, customer_id: str, *, address: str, by: str, why: LiftedWhy, at: datetime
) -> None:
    """The customer is written to again at this address; another one that was refused stays so."""
    await session.exec(
        update(CustomerSettings)
        .where(
            col(CustomerSettings.customer_id) == customer_id, col(CustomerSettings.bounced_address) == address
        )
        .values(**lifted(by=by, why=why, at=at))
        .execution_options(synchronize_session=False)
    )


async def lift_bounces_since(session: AsyncSession, since: datetime, *, why: LiftedWhy, at: datetime) -> None:
    """Of all customers: who was refused from `since` on is written to again."""
    await session.exec(
        update(CustomerSettings)
        .where(col(CustomerSettings.bounced_at) >= since)
        .values(**lifted(by=SYSTEM, why=why, at=at))
        .execution_options(synchronize_session=False)
    )


def lifted(*, by: str, why: LiftedWhy, at: datetime) -> dict[str, Any]:
    """The columns of a bounce that is lifted, by whom and why."""
    return {
        "bounced_at": None,
        "bounced_address": None,
        "bounce_code": None,
        "bounce_lifted_at": at,
        "bounce_lifted_by": by,
        "bounce_lifted_why": why,
        "updated_at": at,
        "updated_by": by,
    }


async def set_reminders(
    session: AsyncSession, *, customer_id: str, organization_id: str, wanted: bool, by: str, at: datetime
) -> None:
    """Whether the customer wants to be reminded; the first time of not wanting to stays."""
    insert = insert_into(session, CustomerSettings).values(
        customer_id=customer_id,
        organization_id=organization_id,
        opted_out_at=None if wanted else at,
        opted_out_by=None if wanted else by,
        updated_at=at,
        updated_by=by,
    )
    new, kept = insert.excluded, CustomerSettings
    await session.exec(
        insert.on_conflict_do_update(
            index_elements=["customer_id"],
            set_={
                "opted_out_at": None if wanted else func.coalesce(col(kept.opted_out_at), new.opted_out_at),
                "opted_out_by": None if wanted else func.coalesce(col(kept.opted_out_by), new.opted_out_by),
                "updated_at": at,
                "updated_by": by,
            },
        )
    )


async def locked(
    session: AsyncSession, organization_id: str, customer_id: str, *, by: str, at: datetime
) -> CustomerSettings:
    """The customer's row for who changes it, or a new one; who changes it too waits."""
    if not is_sqlite(session):
        await session.exec(
            select(Customer.id).where(Customer.id == customer_id).with_for_update(key_share=True)
        )
    row = await session.get(CustomerSettings, customer_id, populate_existing=True)
    return row or CustomerSettings(
        customer_id=customer_id, organization_id=organization_id, updated_at=at, updated_by=by
    )


async def with_settings(
    session: AsyncSession, organization_id: str, customer_id: str
) -> tuple[Customer, Organization, CustomerSettings | None] | None:
    """The customer, deleted or not, with whose it is and what was set for it; None if it is another's."""
    found = await session.exec(
        select(Customer, Organization, CustomerSettings)
        .join(Organization, col(Organization.id) == Customer.organization_id)
        .join(CustomerSettings, col(CustomerSettings.customer_id) == Customer.id, isouter=True)
        .where(Customer.id == customer_id, Customer.organization_id == organization_id)
    )
    row = found.one_or_none()
    return None if row is None else (row[0], row[1], row[2])
