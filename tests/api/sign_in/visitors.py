"""Browsers at the console's pages, as they send what browsers send."""

import re
from datetime import datetime

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from sqlmodel import col, select

from api.sign_in.sessions import COOKIE
from billing.core.keys import UNPEPPERED
from db.core.clock import utc_now
from db.core.session import Database
from db.sign_in import links
from db.tables import Outbox, Person

SITE = "https://billing.test"


class Visitor:
    """One browser: it keeps cookies, and says where its requests come from."""

    def __init__(self, app: FastAPI, **headers: str) -> None:
        self.app = app
        self.http = AsyncClient(transport=ASGITransport(app), base_url=SITE, headers=headers)

    async def get(self, path: str, **headers: str) -> Response:
        return await self.http.get(path, headers={"Sec-Fetch-Site": "none", "Accept": "text/html"} | headers)

    async def post(
        self, path: str, headers: dict[str, str] | None = None, **form: str | list[str]
    ) -> Response:
        sent = {"Sec-Fetch-Site": "same-origin"} if headers is None else headers
        return await self.http.post(path, data=form, headers=sent)

    @property
    def secret(self) -> str | None:
        """What the session's cookie says."""
        return self.http.cookies.get(COOKIE)

    def take(self, secret: str) -> None:
        """Plant somebody's cookie."""
        self.http.cookies.set(COOKIE, secret, domain="billing.test", path="/")


def title(answer: Response) -> str:
    found = re.search(r"<h1[^>]*>(.*?)</h1>", answer.text, re.DOTALL)
    assert found, answer.text
    return found[1].strip()


async def mailed(database: Database) -> list[dict[str, object]]:
    """What was to be mailed, the oldest first."""
    async with database.reading() as session:
        rows = await session.exec(select(Outbox).where(Outbox.action == "mail").order_by(col(Outbox.id)))
        return [row.payload for row in rows if row.payload["template"] == "sign_in"]


async def link_path(database: Database, mail: dict[str, object] | None = None) -> str:
    """The page of the last link that was to be mailed, as its mail would have it."""
    context = (mail or (await mailed(database))[-1])["context"]
    assert isinstance(context, dict)
    return await path_of(database, context["sign_in"])


async def path_of(database: Database, link_id: str, at: datetime | None = None) -> str:
    async with database.transaction() as session:
        token = await links.add_token(session, UNPEPPERED, link_id, at=at or utc_now())
    assert token is not None
    return f"/console/sign-in/link/{token}"


async def sign_in(visitor: Visitor, database: Database, person: Person, next: str = "") -> Response:
    """By mail, as far as the page that was wanted."""
    asked = await visitor.post("/console/sign-in", email=person.email, next=next)
    assert asked.status_code == 303, asked.text
    return await visitor.post(await link_path(database))
