"""Mails to customers: claimed, looked at once more, sent one after the other, recorded.

    claim some ── see which are still to be sent, mint their tokens       in one transaction
    for each: send it, outside of any transaction ── record it            in one transaction

So of what the mail server took at most one mail is not recorded when the worker is killed. That one is sent
again with the same Message-ID when its claim has run out; the others that were claimed, for the first time.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.core.operations import SYSTEM, Role
from billing.mail.customer_mails import CUSTOMER_MAIL, CustomerMailInput, customer_mail_workflow
from billing.mail.messages import MailContext, MailRequest
from billing.policy.policy import Policy
from billing.reminders.runs import SendDue, SentDue
from db.core.alone import Alone, Unit
from db.core.clock import Clock, utc_now
from db.core.session import Database, concerns_everybody
from db.customers import settings as customer_settings
from db.incidents.health_meter import HealthMeter
from db.mail import customer_mails
from db.operations import outbox
from db.portal import links_mail
from db.tables import CustomerMail

from .customer_claims import Claims, MailClaim, ReadyMail
from .customer_message import Sender
from .smtp import (
    OF_ONE_MAIL,
    REFUSES_EVERYBODY,
    MailLater,
    MailNeedsUtf8,
    MailRefused,
    ServerAnswers,
    SmtpPool,
)

NEEDS_SMTPUTF8 = "address_needs_smtputf8"
BACKOFF = timedelta(minutes=1)
MAX_BACKOFF = timedelta(hours=1)
GIVEN_UP_AFTER = 8
"""Attempts, over about two hours, at a mail that the server does not take while it takes others."""
RUN_UP = timedelta(minutes=15)
"""When a server turns out to refuse everybody, nobody whom it refused so shortly before is to blame."""
UNREACHABLE = frozenset(
    {"mail_server_unreachable", "mail_server_untrusted", "mail_server_refuses_us", REFUSES_EVERYBODY}
)
"""What is wrong with the server rather than with one mail: the others would fare no better now."""


@dataclass(frozen=True)
class SendAttempt:
    """What became of a mail; `later` says what is wrong with the server, `code` what it answered."""

    taken: ReadyMail
    refused: bool = False
    unfit: str | None = None
    """Why it can't be sent as things are, through nobody's fault; the customer may still be written to."""
    later: str | None = None
    code: int | None = None

    @property
    def sent(self) -> bool:
        return not self.refused and self.unfit is None and self.later is None


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
        meter: HealthMeter | None = None,
        answers: ServerAnswers | None = None,
    ) -> None:
        """A run's mails go by the run's own policy, `policy` is for those of none. `meter` is told how the
        mail server does; `answers` are those of all that send to it.

        Raises ValueError for an SMTP URL or a sender that can't be one.
        """
        self._database = database
        self.alone = Alone(database, "mails to customers")
        self._sender = Sender(mail_from, public_url)
        self._smtp = SmtpPool(smtp_url, self._sender.identity.greeting, meter, answers)
        self.claims = Claims(self._sender, policy)
        self._clock = clock
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def close(self) -> None:
        """Close the connections to the mail server."""
        await self._smtp.close()

    @activity.defn
    async def send_customer_mails(self, order: SendDue) -> SentDue:
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

    def recording(self, outcome: SendAttempt) -> AbstractAsyncContextManager[AsyncSession]:
        """What was sent, as nearly all is, takes one statement to record."""
        plain = outcome.sent and not outcome.taken.post.was_bounced
        return self._database.statement() if plain else self._database.transaction()

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self._database.reading()

    @property
    def is_waited_for(self) -> bool:
        return self._waiting > 0

    async def deliver(self, taken: ReadyMail) -> SendAttempt:
        """Hands one mail to the server, outside of any transaction."""
        try:
            await self._smtp.send(self._sender.compose(taken.post, self._clock()))
        except MailRefused as refusal:
            return SendAttempt(taken, refused=True, code=refusal.code)
        except MailNeedsUtf8:
            return SendAttempt(taken, unfit=NEEDS_SMTPUTF8)
        except MailLater as later:
            if later.kind in OF_ONE_MAIL and taken.mail.attempts >= GIVEN_UP_AFTER:
                return SendAttempt(taken, refused=True, code=later.code)
            return SendAttempt(taken, later=later.kind, code=later.code)
        return SendAttempt(taken)

    # --- Within a transaction -------------------------------------------------------------------------

    async def record(self, session: AsyncSession, outcome: SendAttempt, at: datetime) -> None:
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
                await _tell_admins(session, outcome, at)
        elif outcome.unfit:
            if await customer_mails.settle_skipped(session, mail, at=at, reason=outcome.unfit):
                await _tell_admins(session, outcome, at)
        elif outcome.later:
            wait = min(BACKOFF * 2 ** min(mail.attempts - 1, 10), MAX_BACKOFF)
            await customer_mails.postpone(session, mail, due_at=at + wait, smtp_code=outcome.code)
            if outcome.later == REFUSES_EVERYBODY:
                await _acquit(session, at)
        else:
            await customer_mails.settle_sent(session, mail, at=at, address=address)
            if outcome.taken.post.was_bounced:
                await customer_settings.lift_bounce(
                    session, mail.customer_id, address=address, by=SYSTEM, why="mail_taken", at=at
                )


async def _acquit(session: AsyncSession, at: datetime) -> None:
    """Of those who were refused just before the server refused everybody: their mails are due again."""
    since = at - RUN_UP
    await customer_settings.lift_bounces_since(session, since, why="server_refused_everybody", at=at)
    for mail in await customer_mails.reopen_bounced(session, since, due_at=at + BACKOFF):
        await outbox.withdraw(session, _bounced(mail).id)
        if mail.template == links_mail.TEMPLATE:
            # What sent it has ended; a reminder is left to the run that it is of, or to the next.
            await outbox.enqueue(
                session,
                action=outbox.START,
                workflow_id=f"{customer_mail_workflow(mail.id)}-{mail.attempts}",
                name=CUSTOMER_MAIL,
                payload=CustomerMailInput(organization=mail.organization_id, mail=mail.id).model_dump(),
                at=at,
            )


async def _tell_admins(session: AsyncSession, outcome: SendAttempt, at: datetime) -> None:
    """That a customer can't be reached; by name and without the address, which is no one else's business."""
    mail, post = outcome.taken.mail, outcome.taken.post
    code = (
        f"the mail server refuses the address ({outcome.code})" if outcome.code else "it is no mail address"
    )
    if outcome.unfit:
        code = (
            "the part before the @ has letters that our mail server can't send to (it lacks SMTPUTF8). "
            "Nothing is held against the address, and the next mail is tried again"
        )
    whom = post.recipient or "A customer without a name"
    await outbox.mail(session, _bounced(mail, f"{whom}: {code}."), at=at)


def _bounced(mail: CustomerMail, why: str | None = None) -> MailRequest:
    return MailRequest(
        organization=mail.organization_id,
        operation=mail.operation_id or "",
        key=mail.id,
        template="customer_mail_bounced",
        roles=(Role.BILLING_ADMIN,),
        context=MailContext(why=why),
    )


def _unit(mail: CustomerMail) -> Unit:
    return Unit(mail.id, mail.organization_id)


class _Batch:
    """The mails of one order, one after the other."""

    def __init__(self, mailer: CustomerMailer, order: SendDue, now: Clock) -> None:
        self._mailer, self._order, self._now = mailer, order, now
        self._sent = self._bounced = self._skipped = 0
        self._stopped = False

    async def send(self) -> None:
        left = self._order.most
        while left > 0 and not self._stopped:
            claimed = await self._claim(left)
            if not claimed.taken and not claimed.skipped:
                return
            self._skipped += claimed.skipped
            left -= len(claimed.taken)
            await self._send(claimed)

    async def _claim(self, most: int) -> MailClaim:
        """Some at once; where one of them can't be made ready, each by itself."""
        at = self._now()
        try:
            async with self._mailer.transaction() as session:
                return await self._mailer.claims.take(session, self._order, at, most)
        except Exception as error:
            if concerns_everybody(error):
                raise
        async with self._mailer.transaction() as session:
            mails = await self._mailer.claims.claim(session, self._order, at, most)
        ready = await self._mailer.alone.each(mails, lambda mail: self._ready(mail, at), _unit)
        return MailClaim(
            tuple(taken for one in ready for taken in one.taken), sum(one.skipped for one in ready), at
        )

    async def _ready(self, mail: CustomerMail, at: datetime) -> MailClaim:
        try:
            async with self._mailer.transaction() as session:
                return await self._mailer.claims.ready(session, [mail], at)
        except Exception as error:
            await self._put_off(mail, error)
            raise

    async def _record(self, outcome: SendAttempt) -> None:
        """One that can't be recorded is put off: its customer would get it again every minute."""

        try:
            async with self._mailer.recording(outcome) as session:
                await self._mailer.record(session, outcome, self._now())
        except Exception as error:
            if concerns_everybody(error):
                raise
            await self._put_off(outcome.taken.mail, error)
            await self._mailer.alone.note_failed(_unit(outcome.taken.mail), error)

    async def _put_off(self, mail: CustomerMail, error: Exception) -> None:
        if not concerns_everybody(error):
            async with self._mailer.transaction() as session:
                await customer_mails.postpone(session, mail, due_at=self._now() + MAX_BACKOFF)

    async def _send(self, claimed: MailClaim) -> None:
        for number, taken in enumerate(claimed.taken):
            if self._stopped or claimed.is_old(self._now()):
                async with self._mailer.transaction() as session:
                    rest = [one.mail for one in claimed.taken[number:]]
                    await customer_mails.release(session, rest)
                return
            outcome = await self._mailer.deliver(taken)
            self._count(outcome)
            await self._record(outcome)
            if self._mailer.is_waited_for:
                await self._mailer.let_others()

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

    def _count(self, outcome: SendAttempt) -> None:
        if outcome.refused:
            self._bounced += 1
        elif outcome.unfit:
            self._skipped += 1
        elif outcome.sent:
            self._sent += 1
        self._stopped = outcome.later in UNREACHABLE
