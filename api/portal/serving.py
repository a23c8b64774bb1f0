"""What all pages have in common: how they answer when something is away, when, and to which forms."""

import logging
import math
import time
from asyncio import sleep as _pause
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.responses import Response

from billing.incidents.states import Component

from ..http.context import Context
from . import pages

log = logging.getLogger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """What stands behind the pages being away is told as a page too, and every visit is counted: by these
    the portal is known to work."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            context: Context = request.app.state.context
            try:
                answer = await handle(request)
            except (DBAPIError, PoolTimeout, OSError) as error:
                log.warning("the database can't be reached: %s", type(error).__name__)
                context.meter.fault(Component.PORTAL, "records_away")
                return pages.unavailable(context.site, request)
            except Exception:
                context.meter.fault(Component.PORTAL, "internal_error")
                raise
            fault = getattr(request.state, "portal_fault", None)
            if fault is not None:
                context.meter.fault(Component.PORTAL, fault)
            else:
                context.meter.ok(Component.PORTAL)
            return answer

        return told


async def form_of(request: Request) -> list[tuple[str, str]]:
    """The fields of our own forms; of everything else that is sent, also as multipart, none."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/x-www-form-urlencoded":
        return []
    return parse_qsl((await request.body()).decode("latin-1"))


async def at_floor(context: Context, began: float) -> None:
    """Wait until a whole multiple of the floor: the time taken tells nothing."""
    floor = context.site.floor
    if floor > 0:
        took = time.monotonic() - began
        await _pause(math.ceil(took / floor) * floor - took)
