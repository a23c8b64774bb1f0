"""The worker's own /healthz: whether it hosts, reaches Temporal, and its records are migrated."""

from contextlib import AbstractAsyncContextManager, suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from temporalio.client import Client

from db import migrate
from db.core.session import Database
from settings.serving import served


class Health:
    """Not ready until all workers poll."""

    def __init__(self, database: Database) -> None:
        self._temporal: Client | None = None
        self._database = database

    def ready(self, temporal: Client) -> None:
        self._temporal = temporal

    async def _answer(self, request: Request) -> JSONResponse:
        checks = {
            "hosting": self._temporal is not None,
            "temporal": False,
            "database": False,
        }
        if self._temporal is not None:
            # Whatever is wrong with either, the answer is that it can't be reached.
            with suppress(Exception):
                checks["temporal"] = await self._temporal.service_client.check_health()
        fix = None
        with suppress(Exception):
            fix = await migrate.complaint(self._database)
            checks["database"] = fix is None
        well = all(checks.values())
        return JSONResponse(checks | ({"fix": fix} if fix else {}), status_code=200 if well else 503)

    def served(self, port: int) -> AbstractAsyncContextManager[None]:
        """Answers on the loopback `port`, where a container's health check asks."""
        app = Starlette(routes=[Route("/healthz", self._answer), Route("/readyz", self._answer)])
        return served(app, "127.0.0.1", port)
