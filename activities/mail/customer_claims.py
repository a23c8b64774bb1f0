"""Mails to customers that are about to be sent: claimed, looked at once more, and written."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import SYSTEM
from billing.policy.policy import Policy
from billing.portal.links import link_expiry
from billing.reminders.rules import Rules, fresh_link_needed, status_reason, why_not
from billing.reminders.runs import SendDue
from db.incidents import incidents
from db.mail import customer_mail_content, customer_mails
from db.mail.customer_mail_content import Content
from db.operations import operations
from db.portal import links as portal_links
from db.reminders import facts as reminder_rows
from db.tables import CustomerMail, PortalLink

from .customer_message import Post, Sender

CLAIM = timedelta(seconds=60)
"""After so long whoever claimed a mail has died: longer than an SMTP conversation may take."""

AT_ONCE = 40
"""So many are claimed together; they are sent within half of the claim's time, or given back."""


@dataclass(frozen=True)
class ReadyMail:
    """A mail that is claimed and ready to be sent."""

    mail: CustomerMail
    post: Post


@dataclass(frozen=True)
class MailClaim:
    """Mails that nobody else sends for a while; `skipped` are settled already."""

    taken: tuple[ReadyMail, ...]
    skipped: int = 0
    at: datetime | None = None

    def is_old(self, now: datetime) -> bool:
        """Whether the claim may run out before the next of them was sent."""
        return self.at is not None and now - self.at > CLAIM / 2


@dataclass(frozen=True)
class MailHold:
    """A mail whose hour is over where the customer is."""

    reason: str
    until: datetime


Brings = tuple[Content, PortalLink] | MailHold | str
"""What a mail tells and the link that it brings, or why it is not sent now, or not at all."""


class Claims:
    """A run's mails go by the run's own policy; `policy` is for those of none."""

    def __init__(self, sender: Sender, policy: Policy) -> None:
        self._sender = sender
        self._policy = policy
        self._kept: tuple[str, Policy] | None = None

    async def take(self, session: AsyncSession, order: SendDue, at: datetime, most: int) -> MailClaim:
        """The next mails, ready to be sent; those that are not to be sent now, or at all, are settled."""
        mails = await self.claim(session, order, at, most)
        return await self.ready(session, mails, at) if mails else MailClaim(())

    async def claim(
        self, session: AsyncSession, order: SendDue, at: datetime, most: int
    ) -> list[CustomerMail]:
        """The next mails, which nobody else sends for a while; at most one of each invoice."""
        mails = await customer_mails.claim(
            session,
            at=at,
            until=at + CLAIM,
            most=min(most, AT_ONCE),
            operation=order.operation,
            mail=order.mail,
        )
        once = {mail.invoice_id: mail for mail in reversed(mails)}
        # Two of one invoice: the second's link could end the first's, so it waits for the next claim.
        await customer_mails.release(session, [mail for mail in mails if once[mail.invoice_id] is not mail])
        return list(once.values())

    async def ready(self, session: AsyncSession, mails: list[CustomerMail], at: datetime) -> MailClaim:
        """What of these claimed mails is to be sent, written; the others are settled."""
        found, skipped = await self._links(session, mails, at), 0
        ready: list[tuple[CustomerMail, Content, PortalLink]] = []
        for mail in mails:
            brings = found.get(mail.id, "step_gone")
            if isinstance(brings, str):
                await customer_mails.settle_skipped(session, mail, at=at, reason=brings)
            elif isinstance(brings, MailHold):
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
            taken.append(ReadyMail(mail, self._sender.write(mail, content, link.expires_at, token, at)))
        return MailClaim(tuple(taken), skipped, at)

    async def _links(
        self, session: AsyncSession, mails: list[CustomerMail], at: datetime
    ) -> dict[str, Brings]:
        """By the mail's id what it tells and the link that it brings, or why it is not to be sent."""
        # One order's mails are of one organization and kind.
        contents = await customer_mail_content.read(session, mails)
        if mails[0].template == customer_mails.REMINDER:
            return await self._links_of_reminders(session, mails, contents, at)
        return {mail.id: _asked_for(contents[mail.id], at) for mail in mails if mail.id in contents}

    async def _links_of_reminders(
        self, session: AsyncSession, mails: list[CustomerMail], contents: dict[str, Content], at: datetime
    ) -> dict[str, Brings]:
        organization = mails[0].organization_id
        facts = await reminder_rows.of_invoices(session, organization, [mail.invoice_id for mail in mails])
        live = await portal_links.live_of(session, [mail.invoice_id for mail in mails])
        policy = await self._policy_of(session, mails[0].operation_id)
        incident = await incidents.is_open(session, "portal")
        rules = Rules(policy.reminders, at, portal_incident=incident)
        found: dict[str, Brings] = {}
        for mail in mails:
            if mail.id not in contents:
                continue
            known = facts[mail.invoice_id]
            if reason := why_not(known, rules):
                found[mail.id] = reason
            elif closed := rules.place(known.to).closed:
                found[mail.id] = MailHold(closed, rules.place(known.to).opening)
            elif fresh_link_needed(known, rules, mail.step):
                expires_at = link_expiry(policy.portal, at, known.cycle_days)
                found[mail.id] = contents[mail.id], await _issued(session, mail, at, expires_at)
            else:
                found[mail.id] = contents[mail.id], live[mail.invoice_id]
        return found

    async def _policy_of(self, session: AsyncSession, operation_id: str | None) -> Policy:
        """The last one is kept: a run's mails come one batch after the other."""
        if self._kept is None or self._kept[0] != operation_id:
            operation = await operations.get_any(session, operation_id) if operation_id else None
            if operation is None:
                return self._policy
            self._kept = operation.id, Policy.model_validate(operation.policy)
        return self._kept[1]


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
