"""SMTP: a few connections that are kept open, and the server's answers translated once.

*Refused* is final for this recipient. *Later* means that the server did not take the mail, or may not have:
it is sent again with the same Message-ID. Which of the two a 5xx reply is, `billing.mail.refusals` says;
where one recipient after the other is refused, it is the server's fault, whatever it says.

No answer's text is passed on: servers repeat the recipient's address in it.
"""

import asyncio
from collections import deque
from copy import copy
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import SMTPUTF8
from functools import partial
from ssl import SSLError
from time import monotonic

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from billing.incidents.states import Component
from billing.mail.addresses import needs_smtputf8
from billing.mail.refusals import RECENT, RecipientAnswer, blame, is_burst
from billing.mail.server import parse_mail_server
from db.incidents.health_meter import HealthMeter

CONNECTIONS = 8
"""At the same time; mail servers commonly allow ten a client."""
IDLE_FOR = 30.0
"""Seconds after which an unused connection is not trusted: something on the way may have dropped it."""
CONNECT_WITHIN = 10.0
ANSWER_WITHIN = 20.0
"""Seconds for each of the server's answers."""
OUR_FAULT = timedelta(minutes=5)
"""Before the next attempt when somebody has to fix the settings first."""

NOT_TAKEN = "mail_not_taken"
MAILBOX_FULL = "mailbox_full"
OF_ONE_MAIL = frozenset({NOT_TAKEN, MAILBOX_FULL})
"""What is wrong with one mail or its recipient: the others fare as well as ever."""
REFUSES_EVERYBODY = "mail_server_refuses_everybody"
REMEMBERED = 2 * 60 * 60.0
"""Seconds for which an answer counts: longer than there ever is between two attempts at one mail."""

SERVICE_NOT_AVAILABLE = 421
"""The server closes the connection: too many mails on it, or too long idle. Nothing was taken."""


class MailRefused(Exception):
    """The server will never take this mail for its recipient; `code` is None for an address that is none."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"refused ({code or 'no address'})")
        self.code = code


class MailNeedsUtf8(Exception):
    """The address can only be given to a server with SMTPUTF8, which ours lacks: the address may be right."""


class MailLater(Exception):
    """The mail is to be sent again; `kind` is stable, the message names no person."""

    def __init__(
        self, kind: str, message: str, retry_after: timedelta | None = None, code: int | None = None
    ) -> None:
        super().__init__(message)
        self.kind, self.message, self.retry_after, self.code = kind, message, retry_after, code


class ServerAnswers:
    """What the mail server last said to our mails; all that send to it from this process share them."""

    def __init__(self) -> None:
        self._last: deque[tuple[float, RecipientAnswer]] = deque(maxlen=RECENT)

    def add(self, recipient: str, *, refused: bool) -> None:
        self._last.append((monotonic(), RecipientAnswer(recipient, refused)))

    def refuse_everybody(self) -> bool:
        """Whether one recipient after the other is refused, up to the last one."""
        since = monotonic() - REMEMBERED
        recent = [answer for at, answer in self._last if at >= since]
        return bool(recent) and recent[-1].refused and is_burst(recent)


class SmtpPool:
    """Sends mails over at most `CONNECTIONS` connections; the one used last is used first."""

    def __init__(
        self,
        url: str,
        local_hostname: str,
        meter: HealthMeter | None = None,
        answers: ServerAnswers | None = None,
    ) -> None:
        """How TLS is spoken is `billing.mail.server`'s to say.

        `local_hostname` is what we greet with: given, because asking the resolver for it may take seconds.
        `meter` is told how sending goes; `answers` are those of all that send to this server.
        Raises ValueError for another URL.
        """
        self._server = parse_mail_server(url)
        self._new = partial(
            SMTP,
            hostname=self._server.host,
            port=self._server.port,
            use_tls=self._server.tls == "always",
            start_tls=None if self._server.tls == "offered" else False,
            local_hostname=local_hostname,
            timeout=ANSWER_WITHIN,
        )
        self._meter = meter or HealthMeter()
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._idle: deque[tuple[SMTP, float]] = deque()
        self._answers = answers or ServerAnswers()

    async def send(self, message: Message) -> None:
        """Send to the one recipient in `To`. Raises MailRefused, MailNeedsUtf8 or MailLater."""
        recipient = str(message["To"])
        try:
            async with self._slots:
                await self._send(message)
        except (SMTPException, OSError) as error:
            # `from None`: a chained error would carry the server's text into Temporal's history.
            raise self._counted(self._judged(recipient, error)) from None
        except MailLater as error:
            raise self._counted(error) from None
        except (MailRefused, MailNeedsUtf8):
            self._meter.ok(Component.MAIL)
            raise
        self._answers.add(recipient, refused=False)
        self._meter.ok(Component.MAIL)

    def _judged(self, recipient: str, error: Exception) -> MailRefused | MailLater:
        """A refusal in a burst of them is the server's, for somebody to fix."""
        judged = _translate(error)
        if isinstance(judged, MailRefused) or judged.kind in OF_ONE_MAIL:
            self._answers.add(recipient, refused=True)
            if self._answers.refuse_everybody():
                return _refuses_everybody()
        return judged

    async def greet(self) -> None:
        """See whether the server would take mails: a connection of its own, and its greeting answered,
        unless it has lately refused one recipient after the other.

        Not counted by the meter: whoever looks knows what was seen. Raises MailLater.
        """
        connection = self._new()
        try:
            await self._connect(connection)
            await connection.noop()
            await connection.quit()
        except (SMTPException, OSError) as error:
            translated = _translate(error)
            if isinstance(translated, MailLater):
                raise translated from None
        finally:
            connection.close()
        if self._answers.refuse_everybody():
            raise _refuses_everybody()

    async def close(self) -> None:
        """Take leave of the server on every idle connection."""
        while self._idle:
            connection, _ = self._idle.pop()
            try:
                await connection.quit()
            except (SMTPException, OSError):
                connection.close()

    async def _send(self, message: Message) -> None:
        kept = self._take()
        if kept is not None:
            try:
                return await self._through(kept, message)
            except SMTPServerDisconnected:
                pass  # The server gave the connection up while nobody looked.
            except (SMTPResponseException, SMTPRecipientsRefused) as error:
                if _code(error) != SERVICE_NOT_AVAILABLE:
                    raise
        fresh = self._new()
        try:
            await self._connect(fresh)
        except BaseException:
            fresh.close()
            raise
        return await self._through(fresh, message)

    async def _connect(self, connection: SMTP) -> None:
        """Neither a password nor a mail leaves before the TLS that is demanded."""
        await connection.connect(timeout=CONNECT_WITHIN)
        if self._server.tls == "demanded":
            await connection.ehlo()
            if not connection.supports_extension("starttls"):
                raise MailLater(
                    "mail_server_without_tls",
                    "The mail server offers no TLS (STARTTLS); enable it, or allow unencrypted mail by "
                    "?tls=no in PLIXO_SMTP_URL.",
                    OUR_FAULT,
                )
            await connection.starttls()
        if self._server.username is not None:
            await connection.login(self._server.username, self._server.password or "")

    async def _through(self, connection: SMTP, message: Message) -> None:
        """Send over this connection and keep it, unless what it answers next is unknown."""
        try:
            await connection.send_message(_carried(message))
        except (SMTPResponseException, SMTPRecipientsRefused) as error:
            if _code(error) >= 400:
                self._keep(connection)
            else:
                connection.close()
            raise
        except SMTPNotSupported:
            self._keep(connection)
            raise MailNeedsUtf8 from None
        except ValueError:
            # An address that SMTP can't carry.
            connection.close()
            raise MailRefused(None) from None
        except BaseException:
            connection.close()
            raise
        self._keep(connection)

    def _counted(self, error: MailRefused | MailLater) -> MailRefused | MailLater:
        """What is about one mail is an answer: nothing is wrong with the server."""
        if isinstance(error, MailLater) and error.kind not in OF_ONE_MAIL:
            self._meter.fault(Component.MAIL, error.kind)
        else:
            self._meter.ok(Component.MAIL)
        return error

    def _take(self) -> SMTP | None:
        while self._idle and monotonic() - self._idle[0][1] > IDLE_FOR:
            self._idle.popleft()[0].close()
        while self._idle:
            connection, _ = self._idle.pop()
            if connection.is_connected:
                return connection
        return None

    def _keep(self, connection: SMTP) -> None:
        if connection.is_connected:
            self._idle.append((connection, monotonic()))


def _carried(message: Message) -> Message:
    """The message with headers in UTF-8 (RFC 6532) where its recipient's address needs them."""
    recipient = str(message["To"])
    if not needs_smtputf8(recipient):
        return message
    without = copy(message)
    del without["To"]
    in_utf8 = message_from_bytes(without.as_bytes(), _class=EmailMessage, policy=SMTPUTF8)
    in_utf8["To"] = recipient
    return in_utf8


def _code(error: SMTPResponseException | SMTPRecipientsRefused) -> int:
    """The reply code; every mail has one recipient. aiosmtplib's -1 is an answer that made no sense."""
    return error.recipients[0].code if isinstance(error, SMTPRecipientsRefused) else error.code


def _text(error: SMTPResponseException | SMTPRecipientsRefused) -> str:
    return error.recipients[0].message if isinstance(error, SMTPRecipientsRefused) else error.message


def _translate(error: Exception) -> MailRefused | MailLater:
    if isinstance(error, SSLError) or isinstance(error.__cause__, SSLError):
        return MailLater(
            "mail_server_untrusted",
            "No trusted TLS connection to the mail server came about; check its certificate.",
            OUR_FAULT,
        )
    if not isinstance(error, SMTPResponseException | SMTPRecipientsRefused) or _code(error) < 400:
        return MailLater("mail_server_unreachable", "The mail server could not be reached.")
    code = _code(error)
    if code < 500:
        return MailLater("mail_server_busy", f"The mail server asks to try later (SMTP {code}).")
    if isinstance(error, SMTPRecipientsRefused | SMTPDataError):
        match blame(code, _text(error)):
            case "address":
                return MailRefused(code)
            case "mailbox_full":
                return MailLater(MAILBOX_FULL, f"The recipient's mailbox is full (SMTP {code}).", code=code)
            case "server":
                return MailLater(
                    NOT_TAKEN, f"The mail server does not take this mail (SMTP {code}).", code=code
                )
    # Refused greeting, login or sender: it is about us, not about the recipient.
    return MailLater(
        "mail_server_refuses_us",
        f"The mail server does not accept us as a sender (SMTP {code}); check PLIXO_SMTP_URL and the sender.",
        OUR_FAULT,
    )


def _refuses_everybody() -> MailLater:
    return MailLater(
        REFUSES_EVERYBODY,
        "The mail server refuses one recipient after the other; check what it says to our mails.",
        OUR_FAULT,
    )
