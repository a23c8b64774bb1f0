"""Sends a mail to people that the outbox holds."""

import asyncio
import logging
from datetime import timedelta

from activities.mail.mailer import Mailer
from activities.mail.smtp import MailLater
from billing.core.delivery import Delivery
from billing.core.operations import Problem
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
    if row.attempts > 1 and utc_now() - row.created_at > TRIED_FOR:
        log.error("%s is given up: %s", row.workflow_id, row.error)
        problem = Problem(code="given_up", message=f"It was tried for days: {row.error}")
        return Delivery(outcome="refused", problem=problem)
    try:
        async with asyncio.timeout(WITHIN):
            sent = await mailer.send_mail(request)
    except MailLater as later:
        log.info("%s, attempt %d: %s", row.workflow_id, row.attempts, later.kind)
        problem = Problem(code=later.kind, message=later.message)
        return Delivery(outcome="later", problem=problem, after=later.retry_after)
    except TimeoutError:
        problem = Problem(code="mail_server_slow", message="The mail server took too long.")
        return Delivery(outcome="later", problem=problem)
    log.info("%s, attempt %d: %d sent", row.workflow_id, row.attempts, sent.sent)
    return Delivery(outcome="delivered")
