"""What all pages have in common: how they answer when something is away."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

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
