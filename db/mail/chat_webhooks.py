"""The webhooks of an organization's chats, and what is to be posted to them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mail.chat import ChatPost
from billing.mail.messages import MailRequest

from ..operations import outbox
from ..tables import ChatWebhook


async def tell(session: AsyncSession, mails: Collection[MailRequest], at: datetime) -> None:
    """Have what these mails tell posted to their organizations' chats too, once each."""
    for post in await to_tell(session, mails):
        await outbox.post(session, post, at=at)


async def to_tell(session: AsyncSession, mails: Collection[MailRequest]) -> list[ChatPost]:
    """What is to be posted to the organizations' chats of what these mails tell."""
    by_organization = {mail.organization: mail for mail in mails}
    found = await session.exec(
        select(ChatWebhook)
        .where(
            col(ChatWebhook.organization_id).in_(by_organization.keys()),
            col(ChatWebhook.disabled_at).is_(None),
        )
        .order_by(col(ChatWebhook.id))
    )
    return [ChatPost(webhook=webhook.id, mail=by_organization[webhook.organization_id]) for webhook in found]


def live_of(organization: Any) -> Any:
    """A statement: the organization's webhooks to which something is posted."""
    return select(ChatWebhook.id).where(
        col(ChatWebhook.organization_id) == organization, col(ChatWebhook.disabled_at).is_(None)
    )


async def live(session: AsyncSession, webhook_id: str) -> ChatWebhook | None:
    """The webhook, unless it is gone or has refused a message."""
    found = await session.get(ChatWebhook, webhook_id)
    return found if found is not None and found.disabled_at is None else None


async def disable(session: AsyncSession, webhook_id: str, *, status: int, at: datetime) -> bool:
    """Post nothing to it any more, because it answered so; False where that was known."""
    disabled = await session.exec(
        update(ChatWebhook)
        .where(col(ChatWebhook.id) == webhook_id, col(ChatWebhook.disabled_at).is_(None))
        .values(disabled_at=at, refused_with=status)
        .execution_options(synchronize_session=False)
    )
    return bool(disabled.rowcount)


async def of_organization(session: AsyncSession, organization_id: str) -> list[ChatWebhook]:
    found = await session.exec(
        select(ChatWebhook)
        .where(ChatWebhook.organization_id == organization_id)
        .order_by(col(ChatWebhook.id))
    )
    return list(found)
