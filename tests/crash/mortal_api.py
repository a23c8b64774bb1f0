"""An API that dies around a commit, so that nobody is answered.

Whoever asked asks again; but not after a command or decision that was recorded: it must arrive by itself.
"""

import asyncio
import re
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import Connection, event

from api.dispatch.dispatcher import Dispatcher
from api.http.context import Context
from billing.core.delivery import Delivery
from db.core.postgres.late_begin import LAST, is_unbegun
from db.tables import Outbox

from .plan import ApiDeath

_dying: ContextVar[str | None] = ContextVar("dying", default=None)
"""The point at which the request that is being served dies."""


class ApiDied(BaseException):
    """Nothing more is done for the request, not even the handling of errors."""


class MortalDispatcher(Dispatcher):
    """Is reached right after a commit; a dead process tells Temporal nothing, and the sweep has to."""

    def hand_over(self, row: Outbox) -> "asyncio.Task[Delivery] | None":
        if _dying.get() == "after commit":
            raise ApiDied
        return super().hand_over(row)


class MortalApi(httpx.AsyncBaseTransport):
    """Serves an app, and plays its deaths."""

    def __init__(self, app: FastAPI) -> None:
        context: Context = app.state.context
        app.state.context = replace(
            context, dispatcher=MortalDispatcher(context.database, context.dispatcher.client, context.metrics)
        )
        self._inner = httpx.ASGITransport(app)
        self._planned: list[ApiDeath] = []
        self.deaths = 0
        engine = context.database.engine.sync_engine
        event.listen(engine, "commit", _die_before_commit)
        event.listen(engine, "before_cursor_execute", _die_before_the_only_write)

    def plan(self, deaths: Sequence[ApiDeath]) -> None:
        self._planned, self.deaths = list(deaths), 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        what = f"{request.method} {request.url.path}"
        death = next((planned for planned in self._planned if re.search(planned.match, what)), None)
        if death is not None:
            self._planned.remove(death)
            token = _dying.set(death.point)
            try:
                await self._inner.handle_async_request(request)
                self.deaths += death.point == "after commit"  # before it could tell anybody
            except ApiDied:
                self.deaths += 1
            finally:
                _dying.reset(token)
            if death.point == "after commit" and "Idempotency-Key" not in request.headers:
                return httpx.Response(202, json={})
        return await self._inner.handle_async_request(request)


def _die_before_the_only_write(connection: Connection, *given: Any) -> None:
    """Where a statement is a transaction by itself, nothing is left to commit after it."""
    last = LAST.items() <= given[3].execution_options.items()
    if last and is_unbegun(connection):
        _die_before_commit(connection)


def _die_before_commit(_: Connection) -> None:
    if _dying.get() == "before commit":
        raise ApiDied
