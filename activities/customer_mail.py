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

from billing.customer_mails import PERSON_MAIL, person_mail_workflow
from billing.messages import MailRequest
from billing.operations import SYSTEM, Role
from billing.policy import Policy
from billing.portal import link_expiry
from billing.reminder_runs import SendDue, SentDue
from billing.reminders import Rules, fresh_link_needed, status_reason, why_not
from db import (
    customer_mail_content,
    customer_mails,
    customer_settings,
    incidents,
    outbox,
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

AT_ONCE = 40
"""So many are claimed together; they are sent within half of the claim's time, or given back."""

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
class Claimed:
    """Mails that nobody else sends for a while; `skipped` are settled already."""

    taken: tuple[Taken, ...]
    skipped: int = 0
    at: datetime | None = None

    def is_old(self, now: datetime) -> bool:
        """Whether the claim may run out before the next of them was sent."""
        return self.at is not None and now - self.at > CLAIM / 2


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
                await _tell_admins(session, outcome, at)
        elif outcome.later:
            wait = min(BACKOFF * 2 ** min(mail.attempts - 1, 10), LONGEST)
            await customer_mails.postpone(session, mail, due_at=at + wait)
        else:
            await customer_mails.settle_sent(session, mail, at=at, address=address)

    async def claim(self, session: AsyncSession, order: SendDue, at: datetime, most: int) -> "Claimed":
        """The next mails, ready to be sent; those that are not to be sent now, or at all, are settled."""
        mails = await customer_mails.claim(
            session,
            at=at,
            until=at + CLAIM,
            most=min(most, AT_ONCE),
            operation=order.operation,
            mail=order.mail,
        )
        if not mails:
            return Claimed(())
        once = {mail.invoice_id: mail for mail in reversed(mails)}
        # Two of one invoice: the second's link could end the first's, so it waits for the next claim.
        await customer_mails.release(session, [mail for mail in mails if once[mail.invoice_id] is not mail])
        found, skipped = await self._links(session, list(once.values()), at), 0
        ready: list[tuple[CustomerMail, Content, PortalLink]] = []
        for mail in once.values():
            brings = found.get(mail.id, "step_gone")
            if isinstance(brings, str):
                await customer_mails.settle_skipped(session, mail, at=at, reason=brings)
            elif isinstance(brings, Held):
                await customer_mails.hold(session, mail, due_at=brings.until, reason=brings.reason)
            else:
                ready.append((mail, *brings))
                continue
            skipped += 1
        wanted = [(link.id, mail.id) for mail, _, link in ready]
        tokens = await portal_links.add_tokens(session, wanted, at=at)
        taken = []
        for (mail, content, link), token in zip(ready, tokens, strict=True):
            mail.link_id = link.id
            taken.append(Taken(mail, self._sender.write(mail, content, link.expires_at, token, at)))
        return Claimed(tuple(taken), skipped, at)

    async def _links(
        self, session: AsyncSession, mails: list[CustomerMail], at: datetime
    ) -> "dict[str, tuple[Content, PortalLink] | Held | str]":
        """By the mail's id what it tells and the link that it brings, or why it is not to be sent."""
        # One order's mails are of one organization and kind.
        contents = await customer_mail_content.read(session, mails)
        if mails[0].template == customer_mails.REMINDER:
            return await self._links_of_reminders(session, mails, contents, at)
        return {mail.id: _asked_for(contents[mail.id], at) for mail in mails if mail.id in contents}

    async def _links_of_reminders(
        self, session: AsyncSession, mails: list[CustomerMail], contents: dict[str, Content], at: datetime
    ) -> "dict[str, tuple[Content, PortalLink] | Held | str]":
        organization = mails[0].organization_id
        facts = await reminder_rows.of_invoices(session, organization, [mail.invoice_id for mail in mails])
        live = await portal_links.live_of(session, [mail.invoice_id for mail in mails])
        rules = Rules(self._reminders, at, portal_incident=await incidents.is_open(session, "portal"))
        found: dict[str, tuple[Content, PortalLink] | Held | str] = {}
        for mail in mails:
            if mail.id not in contents:
                continue
            known = facts[mail.invoice_id]
            if reason := why_not(known, rules):
                found[mail.id] = reason
            elif closed := rules.place(known.to).closed:
                found[mail.id] = Held(closed, rules.place(known.to).opening)
            elif fresh_link_needed(known, rules, mail.step):
                expires_at = link_expiry(self._portal, at, known.cycle_days)
                found[mail.id] = contents[mail.id], await _issued(session, mail, at, expires_at)
            else:
                found[mail.id] = contents[mail.id], live[mail.invoice_id]
        return found


async def _tell_admins(session: AsyncSession, outcome: Outcome, at: datetime) -> None:
    """That a customer can't be reached; by name and without the address, which is no one else's business."""
    mail, post = outcome.taken.mail, outcome.taken.post
    code = f"SMTP {outcome.code}" if outcome.code else "it is no mail address"
    whom = f"{post.recipient} ({mail.customer_id})" if post.recipient else mail.customer_id
    request = MailRequest(
        organization=mail.organization_id,
        operation=mail.operation_id or "",
        key=mail.id,
        template="customer_mail_bounced",
        roles=(Role.BILLING_ADMIN,),
        context={"why": f"Customer {whom}, invoice {mail.invoice_id}: {code}."},
    )
    await outbox.enqueue(
        session,
        action=outbox.START,
        workflow_id=person_mail_workflow(mail.id),
        name=PERSON_MAIL,
        payload=request.model_dump(mode="json"),
        at=at,
    )


def _asked_for(content: Content, at: datetime) -> tuple[Content, PortalLink] | str:
    """A link that somebody wants to be mailed, or why it can't be."""
    if content.invoice.status in ("void", "draft"):
        return status_reason(content.invoice.status) or "not_open"
    if not content.to.email:
        return "no_address"
    link = content.link
    return (content, link) if link is not None and portal_links.state_of(link, at) == "live" else "step_gone"


async def _issued(
    session: AsyncSession, mail: CustomerMail, at: datetime, expires_at: datetime
) -> PortalLink:
    return await portal_links.issue(
        session,
        organization_id=mail.organization_id,
        customer_id=mail.customer_id,
        invoice_id=mail.invoice_id,
        by=SYSTEM,
        reason="reminder",
        at=at,
        expires_at=expires_at,
        operation_id=mail.operation_id,
    )


class _Batch:
    """The mails of one order, one after the other."""

    def __init__(self, mailer: CustomerMailer, order: SendDue, now: Clock) -> None:
        self._mailer, self._order, self._now = mailer, order, now
        self._sent = self._bounced = self._skipped = 0
        self._stopped = False

    async def send(self) -> None:
        left = self._order.most
        while left > 0 and not self._stopped:
            async with self._mailer.transaction() as session:
                claimed = await self._mailer.claim(session, self._order, self._now(), left)
            if not claimed.taken and not claimed.skipped:
                return
            self._skipped += claimed.skipped
            left -= len(claimed.taken)
            await self._send(claimed)

    async def _send(self, claimed: "Claimed") -> None:
        for number, taken in enumerate(claimed.taken):
            if self._stopped or claimed.is_old(self._now()):
                async with self._mailer.transaction() as session:
                    rest = [one.mail for one in claimed.taken[number:]]
                    await customer_mails.release(session, rest)
                return
            outcome = await self._mailer.deliver(taken)
            self._count(outcome)
            async with self._mailer.transaction() as session:
                await self._mailer.record(session, outcome, self._now())
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

    def _count(self, outcome: Outcome) -> None:
        if outcome.refused:
            self._bounced += 1
        elif outcome.later is None:
            self._sent += 1
        self._stopped = outcome.later in UNREACHABLE
