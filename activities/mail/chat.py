"""Posts to the chats of an organization what some of its people are mailed: decisions to make, and alerts."""

import logging
from datetime import datetime, timedelta

import httpx

from billing.cancellations.cancellation import CancellationSubject
from billing.core.money import Money
from billing.core.operations import Role
from billing.incidents.words import IncidentSubject
from billing.mail.chat import ChatKind, ChatMessage, ChatPost, payload
from billing.mail.messages import MailContext, MailRequest
from billing.money.credit import CreditSubject
from billing.money.refund import RefundSubject
from billing.money.waiver import WaiverSubject
from billing.plan_changes.subject import PlanChangeSubject
from billing.policy.phrases import roles
from db.approvals import approvals
from db.core.clock import Clock, utc_now
from db.core.session import Database
from db.mail import chat_webhooks
from db.operations import outbox
from db.tables import ChatWebhook

from . import records as mail_records
from .filters import moment
from .records import Mailing
from .render import MailTexts, shipped_texts, zone_of

log = logging.getLogger(__name__)

WITHIN = 10.0
"""Seconds for a webhook to answer."""


class ChatLater(Exception):
    """The message is to be posted again; `kind` is stable."""

    def __init__(self, kind: str, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.kind, self.message, self.retry_after = kind, message, retry_after


class ChatPosts:
    """A webhook's address is a secret: no error, log or history has it.

    A message links to a page that asks for sign-in and not to one person's link: a channel has many readers.
    """

    def __init__(
        self, database: Database, public_url: str, web: httpx.AsyncClient, clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._console = f"{public_url.rstrip('/')}/console"
        self._texts = shipped_texts(public_url)
        self._web = web
        self._clock = clock

    async def post_to_chat(self, post: ChatPost) -> bool:
        """Whether the chat took it; False where there is nothing to tell any more, or the webhook refused.

        One that refuses for good is disabled, and the billing admins are mailed. Raises ChatLater when it
        can't be reached or asks to come back.
        """
        async with self._database.reading() as session:
            webhook = await chat_webhooks.live(session, post.webhook)
            mailing = await mail_records.find(session, post.mail)
            about = post.mail.about
            waits = about is None or (await approvals.get_any(session, about)).state == approvals.OPEN
        if webhook is None or mailing is None or not waits:
            return False
        message = chat_message(post.mail, mailing, self._texts, self._console)
        status, retry_after = await self._send(webhook, payload(ChatKind(webhook.kind), message))
        if 200 <= status < 300:
            return True
        if status in (408, 429) or status >= 500:
            raise ChatLater("chat_later", f"The chat's webhook {webhook.id} answered {status}.", retry_after)
        await self._disable(webhook, status)
        return False

    async def _send(self, webhook: ChatWebhook, body: object) -> tuple[int, timedelta | None]:
        try:
            answer = await self._web.post(webhook.url, json=body, timeout=WITHIN)
        except httpx.HTTPError as error:
            why = f"The chat's webhook {webhook.id} can't be reached ({type(error).__name__})."
            raise ChatLater("chat_unreachable", why) from None
        after = answer.headers.get("retry-after", "")
        return answer.status_code, timedelta(seconds=int(after)) if after.isdigit() else None

    async def _disable(self, webhook: ChatWebhook, status: int) -> None:
        at = self._clock()
        async with self._database.transaction() as session:
            if not await chat_webhooks.disable(session, webhook.id, status=status, at=at):
                return
            mail = MailRequest(
                organization=webhook.organization_id,
                operation="",
                key=f"{webhook.id}:{int(at.timestamp())}",
                template="chat_disabled",
                roles=(Role.BILLING_ADMIN,),
                context=MailContext(why=f"{_NAMES[ChatKind(webhook.kind)]} answered {status}."),
            )
            await outbox.mail(session, mail, at=at)
        log.error("the chat webhook %s answered %s and is disabled", webhook.id, status)


_NAMES = {ChatKind.SLACK: "Slack", ChatKind.TEAMS: "Teams"}


def chat_message(mail: MailRequest, mailing: Mailing, texts: MailTexts, console: str) -> ChatMessage:
    """What a mail to many people says, in short. Its title is the mail's subject line."""
    title = texts.render(mail, mailing, mailing.organization).subject
    context = mail.context
    if isinstance(context.subject, IncidentSubject):
        incident = context.subject
        return ChatMessage(
            title=title,
            facts=(("Since", _local(incident.opened_at, mailing)),),
            text="\n".join(incident.meaning) or None,
            link=f"{console}/incidents/{incident.incident}",
            link_words="What to do",
        )
    return ChatMessage(
        title=title,
        facts=tuple(_facts(mail, mailing)),
        text=context.reason_given or _note(context),
        link=f"{console}/approvals/{context.approval}",
        link_words="Sign in to decide",
    )


def _facts(mail: MailRequest, mailing: Mailing) -> list[tuple[str, str]]:
    context, subject = mail.context, mail.context.subject
    found: list[tuple[str, str | None]] = []
    match subject:
        case RefundSubject() | CreditSubject() | WaiverSubject():
            found.append(("Amount", subject.amount.format()))
            found.append(("Customer", mailing.customers.get(subject.customer or "")))
        case CancellationSubject():
            found.append(("Value of the unused time", subject.amount.format()))
        case PlanChangeSubject():
            found += [
                (row.name, Money(amount_minor=row.amount_minor, currency=subject.preview.currency).format())
                for row in subject.preview.amounts.rows()
            ]
            found.append(("Due now", subject.preview.due_now.format()))
            found.append(("Next invoice", subject.next_invoice.format()))
    found.append(("Requested by", mailing.names.get(context.requested_by or "")))
    found.append(("Why it is asked", context.rule))
    if context.deadline is not None:
        found.append(("Deadline", _local(context.deadline, mailing)))
    found.append(("Asked", roles(mail.roles)))
    return [(label, value) for label, value in found if value]


def _local(at: datetime, mailing: Mailing) -> str:
    return moment(at.astimezone(zone_of(mailing.zone)))


def _note(context: MailContext) -> str | None:
    return getattr(context.subject, "note", None)
