"""Whether the process is up, and whether it can do its work. Open to who can reach it."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from fastapi import APIRouter, Response
from temporalio.client import Client
from temporalio.service import RPCError

from db import migrate
from db.core.session import AWAY, Database

from ..http.context import InContext
from ..http.models import HealthAnswer, ReadyAnswer

router = APIRouter(tags=["Health"])

PATIENCE = 2.0
"""Seconds for each of the two to answer."""

Found = TypeVar("Found")


@router.get("/healthz", summary="Check liveness")
async def healthz() -> HealthAnswer:
    return HealthAnswer(status="ok")


@router.get(
    "/readyz",
    summary="Check readiness",
    responses={
        503: {"model": ReadyAnswer, "description": "The database can't be reached or is not migrated"}
    },
)
async def readyz(context: InContext, response: Response) -> ReadyAnswer:
    """Answers 503 when the database is unreachable, or does not match this release; then `fix` has the
    command to run.
    When Temporal is unreachable (`degraded`), requests are still accepted and stored. Checked at most once
    a second.
    """
    answer = await context.readiness.get()
    if answer.status == "unavailable":
        response.status_code = 503
    return answer


async def readiness(database: Database, temporal: Client) -> ReadyAnswer:
    """Look at both, side by side."""
    unmigrated, serving = await asyncio.gather(
        _asked(migrate.complaint(database)), _asked(_temporal(temporal))
    )
    fix = unmigrated[0] if unmigrated else None
    reached: bool = unmigrated is not None and fix is None
    return ReadyAnswer(
        status="unavailable" if not reached else "ok" if serving else "degraded",
        database="unreachable" if unmigrated is None else "not_migrated" if fix else "ok",
        temporal="ok" if serving else "unreachable",
        fix=fix,
    )


async def _temporal(client: Client) -> None:
    if not await client.service_client.check_health(timeout=timedelta(seconds=PATIENCE)):
        raise ConnectionError("Temporal says that it is not serving")


async def _asked(look: Awaitable[Found]) -> tuple[Found] | None:
    """What was found, or None where nobody answered."""
    try:
        async with asyncio.timeout(PATIENCE):
            return (await look,)
    except (*AWAY, RPCError, RuntimeError):
        # RuntimeError is what Temporal's client raises while it can't connect.
        return None
