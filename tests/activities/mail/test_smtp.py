"""The connections to the mail server: a few, kept, and replaced when the server has had enough of them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from sqlmodel import select
from temporalio.common import RetryPolicy

from activities.mail import smtp
from activities.mail.mailer import Mailer, body, written
from activities.mail.render import MailText
from activities.mail.smtp import (
    CONNECTIONS,
    MailLater,
    MailNeedsUtf8,
    MailRefused,
    ServerAnswers,
    SmtpPool,
)
from billing.mail.server import parse_mail_server
from db.core.session import Database
from db.incidents.health_meter import HealthMeter
from db.tables import HealthCount
from sandbox.stack.mail import LOOPBACK, Fault
from workflows.core import options

from .mailing import ScriptedMailbox, hang_up, listening


@pytest.fixture
async def mailbox() -> ScriptedMailbox:
    return ScriptedMailbox()


@pytest.fixture
async def pool(mailbox: ScriptedMailbox) -> AsyncIterator[SmtpPool]:
    async with listening(mailbox) as port:
        pool = SmtpPool(f"smtp://{LOOPBACK}:{port}", "plixo.example")
        yield pool
        await pool.close()


def a_mail(number: int = 1) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "billing@plixo.example"
    message["To"] = "cora@plixo.example"
    message["Subject"] = str(number)
    message.set_content("…")
    return message


def subjects(mailbox: ScriptedMailbox) -> list[str]:
    return [mail["subject"] for mail in mailbox.mails]


async def test_mails_one_after_the_other_share_a_connection(pool: SmtpPool, mailbox: ScriptedMailbox) -> None:
    for number in range(5):
        await pool.send(a_mail(number))
    assert subjects(mailbox) == ["0", "1", "2", "3", "4"]
    assert len(mailbox.connections) == 1


async def test_many_mails_at_once_take_a_few_connections_and_all_arrive(
    pool: SmtpPool, mailbox: ScriptedMailbox
) -> None:
    await asyncio.gather(*(pool.send(a_mail(number)) for number in range(60)))
    assert sorted(subjects(mailbox), key=int) == [str(number) for number in range(60)]
    assert len(mailbox.connections) == CONNECTIONS


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced(
    pool: SmtpPool, mailbox: ScriptedMailbox
) -> None:
    await pool.send(a_mail(1))
    hang_up(mailbox.connections[0])
    await pool.send(a_mail(2))
    assert subjects(mailbox) == ["1", "2"]
    assert len(mailbox.connections) == 2


async def test_a_connection_with_one_mail_too_many_is_replaced(
    pool: SmtpPool, mailbox: ScriptedMailbox
) -> None:
    await pool.send(a_mail(1))
    mailbox.tired = True
    await pool.send(a_mail(2))
    assert subjects(mailbox) == ["1", "2"]
    assert len(mailbox.connections) == 2


async def test_a_server_that_turns_a_new_connection_away_is_asked_later(
    pool: SmtpPool, mailbox: ScriptedMailbox
) -> None:
    mailbox.tired = True
    with pytest.raises(MailLater) as later:
        await pool.send(a_mail())
    assert later.value.kind == "mail_server_busy"
    assert len(mailbox.connections) == 1


async def test_a_connection_unused_for_long_is_not_trusted(
    pool: SmtpPool, mailbox: ScriptedMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pool.send(a_mail(1))
    monkeypatch.setattr(smtp, "IDLE_FOR", 0.0)
    await pool.send(a_mail(2))
    assert subjects(mailbox) == ["1", "2"]
    assert len(mailbox.connections) == 2


@pytest.mark.parametrize(("code", "answer"), [(451, MailLater), (550, MailRefused)])
async def test_a_refused_mail_does_not_cost_the_connection(
    pool: SmtpPool, mailbox: ScriptedMailbox, code: Any, answer: type[Exception]
) -> None:
    mailbox.fault = Fault(code=code)
    with pytest.raises(answer):
        await pool.send(a_mail(1))
    await pool.send(a_mail(2))
    assert subjects(mailbox) == ["2"]
    assert len(mailbox.connections) == 1


async def test_a_sender_that_the_server_does_not_want_is_for_an_operator_to_mend() -> None:
    class Choosy(ScriptedMailbox):
        async def handle_MAIL(
            self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
        ) -> str:
            return "553 not from there"

    async with listening(Choosy()) as port:
        pool = SmtpPool(f"smtp://{LOOPBACK}:{port}", "plixo.example")
        with pytest.raises(MailLater) as later:
            await pool.send(a_mail())
        await pool.close()
    assert later.value.kind == "mail_server_refuses_us"
    assert later.value.retry_after == smtp.OUR_FAULT


async def test_an_abandoned_mail_takes_its_connection_with_it(
    pool: SmtpPool, mailbox: ScriptedMailbox
) -> None:
    """What the server would answer next belongs to a mail that nobody waits for any more."""
    reached, go_on = asyncio.Event(), asyncio.Event()
    take = mailbox.handle_DATA

    async def slowly(server: SMTP, session: Session, envelope: Envelope) -> str:
        reached.set()
        await go_on.wait()
        return await take(server, session, envelope)

    mailbox.handle_DATA = slowly  # type: ignore[method-assign]
    sending = asyncio.create_task(pool.send(a_mail(1)))
    await reached.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    go_on.set()
    await pool.send(a_mail(2))
    assert len(mailbox.connections) == 2


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_the_url_carries_name_and_password() -> None:
    seen: list[tuple[bytes, bytes]] = []

    def authenticate(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        seen.append((given.login, given.password))
        return AuthResult(success=given.password == b"p@ss/word", handled=False)

    options: dict[str, Any] = {
        "authenticator": authenticate,
        "auth_required": True,
        "auth_require_tls": False,
    }
    mailbox = ScriptedMailbox()
    async with listening(mailbox, **options) as port:
        right = SmtpPool(f"smtp://plixo%40mail:p%40ss%2Fword@{LOOPBACK}:{port}?tls=no", "plixo.example")
        await right.send(a_mail())
        await right.close()
        wrong = SmtpPool(f"smtp://plixo%40mail:wrong@{LOOPBACK}:{port}?tls=no", "plixo.example")
        with pytest.raises(MailLater) as later:
            await wrong.send(a_mail())
    assert set(seen) == {(b"plixo@mail", b"p@ss/word"), (b"plixo@mail", b"wrong")}
    assert later.value.kind == "mail_server_refuses_us"
    assert len(mailbox.mails) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("user", ["plixo:secret@", ""])
async def test_neither_a_password_nor_a_mail_leaves_without_the_tls_that_is_demanded(user: str) -> None:
    """A server without STARTTLS, or somebody on the way who hides it."""
    seen: list[str] = []

    def authenticate(*_: Any) -> AuthResult:
        seen.append("a password")
        return AuthResult(success=True)

    mailbox = ScriptedMailbox()
    options: dict[str, Any] = {"authenticator": authenticate, "auth_require_tls": False}
    async with listening(mailbox, **options) as port:
        pool = SmtpPool(f"smtp://{user}{LOOPBACK}:{port}?tls=yes", "plixo.example")
        for attempt in (pool.send(a_mail()), pool.greet()):
            with pytest.raises(MailLater) as later:
                await attempt
            assert later.value.kind == "mail_server_without_tls"
            assert "?tls=no" in later.value.message
            assert later.value.retry_after == smtp.OUR_FAULT
    assert (seen, mailbox.mails, mailbox.addresses) == ([], [], [])


async def test_with_starttls_the_password_and_the_mail_go_through(monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = Path(__file__).parents[2] / "certificates"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "localhost.crt", certificates / "localhost.key")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "localhost.crt"))
    seen: list[bool] = []

    def authenticate(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        seen.append(session.ssl is not None)
        return AuthResult(success=given.password == b"secret")

    mailbox = ScriptedMailbox()
    async with listening(mailbox, starttls=context, authenticator=authenticate, auth_required=True) as port:
        pool = SmtpPool(f"smtp://plixo:secret@localhost:{port}", "plixo.example")
        await pool.send(a_mail())
        await pool.close()
    assert (seen, len(mailbox.mails)) == ([True], 1)


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        ("smtps://mail.example", "always"),
        ("smtp://mail.example:587", "demanded"),
        ("smtp://plixo:secret@mail.example", "demanded"),
        ("smtp://plixo:secret@127.0.0.1", "demanded"),
        ("smtp://127.0.0.1:1025", "offered"),
        ("smtp://[::1]:1025", "offered"),
        ("smtp://localhost:1025", "offered"),
        ("smtp://localhost:1025?tls=yes", "demanded"),
        ("smtp://mail.example?tls=no", "never"),
    ],
)
def test_tls_is_demanded_unless_the_url_says_otherwise(url: str, tls: str) -> None:
    assert parse_mail_server(url).tls == tls


@pytest.mark.parametrize(
    "url", ["smtp://mail.example?tls=maybe", "smtp://mail.example?ssl=no", "smtps://mail.example?tls=no"]
)
def test_what_a_url_says_of_tls_is_understood_or_refused(url: str) -> None:
    with pytest.raises(ValueError, match="tls="):
        parse_mail_server(url)


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "mail.example:25", ""])
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_a_wrong_url_is_known_at_start(url: str, database: Database) -> None:
    with pytest.raises(ValueError, match="smtp://host:port"):
        Mailer(database, url, "billing@plixo.example", "http://127.0.0.1:8000")


@pytest.mark.parametrize("sender", ["", "Plixo Billing", "billing@", "@plixo.example"])
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_a_wrong_sender_is_known_at_start(sender: str, database: Database) -> None:
    with pytest.raises(ValueError, match=r"."):
        Mailer(database, "smtp://127.0.0.1:25", sender, "http://127.0.0.1:8000")


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_certificate_that_is_not_trusted_loses_no_mail(scheme: str) -> None:
    """An SSL error is a ValueError too: it must not be taken for an address that is none."""
    certificates = files("aiosmtpd.tests.certs")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(certificates / "server.crt"), str(certificates / "server.key"))
    mailbox = ScriptedMailbox()
    tls = {"starttls": context} if scheme == "smtp" else {"tls": context}
    async with listening(mailbox, **tls) as port:
        pool = SmtpPool(f"{scheme}://{LOOPBACK}:{port}", "plixo.example")
        with pytest.raises(MailLater) as later:
            await pool.send(a_mail())
    assert later.value.kind == "mail_server_untrusted"
    assert later.value.retry_after == smtp.OUR_FAULT
    assert mailbox.mails == []


# --- Whose fault a refusal is -----------------------------------------------------------------------------


def to(address: str) -> EmailMessage:
    message = a_mail()
    del message["To"]
    message["To"] = address
    return message


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("550 5.7.1 relaying denied", "mail_not_taken"),
        ("554 5.3.0 out of order", "mail_not_taken"),
        ("552 5.2.2 full", "mailbox_full"),
    ],
)
async def test_what_is_not_the_addresses_fault_is_tried_later(
    pool: SmtpPool, mailbox: ScriptedMailbox, reply: str, kind: str
) -> None:
    mailbox.answers["cora@plixo.example"] = reply
    with pytest.raises(MailLater) as later:
        await pool.send(a_mail())
    assert later.value.kind == kind


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_a_server_that_refuses_everybody_is_a_fault_of_the_mail_component(
    mailbox: ScriptedMailbox, database: Database
) -> None:
    meter = HealthMeter()
    async with listening(mailbox) as port:
        pool = SmtpPool(f"smtp://{LOOPBACK}:{port}", "plixo.example", meter)
        mailbox.answers = {f"c{n}@customer.example": "550 5.1.1 unknown" for n in range(5)}
        kinds = []
        for number in range(5):
            with pytest.raises((MailLater, MailRefused)) as refusal:
                await pool.send(to(f"c{number}@customer.example"))
            kinds.append(getattr(refusal.value, "kind", "refused"))
        assert kinds == ["refused", "refused", *["mail_server_refuses_everybody"] * 3]
        for number in range(3):
            await pool.send(to(f"d{number}@customer.example"))
        with pytest.raises(MailRefused):
            await pool.send(to("c4@customer.example"))
        await pool.close()
    await meter.flush(database)
    async with database.reading() as session:
        rows = (await session.exec(select(HealthCount))).all()
    assert (sum(row.faults for row in rows), sum(row.ok for row in rows)) == (3, 6)
    assert {code for row in rows for code in row.codes} == {"mail_server_refuses_everybody"}


async def test_who_looks_at_a_server_that_refuses_everybody_sees_it_until_a_mail_is_taken(
    mailbox: ScriptedMailbox,
) -> None:
    async with listening(mailbox) as port:
        answers = ServerAnswers()
        pool, greeter = (
            SmtpPool(f"smtp://{LOOPBACK}:{port}", "plixo.example", answers=answers) for _ in range(2)
        )
        mailbox.answers = {f"c{n}@customer.example": "550 5.1.1 unknown" for n in range(3)}
        for number in range(3):
            await greeter.greet()
            with pytest.raises((MailLater, MailRefused)):
                await pool.send(to(f"c{number}@customer.example"))
        with pytest.raises(MailLater) as seen:
            await greeter.greet()
        assert seen.value.kind == "mail_server_refuses_everybody"
        await pool.send(to("d@customer.example"))
        await greeter.greet()
        await pool.close()


# --- Addresses beyond ASCII -------------------------------------------------------------------------------


@pytest.mark.parametrize("offered", [True, False])
async def test_a_local_part_beyond_ascii_goes_to_a_server_that_takes_it_and_is_no_bounce_elsewhere(
    mailbox: ScriptedMailbox, offered: bool
) -> None:
    async with listening(mailbox, enable_SMTPUTF8=offered) as port:
        pool = SmtpPool(f"smtp://{LOOPBACK}:{port}", "plixo.example")
        address = "jörg@xn--bcher-kva.example"
        message = body(MailText("Größe", "Über …\n", None))
        message["From"] = written("Plixo", "billing@plixo.example")
        message["To"] = written("Jörg Müller", "jörg@bücher.example")
        message["Subject"] = "Größe"
        if offered:
            await pool.send(message)
            [taken] = mailbox.mails
            assert taken["to"] == [address]
            assert taken["headers"]["To"] == f"Jörg Müller <{address}>"
            assert (taken["subject"], taken["text"]) == ("Größe", "Über …\n")
        else:
            with pytest.raises(MailNeedsUtf8):
                await pool.send(message)
            await pool.send(a_mail())
            assert len(mailbox.mails) == len(mailbox.connections) == 1
        await pool.close()


def test_a_mail_that_can_not_be_sent_is_tried_some_hundred_times_in_three_days_and_not_thousands() -> None:
    """By arithmetic: at first within seconds, then every ten minutes, each person's mail by itself."""
    policy: RetryPolicy = options.MAIL["retry_policy"]
    assert policy.maximum_interval is not None
    wait, passed, tries = policy.initial_interval, timedelta(), 1
    while passed < options.MAIL["schedule_to_close_timeout"]:
        passed += wait
        wait = min(wait * policy.backoff_coefficient, policy.maximum_interval)
        tries += 1
    assert 300 < tries < 500
    assert timedelta(minutes=5) <= smtp.OUR_FAULT
