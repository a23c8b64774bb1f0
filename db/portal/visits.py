"""Who was at an invoice's page, or tried to be: kept for whoever asks why a customer can't get in.

Only tokens that are, or were, ours get here; what anybody else sends leaves no rows.
"""

from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, func, select, text
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.text import one_line

from ..core.statements import is_sqlite
from ..tables import PortalAccess, PortalLink, new_id

FAILED = ("expired", "revoked", "replaced", "blocked")
"""The outcomes of visits that the customer can do nothing about; that we are unavailable is known anyway."""
ASKED = "asked"
LONGEST_AGENT = 200
"""Characters kept of a browser's User-Agent."""

_ADDRESS_LOCK = 0x504C41
"""The class of locks on addresses, beside which PostgreSQL's other advisory locks have their own."""


async def note(
    session: AsyncSession,
    *,
    link: PortalLink,
    at: datetime,
    address: str,
    outcome: str,
    agent: str | None = None,
    invoice_id: str | None = None,
) -> PortalAccess:
    """Keep what came of a visit by this link, to another invoice of its customer if that is given."""
    access = PortalAccess(
        id=new_id("pac"),
        organization_id=link.organization_id,
        customer_id=link.customer_id,
        invoice_id=invoice_id or link.invoice_id,
        link_id=link.id,
        at=at,
        address=address,
        outcome=outcome,
        agent=_kept(agent) or None,
    )
    session.add(access)
    await session.flush()
    return access


async def forget_traces(session: AsyncSession, before: datetime, limit: int) -> int:
    """Forget from where and with what visits before then were made, at most `limit`; how many those were."""
    traced = await session.exec(
        select(PortalAccess.id)
        .where(PortalAccess.at < before, text("address <> ''"))  # as its index has it
        .order_by(col(PortalAccess.at))
        .limit(limit)
    )
    ids = list(traced)
    if ids:
        await session.exec(
            update(PortalAccess)
            .where(col(PortalAccess.id).in_(ids))
            .values(address="", agent=None)
            .execution_options(synchronize_session=False)
        )
    return len(ids)


async def failures(session: AsyncSession, link_id: str, since: datetime) -> int:
    """How often somebody with a token of this link was kept out, from `since` on."""
    found = await session.exec(
        select(func.count())
        .select_from(PortalAccess)
        .where(
            PortalAccess.link_id == link_id,
            PortalAccess.at >= since,
            col(PortalAccess.outcome).in_(FAILED),
        )
    )
    return found.one()


async def asks(session: AsyncSession, *, address: str, since: datetime) -> int:
    """How many new links were asked for from this address, from `since` on, whosever they were.

    Whoever counts in order to limit holds `lock_address`.
    """
    found = await session.exec(
        select(func.count())
        .select_from(PortalAccess)
        .where(
            PortalAccess.address == address,
            PortalAccess.at >= since,
            PortalAccess.outcome == ASKED,
        )
    )
    return found.one()


async def asked_since(session: AsyncSession, invoice_id: str, since: datetime) -> bool:
    """Whether a new link to the invoice was asked for, from `since` on."""
    found = await session.exec(
        select(PortalAccess.id)
        .where(
            PortalAccess.invoice_id == invoice_id,
            PortalAccess.at >= since,
            PortalAccess.outcome == ASKED,
        )
        .limit(1)
    )
    return found.first() is not None


async def lock_address(session: AsyncSession, address: str) -> None:
    """Until the transaction's end nobody else, in whatever process, counts and adds for this address.

    SQLite's transactions that write come one after the other anyway.
    """
    if not is_sqlite(session):
        await session.exec(
            text("SELECT pg_advisory_xact_lock(:kind, hashtext(:address))").bindparams(  # type: ignore[call-overload]
                kind=_ADDRESS_LOCK, address=address
            )
        )


def _kept(agent: str | None) -> str:
    """What of a header can be stored and shown: PostgreSQL takes no NUL."""
    return one_line(agent or "")[:LONGEST_AGENT]
