"""What mail tests need: an SMTP server that misbehaves as told."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.stack.mail import LOOPBACK, Mailbox


@dataclass
class ScriptedMailbox(Mailbox):
    """Takes mails as the sandbox does, until it is told otherwise."""

    answers: dict[str, str] = field(default_factory=dict)
    """What RCPT is answered with, by address."""
    drops: list[str] = field(default_factory=list)
    """Connections to drop in DATA: "before" or "after" the mail was taken."""
    tired: bool = False
    """Says 421 to the next mail and closes the connection."""
    slow: asyncio.Event | None = None
    """Takes a mail, and answers DATA only when this is set."""
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
            taken = await super().handle_DATA(server, session, envelope)
            if self.slow is not None:
                await self.slow.wait()
            return taken
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
