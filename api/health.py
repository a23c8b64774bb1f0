"""Whether the process is up, whether it can do its work, and its figures. Open to who can reach it."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from temporalio.client import Client
from temporalio.service import RPCError

from db import incidents
from db.session import AWAY

from . import metrics
from .context import Context, InContext
from .models import HealthAnswer, ReadyAnswer

router = APIRouter(tags=["Health"])

PATIENCE = 2.0
"""Seconds for each of the two to answer."""


@router.get("/healthz", summary="Is the process up?")
async def healthz() -> HealthAnswer:
    return HealthAnswer(status="ok")


@router.get(
    "/readyz",
    summary="Can it do its work?",
    responses={503: {"model": ReadyAnswer, "description": "The database can't be reached"}},
)
async def readyz(request: Request, context: InContext, response: Response) -> ReadyAnswer:
    """503 only without the database. Without Temporal (`degraded`) requests are still accepted and kept."""
    database, temporal = await asyncio.gather(
        _reachable(context.database.ping()), _reachable(_temporal(context.dispatcher.client))
    )
    if not database:
        response.status_code = 503
    return ReadyAnswer(
        status="unavailable" if not database else "ok" if temporal else "degraded",
        database="ok" if database else "unreachable",
        temporal="ok" if temporal else "unreachable",
    )


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {metrics.MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
async def figures(context: InContext) -> Response:
    """Without the database the incidents are those of the last time."""
    await _reachable(_see_incidents(context))
    return Response(context.metrics.exposition(), media_type=metrics.MEDIA_TYPE)


async def _see_incidents(context: Context) -> None:
    async with context.database.reading() as session:
        context.metrics.incidents({row.component for row in await incidents.open_ones(session)})


async def _temporal(client: Client) -> None:
    if not await client.service_client.check_health(timeout=timedelta(seconds=PATIENCE)):
        raise ConnectionError("Temporal says that it is not serving")


async def _reachable(check: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            await check
    except (*AWAY, RPCError, RuntimeError):
        # RuntimeError is what Temporal's client raises while it can't connect.
        return False
    return True
