"""Sends a mail to people, or a message to a chat, that the outbox holds."""

import asyncio
import logging
from datetime import timedelta

from activities.mail.chat import ChatLater, ChatPosts
from activities.mail.mailer import Mailer
from activities.mail.smtp import MailLater
from billing.core.delivery import Delivery
from billing.core.operations import Problem
from billing.mail.chat import ChatPost
from billing.mail.messages import MailRequest
from db.core.clock import utc_now
from db.tables import Outbox

log = logging.getLogger(__name__)

WITHIN = 60.0
"""Seconds that one try may take, to everybody whom the mail is for."""
TRIED_FOR = timedelta(days=3)


async def send_mail(mailer: Mailer, row: Outbox) -> Delivery:
    """What the mail server can't take now is `later`, ever less often; after three days it is given up, which
    changes nothing of what the mail tells; the timeline and an alert say so."""
    request = MailRequest.model_validate(row.payload)
    if (given_up := _given_up(row)) is not None:
        return given_up
    try:
        async with asyncio.timeout(WITHIN):
            sent = await mailer.send_mail(request, of=row.id)
    except MailLater as later:
        return _later(row, later)
    except TimeoutError:
        problem = Problem(code="mail_server_slow", message="The mail server took too long.")
        return Delivery(outcome="later", problem=problem)
    log.info("%s, attempt %d: %d sent", row.workflow_id, row.attempts, sent.sent)
    return Delivery(outcome="delivered", settled=sent.settled)


async def post_to_chat(posts: ChatPosts, row: Outbox) -> Delivery:
    """As a mail. A webhook that refuses is disabled, which its admins are mailed."""
    post = ChatPost.model_validate(row.payload)
    if (given_up := _given_up(row)) is not None:
        return given_up
    try:
        told = await posts.post_to_chat(post)
    except ChatLater as later:
        return _later(row, later)
    log.info("%s, attempt %d: %s", row.workflow_id, row.attempts, "posted" if told else "not posted")
    return Delivery(outcome="delivered")


def _given_up(row: Outbox) -> Delivery | None:
    if row.attempts <= 1 or utc_now() - row.created_at <= TRIED_FOR:
        return None
    log.error("%s is given up: %s", row.workflow_id, row.error)
    problem = Problem(code="given_up", message=f"It was tried for days: {row.error}")
    return Delivery(outcome="refused", problem=problem)


def _later(row: Outbox, later: MailLater | ChatLater) -> Delivery:
    log.info("%s, attempt %d: %s", row.workflow_id, row.attempts, later.kind)
    problem = Problem(code=later.kind, message=later.message)
    return Delivery(outcome="later", problem=problem, after=later.retry_after)
