"""Mails to people: who gets one, that nobody gets it twice, and what became of it."""

import asyncio
import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from email.charset import QP, Charset
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.utils import format_datetime, formataddr, parseaddr
from urllib.parse import urlsplit

from sqlalchemy.exc import IntegrityError

from billing.core.keys import UNPEPPERED, SecretHashes
from billing.core.text import one_line
from billing.incidents.words import IncidentSubject
from billing.mail.addresses import for_smtp
from billing.mail.messages import MailRequest, MailsSent
from db.core.clock import Clock, utc_now
from db.core.pending import is_taken
from db.core.session import Database
from db.incidents.health_meter import HealthMeter
from db.operations import outbox
from db.sign_in import links as sign_in_links
from db.tables import Mail, Person

from . import records as mail_records
from .records import Mailing
from .render import DecisionLink, MailText, MailTexts, shipped_texts
from .smtp import MailNeedsUtf8, MailRefused, ServerAnswers, SmtpPool
from .together import LooksTogether, NotesTogether, SentMail

UTF8 = Charset("utf-8")
UTF8.body_encoding = QP
"""Mails stay legible to those who look at what went over the wire; Python's default here is base64."""


class Mailer:
    """Sends one mail to everybody it is for, each once.

    A mail whose fate is unknown is sent again with the same Message-ID: mail programs and people can tell
    the second for what it is.
    """

    def __init__(
        self,
        database: Database,
        smtp_url: str,
        mail_from: str,
        public_url: str,
        clock: Clock = utc_now,
        texts: MailTexts | None = None,
        meter: HealthMeter | None = None,
        answers: ServerAnswers | None = None,
        decision_links: timedelta | None = None,
        hashes: SecretHashes = UNPEPPERED,
    ) -> None:
        """`meter` is told how the mail server does; `answers` are those of all that send to it. A link to a
        decision works for `decision_links`; None: people sign in to decide.

        Raises ValueError for an SMTP URL or a sender that can't be one.
        """
        self._database = database
        self._identity = MailIdentity(mail_from, public_url)
        self._smtp = SmtpPool(smtp_url, self._identity.greeting, meter, answers)
        self._texts = texts or shipped_texts(public_url)
        self._clock = clock
        self._decision_links = decision_links
        self._hashes = hashes
        self._looks = LooksTogether(self._find)
        self._notes = NotesTogether(self._note_sent)

    async def close(self) -> None:
        """Close the connections to the mail server."""
        await self._smtp.close()

    async def send_mail(self, request: MailRequest, *, of: str | None = None) -> MailsSent:
        """Mail everybody whom the request is for and who does not have it yet; `of` is its row of the outbox.

        A recipient whom the mail server refuses is told on the timeline and in the result. Raises MailLater
        when the server can't be reached or asks to come back: after the others have theirs.
        """
        with self._notes.under_way(request.operation):
            of_one = (request.organization, request.operation, "" if request.operation else request.id)
            mailing = await self._looks.find(of_one, request)
            if mailing is None or not await self._is_due(request, mailing):
                return MailsSent(sent=0, skipped=0)
            if request.context.sign_in is not None:
                async with self._database.transaction() as session:
                    token = await sign_in_links.add_token(
                        session, self._hashes, request.context.sign_in, at=self._clock()
                    )
                if token is None:
                    return MailsSent(sent=0, skipped=0)
                mailing = replace(mailing, token=token)
            return await self._send_to(request, mailing, of)

    async def _find(self, requests: Sequence[MailRequest]) -> Sequence[Mailing | None]:
        async with self._database.reading() as session:
            return await mail_records.find_all(session, requests)

    async def _is_due(self, request: MailRequest, mailing: Mailing) -> bool:
        """Whether it still holds; who gets it is on record before they have it."""
        if not request.operation or (request.about is None and not request.roles):
            return True
        async with self._database.transaction() as session:
            return await mail_records.begin(session, request, mailing, self._clock())

    async def send_to(self, request: MailRequest, mailing: Mailing) -> MailsSent:
        """As `send_mail`, to recipients who are known; of no operation, it does not need the records."""
        with self._notes.under_way(request.operation):
            return await self._send_to(request, mailing, None)

    async def _send_to(self, request: MailRequest, mailing: Mailing, of: str | None) -> MailsSent:
        due = {
            message_id: person
            for person in mailing.recipients
            if (message_id := self._message_id(request, person)) not in mailing.sent
        }
        taken: dict[str, str] = {}
        all_answered = settled = False
        try:
            # Every exception is collected: a retry must not begin while a sibling is still being sent.
            outcomes = await asyncio.gather(
                *(
                    self._deliver(request, mailing, person, message_id, taken)
                    for message_id, person in due.items()
                ),
                return_exceptions=True,
            )
            all_answered = not any(isinstance(outcome, BaseException) for outcome in outcomes)
        finally:  # what was sent is remembered, also by a worker that is told to stop meanwhile
            sent = SentMail(request, mailing, taken, of if all_answered else None)
            settled = await asyncio.shield(self._remember(sent))
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        refused = (p.id for p, outcome in zip(due.values(), outcomes, strict=True) if outcome is False)
        return MailsSent(
            sent=len(taken),
            skipped=len(mailing.recipients) - len(due),
            refused=tuple(refused),
            settled=settled,
        )

    async def _remember(self, sent: SentMail) -> bool:
        """Whether its row of the outbox is settled with it."""
        if not sent.request.operation or not sent.taken:
            return False
        await self._notes.note(sent)
        return sent.settles is not None

    async def _note_sent(self, sent: Sequence[SentMail]) -> None:
        try:
            await self._note(sent)
        except IntegrityError as error:
            if not is_taken(error, Mail):
                raise
            async with self._database.reading() as session:
                known = await mail_records.known(session, [id_ for one in sent for id_ in one.taken])
            new = (
                replace(one, taken={id_: to for id_, to in one.taken.items() if id_ not in known})
                for one in sent
            )
            await self._note(list(new))

    async def _note(self, sent: Sequence[SentMail]) -> None:
        at = self._clock()
        async with self._database.transaction() as session:
            for one in sent:
                await mail_records.note_sent(session, one.request, one.mailing, one.taken, at)
                if one.settles is not None:
                    await outbox.settle_delivered_later(session, one.settles, at=at)

    async def _deliver(
        self,
        request: MailRequest,
        mailing: Mailing,
        person: Person,
        message_id: str,
        taken: dict[str, str],
    ) -> bool:
        """Whether the mail server took it, which `taken` then has; False is its final refusal."""
        acting = bool(request.roles) and set(request.roles).isdisjoint(person.roles)
        zone = person.zone or mailing.zone
        link = await self._decision_link(request, person, message_id)
        text = self._texts.render(request, mailing, person.name, acting=acting, zone=zone, link=link)
        try:
            await self._smtp.send(self._compose(request, text, person, message_id))
        except (MailRefused, MailNeedsUtf8) as refusal:
            code = refusal.code if isinstance(refusal, MailRefused) else None
            if request.operation:
                async with self._database.transaction() as session:
                    await mail_records.note_refused(session, request, person.id, code, self._clock())
            return False
        taken[message_id] = person.id
        return True

    async def _decision_link(
        self, request: MailRequest, person: Person, message_id: str
    ) -> DecisionLink | None:
        """A link of their own for who is asked to decide; each attempt at the mail has a token of its own."""
        asked = request.context
        if self._decision_links is None or asked.approval is None or asked.subject_hash is None:
            return None
        if request.about != asked.approval:
            return None
        at, link_id = self._clock(), f"lnk_{message_id[1:33]}"
        expires_at = at + self._decision_links
        if asked.deadline is not None and not asked.next_roles:
            expires_at = min(expires_at, asked.deadline)  # nobody can decide it later
        # A first attempt stores it without looking; whoever finds it there takes it up.
        for new in (True, False):
            try:
                async with self._database.transaction() as session:
                    link = await sign_in_links.issue_for_decision(
                        session,
                        person,
                        link_id,
                        approval=asked.approval,
                        subject_hash=asked.subject_hash,
                        at=at,
                        expires_at=expires_at,
                        new=new,
                    )
                    token = await sign_in_links.new_token(session, self._hashes, link, at=at)
                break
            except IntegrityError:
                if not new:
                    raise
        return DecisionLink(token, expires_at) if token else None

    def _compose(self, request: MailRequest, text: MailText, person: Person, message_id: str) -> Message:
        """By the older of Python's two mail interfaces, which takes a quarter of the newer one's time.

        Raises MailRefused for an address that can't be one: no later attempt fixes it.
        """
        try:
            recipient = written(person.name, person.email)
        except ValueError:
            raise MailRefused(None) from None
        message = body(text)
        message["From"] = self._identity.sender
        message["To"] = recipient
        message["Subject"] = text.subject
        message["Date"] = format_datetime(self._clock())
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office note answers it
        message["X-Plixo-Operation"] = request.operation
        for name, value in _labels(request).items():
            message[f"X-Plixo-{name}"] = value
        return message

    def _message_id(self, request: MailRequest, person: Person) -> str:
        return self._identity.message_id(f"{request.operation}|{request.key}|{person.id}")


def _labels(request: MailRequest) -> dict[str, str]:
    """What a mail is, for programs that sort mail: they need not read its subject line."""
    context = request.context
    found = {
        "Template": request.template,
        "State": context.state or context.decision,
        "Notice": context.notice_kind or (context.kind if context.notice else None),
        "Component": context.subject.component
        if isinstance(context.subject, IncidentSubject)
        else context.held_by,
    }
    return {name: str(value) for name, value in found.items() if value}


def body(text: MailText) -> Message:
    plain = _part(text.plain, "plain")
    if text.html is None:
        return plain
    both = MIMEMultipart("alternative")  # a reader shows the last part that it can
    both.attach(plain)
    both.attach(_part(text.html, "html"))
    return both


def _part(text: str, kind: str) -> Message:
    part = MIMENonMultipart("text", kind, charset="utf-8")
    part.set_payload(text, UTF8)
    return part


_PLACE = "address@place.invalid"


def written(name: str, address: str) -> str:
    """As a header has it, the name on one line. Raises ValueError for what is no address."""
    checked, name = for_smtp(address), one_line(name)
    # The standard library writes only addresses in ASCII.
    return formataddr((name, _PLACE)).replace(_PLACE, checked)


class MailIdentity:
    """Who our mails are from: our address, at the host that the product is reached by."""

    def __init__(self, mail_from: str, public_url: str) -> None:
        """Raises ValueError for a sender that can't be one."""
        name, self.address = parseaddr(mail_from)
        self.sender = written(name, self.address)
        self._host = urlsplit(public_url).hostname or "localhost"

    @property
    def greeting(self) -> str:
        """What we greet a mail server with: an address is put in brackets (RFC 5321, section 4.1.3)."""
        try:
            version = ipaddress.ip_address(self._host).version
        except ValueError:
            return self._host
        return f"[{self._host}]" if version == 4 else f"[IPv6:{self._host}]"

    def message_id(self, mail: str) -> str:
        """The same for every attempt at one mail; `mail` names it and its recipient."""
        domain = f"[{self._host}]" if ":" in self._host else self._host
        return f"<{hashlib.sha256(mail.encode()).hexdigest()[:32]}@{domain}>"
