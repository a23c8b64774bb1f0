"""Who reads evidence and takes files with them: every such answer is on record before it begins."""

import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import parse_qsl, quote

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.core.clock import utc_now
from db.people import reads
from db.tables import RecordRead, new_id

from ..problems.handlers import UNREACHABLE, answer_to
from .auth import Caller
from .client_address import client_address
from .context import context_of
from .heads import is_head

EVIDENCE, FILE = "evidence", "file"

_EVIDENCE = re.compile(r"(/v1|/console)/operations/\{id\}/evidence")
_EXPORT = "application/zip"
"""An auditor's, with the evidence of every operation in a period."""
_FILES = ("text/csv", "application/json")
_MAX_QUERY = 1000
_UNSAID = frozenset({"q", "cursor", "trail"})
"""What people search for may be somebody's name, and the cursor of a list by name has one: that they did is
enough."""


class ReadsMiddleware:
    """Writes a row for each answer that is evidence or a file of rows, and answers 503 where it can't:
    nothing of it is given out unseen. An invoice's PDF is no such file."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = scope.get("state", {}).get("caller")
        if scope["type"] != "http" or scope["method"] != "GET" or not isinstance(caller, Caller):
            await self._app(scope, receive, send)
            return
        request, refused = Request(scope), False
        if is_head(request):
            await self._app(scope, receive, send)
            return

        async def record(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and (what := _what(scope, message)) is not None:
                try:
                    await _keep(request, caller, what)
                except UNREACHABLE as error:
                    refused = True
                    await answer_to(request, error)(scope, receive, send)
            if not refused:
                await send(message)

        await self._app(scope, receive, record)


def _what(scope: Scope, message: MutableMapping[str, Any]) -> str | None:
    """What the answer is of what is kept on record; None: nothing."""
    if message["status"] != 200:
        return None
    if _EVIDENCE.fullmatch(str(getattr(scope.get("route"), "path", ""))):
        return EVIDENCE
    headers = Headers(raw=message["headers"])
    kind = headers.get("content-type", "").partition(";")[0]
    if kind == _EXPORT:
        return EVIDENCE
    is_file = headers.get("content-disposition", "").startswith("attachment")
    return FILE if is_file and kind in _FILES else None


async def _keep(request: Request, caller: Caller, what: str) -> None:
    context, signed_in = await context_of(request), getattr(request.state, "session", None)
    row = RecordRead(
        id=new_id("rdr"),
        organization_id=caller.organization,
        person_id=caller.person,
        at=utc_now(),
        what=what,
        path=request.url.path,
        query=_query(request.url.query)[:_MAX_QUERY],
        key=caller.key,
        session_id=signed_in.id if signed_in is not None else None,
        address=client_address(request),
        request_id=request.state.request_id,
    )
    async with context.database.statement() as session:
        await reads.note(session, row)


def _query(sent: str) -> str:
    sent_with = parse_qsl(sent)
    return "&".join(f"{quote(name)}={'…' if name in _UNSAID else quote(value)}" for name, value in sent_with)
