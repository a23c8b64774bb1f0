"""The mail sink, by SMTP and HTTP as the product and its tests meet it."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import httpx
import pytest

from sandbox.stack.mail import Mailbox, create_app


@dataclass
class Sink:
    mailbox: Mailbox
    smtp_port: int
    http: httpx.AsyncClient

    async def send(self, message: EmailMessage) -> None:
        await aiosmtplib.send(message, hostname="127.0.0.1", port=self.smtp_port)


@asynccontextmanager
async def running(file: Path | None = None) -> AsyncIterator[Sink]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mailbox = Mailbox(file)
    mailbox.load()
    app = create_app(mailbox, port)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mail") as http,
    ):
        yield Sink(mailbox, port, http)


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with running() as it:
        yield it


def mail(subject: str = "Approve: Growth → Scale", text: str = "€ 13.00 is due.\n") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Plixo Billing <billing@plixo.example>"
    message["To"] = "cora@plixo.example"
    message["Subject"] = subject
    message["Message-ID"] = "<op_1.requested@plixo.example>"
    message["X-Plixo-Operation"] = "op_1"
    message.set_content(text)
    return message


async def test_a_mail_that_was_sent_is_listed_with_its_headers_and_text(sink: Sink) -> None:
    await sink.send(mail())

    [seen] = (await sink.http.get("/messages")).json()
    assert seen["from"] == "Plixo Billing <billing@plixo.example>"
    assert seen["to"] == ["cora@plixo.example"]
    assert seen["subject"] == "Approve: Growth → Scale"
    assert seen["message_id"] == "<op_1.requested@plixo.example>"
    assert seen["text"] == "€ 13.00 is due.\n"
    assert seen["headers"]["X-Plixo-Operation"] == "op_1"


async def test_the_page_shows_mails_newest_first_and_escapes_what_is_in_them(sink: Sink) -> None:
    await sink.send(mail("first"))
    await sink.send(mail("<b>second</b>"))

    page = (await sink.http.get("/")).text
    assert "<title>(2) Mails</title>" in page
    assert page.index("&lt;b&gt;second&lt;/b&gt;") < page.index("first")


async def test_the_page_without_mails_says_what_to_do_next(sink: Sink) -> None:
    assert "No mail has been sent yet" in (await sink.http.get("/")).text


@pytest.mark.parametrize("code", [451, 550])
async def test_a_scripted_fault_refuses_exactly_as_many_mails_as_asked(sink: Sink, code: int) -> None:
    await sink.http.post("/faults", json={"code": code, "times": 1})

    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await sink.send(mail())
    assert refused.value.code == code
    assert (await sink.http.get("/messages")).json() == []

    await sink.send(mail())
    assert len((await sink.http.get("/messages")).json()) == 1


async def test_a_fault_that_smtp_does_not_know_is_refused(sink: Sink) -> None:
    answer = await sink.http.post("/faults", json={"code": 200, "times": 1})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["code"]


async def test_deleting_forgets_every_mail(sink: Sink) -> None:
    await sink.send(mail())
    assert (await sink.http.delete("/messages")).json() == []
    assert (await sink.http.get("/messages")).json() == []


async def test_mails_survive_a_restart_but_not_a_line_cut_short_by_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "mails.jsonl"
    async with running(file) as first:
        await first.send(mail("kept", "line separator \u2028 inside\n"))
    with file.open("a") as out:
        out.write('{"subject": "cut sh')

    async with running(file) as second:
        assert [m["subject"] for m in second.mailbox.mails] == ["kept"]
        await second.send(mail("after"))
    async with running(file) as third:
        assert [m["subject"] for m in third.mailbox.mails] == ["kept", "after"]
