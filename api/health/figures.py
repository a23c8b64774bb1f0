"""The API's figures for Prometheus, on a port of their own: they are not for those who call the API."""

import asyncio
import logging
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.core.clock import utc_now
from db.core.session import AWAY
from db.incidents import backlog, incidents

from ..http.context import Context
from ..monitoring.lately import Lately
from ..monitoring.metrics import MEDIA_TYPE

log = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds for the database to say what waits."""


def figures_app(context: Context) -> Starlette:
    """Answers /metrics, and makes the figures once a second at most."""
    lately = Lately(partial(figures, context))

    async def answer(_: Request) -> Response:
        return Response(await lately.get(), media_type=MEDIA_TYPE)

    return Starlette(routes=[Route("/metrics", answer)])


async def figures(context: Context) -> bytes:
    """All figures as of now. Without the database those of the records are as the last time."""
    at = utc_now()
    try:
        async with asyncio.timeout(PATIENCE), context.database.reading() as session:
            context.metrics.incidents({row.component for row in await incidents.open_ones(session)})
            context.metrics.backlog(await backlog.read(session, at), at)
    except AWAY as error:
        log.warning("could not read what waits: %s", type(error).__name__)
    return context.metrics.exposition()
