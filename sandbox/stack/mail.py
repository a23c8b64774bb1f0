"""The mail sink of the embedded stack: takes every mail over SMTP and shows it over HTTP, delivers none.

`python -m sandbox.mail --smtp-port N --http-port N [--data FILE]`

    GET /          the mails as a page for people
    GET /messages  the same as JSON, oldest first
    DELETE /messages
    POST /faults   {"code": 451, "times": 2}: the next two mails are refused with that SMTP code
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import Environment
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

LOOPBACK = "127.0.0.1"

PAGE = Environment(autoescape=True).from_string("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>({{ mails|length }}) Mails</title>
<style>body{font:1rem/1.5 system-ui;max-width:50rem;margin:2rem auto;padding:0 1rem}
article{border-top:1px solid;padding:1rem 0}pre{white-space:pre-wrap;font:inherit}</style>
<h1>Mails</h1>
{% for mail in mails|reverse %}<article><h2>{{ mail.subject }}</h2>
<p>To {{ mail.to|join(", ") }} from {{ mail.from }}<br><code>{{ mail.message_id }}</code></p>
<pre>{{ mail.text }}</pre></article>
{% else %}<p>No mail has been sent yet. Ask for a plan change, and the approvers are written to.</p>
{% endfor %}</html>""")


class Fault(BaseModel):
    """Refuses the next `times` mails: 451 asks the sender to try later, 550 is final."""

    model_config = ConfigDict(extra="forbid", strict=True)
    code: Literal[421, 450, 451, 452, 550, 552, 554]
    times: int = Field(default=1, ge=0, le=1_000_000)


@dataclass
class Mailbox:
    """Every mail taken, in memory and, with `file`, one JSON object a line on disk."""

    file: Path | None = None
    mails: list[dict[str, Any]] = field(default_factory=list)
    fault: Fault = field(default_factory=lambda: Fault(code=451, times=0))

    def load(self) -> None:
        """Reads what an earlier run kept; a last line that a kill cut short is left out."""
        if self.file is None or not self.file.exists():
            return
        *whole, _cut = self.file.read_text(encoding="utf-8").split("\n")
        self.mails = [json.loads(line) for line in whole]
        self.file.write_text("".join(f"{line}\n" for line in whole), encoding="utf-8")

    def take(self, mail: dict[str, Any]) -> None:
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(mail, ensure_ascii=False) + "\n")
        self.mails.append(mail)

    def clear(self) -> None:
        self.mails.clear()
        if self.file is not None:
            self.file.unlink(missing_ok=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Called by aiosmtpd once a whole mail has arrived; answers with the SMTP reply line."""
        if self.fault.times > 0:
            self.fault = self.fault.model_copy(update={"times": self.fault.times - 1})
            return f"{self.fault.code} refused by a scripted fault of the sandbox"
        self.take(_read(envelope))
        return "250 OK"


def _read(envelope: Envelope) -> dict[str, Any]:
    content = envelope.content if isinstance(envelope.content, bytes) else b""
    message = message_from_bytes(content, _class=EmailMessage, policy=policy.default)
    body = message.get_body(("plain", "html"))
    return {
        "from": str(message["From"] or envelope.mail_from),
        "to": list(envelope.rcpt_tos),
        "subject": str(message["Subject"] or ""),
        "message_id": str(message["Message-ID"] or ""),
        "text": str(body.get_content()).replace("\r\n", "\n") if body is not None else "",
        "headers": {name: str(value) for name, value in message.items()},
    }


def create_app(mailbox: Mailbox, smtp_port: int) -> Starlette:
    """The HTTP side; SMTP listens as long as it runs."""

    @asynccontextmanager
    async def smtp_too(_app: Starlette) -> AsyncIterator[None]:
        def protocol() -> SMTP:
            # A fixed name, or aiosmtpd asks the resolver for one and may wait for it.
            return SMTP(mailbox, hostname="localhost", enable_SMTPUTF8=True, loop=asyncio.get_running_loop())

        server = await asyncio.get_running_loop().create_server(protocol, LOOPBACK, smtp_port)
        yield
        server.close()

    async def page(_request: Request) -> Response:
        return HTMLResponse(PAGE.render(mails=mailbox.mails))

    async def messages(request: Request) -> Response:
        if request.method == "DELETE":
            mailbox.clear()
        return JSONResponse(mailbox.mails)

    async def faults(request: Request) -> Response:
        try:
            mailbox.fault = Fault.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"errors": json.loads(error.json(include_url=False))}, status_code=422)
        return JSONResponse(mailbox.fault.model_dump())

    return Starlette(
        routes=[
            Route("/", page),
            Route("/messages", messages, methods=["GET", "DELETE"]),
            Route("/faults", faults, methods=["POST"]),
        ],
        lifespan=smtp_too,
    )


def main(
    smtp_port: Annotated[int, typer.Option(help="where mails are taken")] = 1025,
    http_port: Annotated[int, typer.Option(help="where mails are shown")] = 8025,
    data: Annotated[Path | None, typer.Option(help="a file that keeps the mails over a restart")] = None,
) -> None:
    """Takes mails and shows them, until it is told to stop."""
    mailbox = Mailbox(data)
    mailbox.load()
    server = uvicorn.Server(
        uvicorn.Config(create_app(mailbox, smtp_port), host=LOOPBACK, port=http_port, log_level="warning")
    )
    server.run()


if __name__ == "__main__":
    typer.run(main)
