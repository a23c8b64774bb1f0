"""What mail tests need: an SMTP server that misbehaves as told, and contexts as the stories give them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from billing.limits import LimitCheck
from billing.money import Money
from billing.plan_change import PreviewFacts, PreviewQuery, Subject, SubscriptionFacts, Terms, build_subject
from billing.proration import Line, Period
from sandbox.mail import LOOPBACK, Mailbox

APRIL_START, APRIL_11, APRIL_END = 1775001600, 1775889000, 1777593600

GROWTH = Terms(plan="growth", price="price_growth", seats=5, interval="month")
SCALE = Terms(plan="scale", price="price_scale", seats=5, interval="month")


@dataclass
class ScriptedMailbox(Mailbox):
    """Takes mails as the sandbox does, until it is told otherwise."""

    answers: dict[str, str] = field(default_factory=dict)
    """What RCPT is answered with, by address."""
    drops: list[str] = field(default_factory=list)
    """Connections to drop in DATA: "before" or "after" the mail was taken."""
    tired: bool = False
    """Says 421 to the next mail and closes the connection."""
    connections: list[SMTP] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    """Recipients, as given in RCPT."""

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.tired:
            self.tired = False
            await server.push("421 too many mails on this connection")
            hang_up(server)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.addresses.append(address)
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if not self.drops:
            return await super().handle_DATA(server, session, envelope)
        if self.drops.pop(0) == "after":
            await super().handle_DATA(server, session, envelope)
        hang_up(server)
        return "250 never heard"

    @property
    def ids(self) -> list[str]:
        """Message-IDs in the order in which the mails were taken."""
        return [mail["message_id"] for mail in self.mails]


def hang_up(connection: SMTP) -> None:
    """End a connection as a server does that has had enough: without a word."""
    if connection.transport is not None:
        connection.transport.close()


@asynccontextmanager
async def listening(
    mailbox: ScriptedMailbox,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    **options: Any,
) -> AsyncIterator[int]:
    """The mailbox behind SMTP; gives the port."""
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        # A fixed name, or aiosmtpd asks the resolver for one and may wait for it.
        connection = SMTP(mailbox, hostname="localhost", tls_context=starttls, loop=loop, **options)
        mailbox.connections.append(connection)
        return connection

    server = await loop.create_server(protocol, LOOPBACK, 0, ssl=tls)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for connection in mailbox.connections:
        hang_up(connection)


# --- Contexts -----------------------------------------------------------------------------------------


def an_upgrade(**fields: Any) -> Subject:
    """Growth to Scale at 29.99 → 49.99 a month, changed on 11 April: the vector −19.72 and +32.88."""
    credit = a_line("credit", "Unused time on Growth after 11 Apr 2026", -1972, GROWTH.price)
    debit = a_line("debit", "Remaining time on Scale after 11 Apr 2026", 3288, SCALE.price)
    return a_subject([credit, debit], 1316, **fields)


def a_downgrade(**fields: Any) -> Subject:
    credit = a_line("credit", "Unused time on Scale after 11 Apr 2026", -3288, SCALE.price)
    debit = a_line("debit", "Remaining time on Growth after 11 Apr 2026", 1972, GROWTH.price)
    return a_subject([credit, debit], -1316, before=SCALE, after=GROWTH, **fields)


def a_line(kind: str, description: str, amount: int, price: str, start: int = APRIL_11) -> Line:
    return Line.model_validate(
        {
            "kind": kind,
            "description": description,
            "amount_minor": amount,
            "period": Period(start=start, end=APRIL_END),
            "price": price,
            "quantity": 5,
        }
    )


def a_subject(
    lines: list[Line],
    total: int,
    *,
    before: Terms = GROWTH,
    after: Terms = SCALE,
    effective: str = "now",
    invoicing: str = "immediately",
    limits: tuple[LimitCheck, ...] = (),
) -> Subject:
    facts = SubscriptionFacts(
        subscription="sub_1",
        customer="cus_1",
        item="si_1",
        terms=before,
        status="active",
        currency="usd",
        period_start=APRIL_START,
        period_end=APRIL_END,
    )
    query = PreviewQuery.model_validate(
        {"facts": facts, "to": after, "effective": effective, "invoicing": invoicing}
    )
    return build_subject(query, a_preview(lines, total), a_preview([], 24_995), limits)


def a_preview(lines: list[Line], total: int) -> PreviewFacts:
    return PreviewFacts(
        lines=tuple(lines),
        total=Money(amount_minor=total, currency="usd"),
        amount_due=Money(amount_minor=max(total, 0), currency="usd"),
        date=None,
        proration_date=APRIL_11,
    )


def shown(subject: Subject) -> dict[str, Any]:
    """The subject as it is put into a context."""
    return subject.model_dump(mode="json")
