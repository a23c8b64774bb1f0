"""The app as browsers reach it, with a page that only people who are signed in can have."""

from collections.abc import AsyncIterator, Callable

import pytest
from fastapi import Request
from temporalio.client import Client

from api.http.auth import AnyCaller
from api.http.site import Site
from billing.policy.policy import Policy
from db.core.session import Database

from ..conftest import Api, serving
from .visitors import SITE, Visitor

PAGE = "/console/probe/one"


@pytest.fixture
async def web(database: Database, policy: Policy, no_temporal: Client) -> AsyncIterator[Api]:
    site = Site(public_url=SITE, floor=0)
    async for api in serving(database, policy, no_temporal, site=site):
        add_probe(api)
        yield api


def add_probe(api: Api) -> None:
    """A page of the console, before all others."""

    async def page(request: Request, caller: AnyCaller) -> dict[str, object]:
        roles = sorted(caller.roles)
        return {"person": caller.person, "roles": roles, "session": request.state.session.id}

    before = len(api.app.router.routes)
    api.app.add_api_route(PAGE, page, methods=["GET", "POST"])
    api.app.router.routes[:0] = [api.app.router.routes.pop(before)]


@pytest.fixture
def browsers(web: Api) -> Callable[..., Visitor]:
    """Makes browsers."""
    return lambda **headers: Visitor(web.app, **headers)


@pytest.fixture
def visitor(browsers: Callable[..., Visitor]) -> Visitor:
    return browsers()
