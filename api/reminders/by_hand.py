"""Reminders that a person asks for, beside those that are due: the same mail, in the customer's hours."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.reminders.rules import ASKED, Rules, held_until, why_not_asked, words
from db.core.clock import utc_now
from db.mail import single_mails
from db.mail.customer_mails import REMINDER
from db.mirror import mirror
from db.portal import links
from db.reminders import facts as reminder_rows

from ..dispatch.dispatcher import HEAD_START
from ..http.auth import Caller
from ..http.context import Context
from ..problems.common import REFUSED
from ..problems.problem import ApiProblem, existing


async def remind(context: Context, caller: Caller, invoice_id: str, *, key: str) -> datetime | None:
    """Have the customer reminded of the invoice, once for each `key`; until when the mail is held, if it is.

    Raises ApiProblem `not_found`, and the reason why not as a code.
    """
    at, step = utc_now(), f"{ASKED}{key}"
    async with context.database.transaction() as session:
        invoice = existing(await mirror.invoice(session, caller.organization, invoice_id))
        await links.lock(session, invoice_id)
        if earlier := await single_mails.of_step(session, invoice_id, step):
            return earlier.due_at if earlier.state == "held" else None
        held = await check(session, context, caller, invoice_id, at)
        start = await single_mails.add(
            session,
            invoice,
            template=REMINDER,
            step=step,
            reason="due",
            at=at,
            head_start=HEAD_START,
            asked_by=caller.person,
        )
    context.dispatcher.hand_over(start)
    return held


async def check(
    session: AsyncSession, context: Context, caller: Caller, invoice_id: str, at: datetime
) -> datetime | None:
    """Until when a reminder would be held; None: it would be sent at once. Raises as `remind` does."""
    found = await reminder_rows.of_invoice(session, caller.organization, invoice_id, at=at)
    facts, portal_down = existing(found)
    rules = Rules(context.policy.reminders, at, portal_incident=portal_down)
    last = await single_mails.last_decided(session, invoice_id, REMINDER)
    if reason := why_not_asked(facts, rules, last):
        raise ApiProblem(REFUSED, words(reason), code=reason)
    return held_until(facts, rules)
