"""What is recorded of a customer's way to an invoice, as far as a diagnosis rests on it. Times are UTC."""

from typing import Literal

from pydantic import AwareDatetime

from ..core.operations import Message

VISITS = frozenset({"opened", "paying", "pdf", "expired", "revoked", "replaced", "blocked", "unavailable"})
"""Outcomes of attempts to see the page; the others are requests for a link and the like."""


class LinkFact(Message):
    id: str
    created_at: AwareDatetime
    expires_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    end_reason: str | None = None
    opens: int = 0


class VisitFact(Message):
    """A row of the access log, and the link by which the visit was tried."""

    id: str
    link: str
    at: AwareDatetime
    address: str
    outcome: str


class MailFact(Message):
    """A mail with a link that was sent, or that bounced, at `at`."""

    id: str
    link: str | None = None
    at: AwareDatetime
    state: Literal["sent", "bounced"]
    address: str | None = None


class BlockFact(Message):
    """An address that may not open links now: by the block `rule`, or by no allowed network (None)."""

    address: str
    rule: str | None = None
    since: AwareDatetime | None = None


class AccessFacts(Message):
    """What is known at `at`. Links, visits and mails are in order, the newest first."""

    at: AwareDatetime
    invoice: str
    customer: str
    status: str
    changed_at: AwareDatetime
    """When the invoice was last read from Stripe."""
    address: str | None = None
    bounced_address: str | None = None
    bounced_at: AwareDatetime | None = None
    links: tuple[LinkFact, ...] = ()
    visits: tuple[VisitFact, ...] = ()
    mails: tuple[MailFact, ...] = ()
    blocked: tuple[BlockFact, ...] = ()
    pay_link_until: AwareDatetime | None = None
    portal_down_since: AwareDatetime | None = None

    @property
    def live(self) -> LinkFact | None:
        """The link that was not ended; it may have expired."""
        return next((link for link in self.links if link.ended_at is None), None)

    @property
    def current(self) -> LinkFact | None:
        """The link that the customer is meant to use: what happened to another proves nothing about it."""
        return self.live or next(iter(self.links), None)

    def visits_by(self, link: LinkFact | None) -> tuple[VisitFact, ...]:
        """The attempts to see the page by this link."""
        by_link = link.id if link else None
        return tuple(visit for visit in self.visits if visit.link == by_link and visit.outcome in VISITS)

    @property
    def last_visit(self) -> VisitFact | None:
        """The last attempt to see the page."""
        return next((visit for visit in self.visits if visit.outcome in VISITS), None)

    @property
    def reachable(self) -> bool:
        """Whether a mail has a chance to arrive."""
        return self.address is not None and self.address != self.bounced_address
