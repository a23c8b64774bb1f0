"""Mails to customers: claimed, looked at once more, sent one after the other, recorded.

    record the mail before ── claim the next ── see whether it still is to be sent, mint its token    one
            └──────────────────────────────── in one transaction ────────────────────────────┘
    send it, outside of any transaction

So of what the mail server took at most one mail is not recorded when the worker is killed. That one is sent
again with the same Message-ID when its claim has run out.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.operations import SYSTEM
from billing.policy import Policy
from billing.portal import link_expiry
from billing.reminder_runs import SendDue, SentDue
from billing.reminders import Rules, fresh_link_needed, status_reason, why_not
from db import (
    customer_mail_content,
    customer_mails,
    customer_settings,
    incidents,
    portal_links,
    reminder_rows,
)
from db.customer_mail_content import Content
from db.session import Database
from db.tables import CustomerMail, PortalLink

from .customer_mail_message import Post, Sender
from .effects import Clock, utc_now
from .smtp import MailLater, MailRefused, SmtpPool

CLAIM = timedelta(seconds=60)
"""After so long whoever claimed a mail has died: longer than an SMTP conversation may take."""

BACKOFF = timedelta(minutes=1)
LONGEST = timedelta(hours=1)
UNREACHABLE = frozenset({"mail_server_unreachable", "mail_server_untrusted", "mail_server_refuses_us"})
"""What is wrong with the server rather than with one mail: the others would fare no better now."""


@dataclass(frozen=True)
class Taken:
    """A mail that is claimed and ready to be sent."""

    mail: CustomerMail
    post: Post


@dataclass(frozen=True)
class Held:
    """A mail whose hour is over where the customer is."""

    reason: str
    until: datetime


@dataclass(frozen=True)
class Outcome:
    """What became of a mail; `later` says what is wrong with the server, `code` what it answered."""

    taken: Taken
    refused: bool = False
    later: str | None = None
    code: int | None = None


class CustomerMailer:
    """Sends what is due, at most one mail at a time in the whole process."""

    def __init__(
        self,
        database: Database,
        smtp_url: str,
        mail_from: str,
        public_url: str,
        policy: Policy,
        clock: Clock = utc_now,
    ) -> None:
        """Raises ValueError for an SMTP URL or a sender that can't be one, and a policy without a portal."""
        if policy.portal is None or policy.reminders is None:
            raise ValueError("customers are written to by the rules of [portal] and [reminders]")
        self._database = database
        self._sender = Sender(mail_from, public_url)
        self._smtp = SmtpPool(smtp_url, local_hostname=self._sender.greeting)
        self._portal, self._reminders = policy.portal, policy.reminders
        self._clock = clock
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def close(self) -> None:
        """Close the connections to the mail server."""
        await self._smtp.close()

    @activity.defn(name="send_customer_mails")
    async def send_due(self, order: SendDue) -> SentDue:
        """Sends at most so many of the mails that are due; what came between is skipped.

        What the server can't take now stays due, and is tried again later. Where it can't be reached at all
        the rest is not tried: `later` counts it, and there is not `more`.
        """
        batch = _Batch(self, order, lambda: max(order.at, self._clock()) if order.at else self._clock())
        await self._take_turn()
        try:
            await batch.send()
        finally:
            self._turn.release()
        return await batch.told()

    async def _take_turn(self) -> None:
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1

    async def let_others(self) -> None:
        """Another batch waits for its turn: a link that somebody asked for does not wait for a sweep."""
        self._turn.release()
        await self._take_turn()

    def transaction(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self._database.transaction()

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self._database.reading()

    @property
    def is_waited_for(self) -> bool:
        return self._waiting > 0

    async def deliver(self, taken: Taken) -> Outcome:
        """Hands one mail to the server, outside of any transaction."""
        try:
            await self._smtp.send(self._sender.compose(taken.post, self._clock()))
        except MailRefused as refusal:
            return Outcome(taken, refused=True, code=refusal.code)
        except MailLater as later:
            return Outcome(taken, later=later.kind)
        return Outcome(taken)

    # --- Within a transaction -------------------------------------------------------------------------

    async def record(self, session: AsyncSession, outcome: Outcome, at: datetime) -> None:
        """What became of it, unless somebody else has taken it over meanwhile."""
        mail, address = outcome.taken.mail, outcome.taken.post.address
        if outcome.refused:
            if await customer_mails.settle_bounced(
                session, mail, at=at, address=address, smtp_code=outcome.code
            ):
                await customer_settings.note_bounce(
                    session,
                    customer_id=mail.customer_id,
                    organization_id=mail.organization_id,
                    address=address,
                    code=outcome.code,
                    at=at,
                )
        elif outcome.later:
            wait = min(BACKOFF * 2 ** min(mail.attempts - 1, 10), LONGEST)
            await customer_mails.postpone(session, mail, due_at=at + wait)
        else:
            await customer_mails.settle_sent(session, mail, at=at, address=address)

    async def claim(self, session: AsyncSession, order: SendDue, at: datetime) -> "Taken | Held | str | None":
        """The next mail, ready to be sent; or why it is not sent now or at all; or None: none is due."""
        mail = await customer_mails.claim_next(
            session, at=at, until=at + CLAIM, operation=order.operation, mail=order.mail
        )
        if mail is None:
            return None
        content = await customer_mail_content.read(session, mail)
        link = await self._link(session, mail, content, at)
        if isinstance(link, str):
            await customer_mails.settle_skipped(session, mail, at=at, reason=link)
        elif isinstance(link, Held):
            await customer_mails.hold(session, mail, due_at=link.until, reason=link.reason)
        if not isinstance(link, PortalLink):
            return link
        mail.link_id = link.id
        token = await portal_links.add_token(session, link.id, at=at, mail_id=mail.id)
        return Taken(mail, self._sender.write(mail, content, link.expires_at, token, at))

    async def _link(
        self, session: AsyncSession, mail: CustomerMail, content: Content, at: datetime
    ) -> "PortalLink | Held | str":
        """The link that the mail brings, or why it is not to be sent now or at all."""
        if mail.template == customer_mails.REMINDER:
            return await self._link_of_reminder(session, mail, content, at)
        if content.invoice.status in ("void", "draft"):
            return status_reason(content.invoice.status) or "not_open"
        if not content.to.email:
            return "no_address"
        link = content.link
        return link if link is not None and portal_links.state_of(link, at) == "live" else "step_gone"

    async def _link_of_reminder(
        self, session: AsyncSession, mail: CustomerMail, content: Content, at: datetime
    ) -> "PortalLink | Held | str":
        facts = await reminder_rows.of_invoice(session, mail.organization_id, mail.invoice_id, at=at)
        assert facts is not None, "its content was read"
        incident = await incidents.is_open(session, "portal")
        rules = Rules(self._reminders, at, portal_incident=incident)
        if reason := why_not(facts, rules):
            return reason
        place = rules.place(facts.to)
        if place.closed:
            return Held(place.closed, place.opening)
        if not fresh_link_needed(facts, rules, mail.step):
            kept = await portal_links.live(session, mail.invoice_id)
            assert kept is not None, "one that is there is needed anew only when it is not"
            return kept
        return await portal_links.issue(
            session,
            organization_id=mail.organization_id,
            customer_id=mail.customer_id,
            invoice_id=mail.invoice_id,
            by=SYSTEM,
            reason="reminder",
            at=at,
            expires_at=link_expiry(self._portal, at, facts.cycle_days),
            operation_id=mail.operation_id,
        )


class _Batch:
    """The mails of one order, one after the other."""

    def __init__(self, mailer: CustomerMailer, order: SendDue, now: Clock) -> None:
        self._mailer, self._order, self._now = mailer, order, now
        self._sent = self._bounced = self._skipped = 0
        self._stopped = False

    async def send(self) -> None:
        outcome: Outcome | None = None
        for _ in range(self._order.most):
            taken = await self._next(outcome)
            if taken is None:
                return
            outcome = await self._mailer.deliver(taken)
            self._count(outcome)
            if self._stopped:
                break
            if self._mailer.is_waited_for:
                await self._record(outcome)
                outcome = None
                await self._mailer.let_others()
        if outcome is not None:
            await self._record(outcome)

    async def told(self) -> SentDue:
        """What came of it. Whatever is left of the order is counted as `later`, unless there is `more`."""
        async with self._mailer.reading() as session:
            left = await customer_mails.waiting(
                session, operation=self._order.operation, mail=self._order.mail
            )
            due = not self._stopped and await customer_mails.is_due(
                session, at=self._now(), operation=self._order.operation, mail=self._order.mail
            )
        return SentDue(sent=self._sent, bounced=self._bounced, skipped=self._skipped, later=left, more=due)

    async def _next(self, outcome: Outcome | None) -> Taken | None:
        """Records the mail before and claims the next, together."""
        async with self._mailer.transaction() as session:
            if outcome is not None:
                await self._mailer.record(session, outcome, self._now())
            while isinstance(
                taken := await self._mailer.claim(session, self._order, self._now()), str | Held
            ):
                self._skipped += 1
        return taken

    async def _record(self, outcome: Outcome) -> None:
        async with self._mailer.transaction() as session:
            await self._mailer.record(session, outcome, self._now())

    def _count(self, outcome: Outcome) -> None:
        if outcome.refused:
            self._bounced += 1
        elif outcome.later is None:
            self._sent += 1
        self._stopped = outcome.later in UNREACHABLE
