"""The console in browsers of people who are signed in."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from temporalio.client import Client

from api.http.site import Site
from billing.policy.policy import Policy
from db.core.session import Database

from ...support.builders import Member
from ..conftest import Api, serving
from ..sign_in.visitors import SITE, Visitor, sign_in

SignIn = Callable[[Member], Awaitable[Visitor]]


@pytest.fixture
async def web(database: Database, policy: Policy, no_temporal: Client) -> AsyncIterator[Api]:
    site = Site(public_url=SITE, floor=0)
    async for api in serving(database, policy, no_temporal, site=site):
        yield api


@pytest.fixture
def signed_in(web: Api, database: Database) -> SignIn:
    """A browser of one's own for a member."""

    async def browser_of(member: Member) -> Visitor:
        visitor = Visitor(web.app)
        answer = await sign_in(visitor, database, member.person)
        assert answer.status_code == 303, answer.text
        return visitor

    return browser_of
