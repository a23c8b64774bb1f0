"""Links to the mini-portal. Whoever holds a token of a link sees its invoice; only hashes are kept."""

import base64
import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.pages import PagedRows, order
from ..core.statements import is_sqlite
from ..tables import Invoice, PortalLink, PortalToken, new_id

State = Literal["live", "expired", "revoked", "replaced"]
LinkSort = Literal["created_at", "-created_at", "expires_at", "-expires_at"]

_KEYS: Mapping[str, tuple[Any, ...]] = {
    "created_at": (col(PortalLink.created_at), col(PortalLink.id)),
    "expires_at": (col(PortalLink.expires_at), col(PortalLink.id)),
}

TOKEN_BYTES = 32
"""256 bits; nobody guesses them, so a plain SHA-256 is enough to keep."""


def hash_token(plain: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(plain.encode()).hexdigest()


def page_id(plain: str) -> str:
    """What the address of a token's page is called: no secret, and nothing can be learned from it.

    Every token has one, also those that were never ours, so it tells nobody which is which.
    """
    digest = hashlib.sha256(f"page of {plain}".encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def state_of(link: PortalLink, at: datetime) -> State:
    """Whether the link opens at this time, or why not."""
    if link.end_reason is not None:
        return "revoked" if link.end_reason == "revoked" else "replaced"
    return "live" if at < link.expires_at else "expired"


async def issue(
    session: AsyncSession,
    *,
    organization_id: str,
    customer_id: str,
    invoice_id: str,
    by: str,
    reason: str,
    at: datetime,
    expires_at: datetime,
    operation_id: str | None = None,
) -> PortalLink:
    """A new link to an invoice; the one before it, if it was not ended, is `replaced`.

    Of two at the same moment the second replaces the first.
    """
    await lock(session, invoice_id)
    await _end(session, PortalLink.invoice_id == invoice_id, by=by, reason="replaced", at=at)
    link = PortalLink(
        id=new_id("plk"),
        organization_id=organization_id,
        customer_id=customer_id,
        invoice_id=invoice_id,
        issued_by=by,
        reason=reason,
        operation_id=operation_id,
        created_at=at,
        expires_at=expires_at,
    )
    session.add(link)
    await session.flush()
    return link


async def add_token(session: AsyncSession, link_id: str, *, at: datetime) -> str:
    """A new token of the link, as it stands in an address: it can't be shown again."""
    plain = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(PortalToken(token_hash=hash_token(plain), link_id=link_id, created_at=at))
    await session.flush()
    return plain


async def add_tokens(session: AsyncSession, wanted: Sequence[tuple[str, str]], *, at: datetime) -> list[str]:
    """As `add_token`, for many pairs of a link's and a mail's id at once."""
    plain = [secrets.token_urlsafe(TOKEN_BYTES) for _ in wanted]
    session.add_all(
        PortalToken(token_hash=hash_token(one), link_id=link, mail_id=mail, created_at=at)
        for one, (link, mail) in zip(plain, wanted, strict=True)
    )
    await session.flush()
    return plain


async def find(session: AsyncSession, plain: str) -> PortalLink | None:
    """The link that a token is of, whatever its state."""
    found = await session.exec(
        select(PortalLink)
        .join(PortalToken, col(PortalToken.link_id) == col(PortalLink.id))
        .where(PortalToken.token_hash == hash_token(plain))
    )
    return found.one_or_none()


async def get(session: AsyncSession, organization_id: str, link_id: str) -> PortalLink | None:
    """The link, if it is this organization's."""
    link = await session.get(PortalLink, link_id)
    return link if link and link.organization_id == organization_id else None


async def live(session: AsyncSession, invoice_id: str) -> PortalLink | None:
    """The invoice's link that was not ended; it may have expired."""
    found = await session.exec(
        select(PortalLink).where(PortalLink.invoice_id == invoice_id, col(PortalLink.ended_at).is_(None))
    )
    return found.one_or_none()


async def live_of(session: AsyncSession, invoice_ids: Collection[str]) -> dict[str, PortalLink]:
    """As `live`, of many invoices: by their ids."""
    found = await session.exec(
        select(PortalLink).where(
            col(PortalLink.invoice_id).in_(invoice_ids), col(PortalLink.ended_at).is_(None)
        )
    )
    return {link.invoice_id: link for link in found}


async def of_invoice(session: AsyncSession, organization_id: str, invoice_id: str) -> list[PortalLink]:
    """Every link there was, the newest first."""
    found = await session.exec(
        select(PortalLink)
        .where(PortalLink.invoice_id == invoice_id, PortalLink.organization_id == organization_id)
        .order_by(col(PortalLink.created_at).desc(), col(PortalLink.id).desc())
    )
    return list(found)


def paged(
    organization_id: str,
    *,
    customer_id: str | None = None,
    invoice_id: str | None = None,
    sort: LinkSort = "-created_at",
) -> PagedRows[PortalLink]:
    """The links to a customer's invoices, or to one invoice, those that have ended too."""
    rows = select(PortalLink).where(PortalLink.organization_id == organization_id)
    if customer_id is not None:
        rows = rows.where(PortalLink.customer_id == customer_id)
    if invoice_id is not None:
        rows = rows.where(PortalLink.invoice_id == invoice_id)
    return PagedRows(rows, *order(_KEYS, sort))


async def revoke(
    session: AsyncSession, link_id: str, *, by: str, at: datetime, note: str | None = None
) -> bool:
    """End a link, and keep why; False if it had been ended before."""
    return await _end(session, PortalLink.id == link_id, by=by, reason="revoked", at=at, note=note)


async def count_open(session: AsyncSession, link_id: str, *, at: datetime) -> None:
    """The customer got in by this link."""
    await session.exec(
        update(PortalLink)
        .where(col(PortalLink.id) == link_id)
        .values(
            opens=col(PortalLink.opens) + 1,
            first_opened_at=func.coalesce(col(PortalLink.first_opened_at), at),
            last_opened_at=at,
        )
        .execution_options(synchronize_session=False)
    )


async def _end(
    session: AsyncSession, which: object, *, by: str, reason: str, at: datetime, note: str | None = None
) -> bool:
    ended = await session.exec(
        update(PortalLink)
        .where(which, col(PortalLink.ended_at).is_(None))  # type: ignore[arg-type]
        .values(ended_at=at, ended_by=by, end_reason=reason, end_note=note)
        .execution_options(synchronize_session="fetch")
    )
    return bool(ended.rowcount)


async def lock(session: AsyncSession, invoice_id: str) -> None:
    """Of an invoice's links only one is live: whoever issues one waits for whoever is just doing so."""
    if not is_sqlite(session):
        await session.exec(select(Invoice.id).where(Invoice.id == invoice_id).with_for_update(key_share=True))
