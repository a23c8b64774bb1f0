"""The worker's own /healthz: whether it hosts, and reaches Temporal and its records."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from temporalio.client import Client

from db.session import Database


class Health:
    """Not ready until both workers poll."""

    def __init__(self) -> None:
        self._temporal: Client | None = None
        self._database: Database | None = None

    def ready(self, temporal: Client, database: Database) -> None:
        self._temporal, self._database = temporal, database

    async def _answer(self, request: Request) -> JSONResponse:
        checks = {"hosting": self._temporal is not None, "temporal": False, "database": False}
        if self._temporal is not None:
            # Whatever is wrong with either, the answer is that it can't be reached.
            with suppress(Exception):
                checks["temporal"] = await self._temporal.service_client.check_health()
        if self._database is not None:
            with suppress(Exception):
                await self._database.ping()
                checks["database"] = True
        return JSONResponse(checks, status_code=200 if all(checks.values()) else 503)

    @asynccontextmanager
    async def served(self, port: int) -> AsyncIterator[None]:
        """Answers on the loopback `port`, where a container's health check asks."""
        app = Starlette(routes=[Route("/healthz", self._answer), Route("/readyz", self._answer)])
        server = uvicorn.Server(
            uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
        )
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        task = asyncio.create_task(server.serve())
        try:
            yield
        finally:
            server.should_exit = True
            await task
