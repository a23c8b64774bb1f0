"""The addresses that mails link to lead somewhere, and decide nothing."""

import re

import pytest

from api.app import ROUTERS
from db.core.session import Database
from db.tables import Outbox, TimelineEvent

from ...support.builders import Tenant
from ..conftest import ON_ONE_DATABASE, Api, counted

pytestmark = ON_ONE_DATABASE

PLACES = ("approvals", "operations", "finance", "incidents", "customers", "delegations")


@pytest.mark.parametrize("place", PLACES)
async def test_a_link_of_a_mail_opens_without_credentials_and_decides_nothing(
    api: Api, acme: Tenant, database: Database, place: str
) -> None:
    for path in (f"/console/{place}", f"/console/{place}/apr_01J-1"):
        page = await api.http.get(path)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "Nothing is decided by opening this page" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        head = await api.http.head(path)
        assert (head.status_code, head.content) == (200, b"")
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]


@pytest.mark.parametrize("place", PLACES)
async def test_each_request_that_a_page_names_is_one_of_the_api(api: Api, place: str) -> None:
    known = {
        (method, re.sub(r"\{\w+\}", "apr_01J-1", route.path))
        for router in ROUTERS
        for route in router.routes
        for method in route.methods
    }
    for path in (f"/console/{place}", f"/console/{place}/apr_01J-1"):
        page = (await api.http.get(path)).text
        named = re.findall(r"<pre>curl (?:-X (\w+) )?[^<]*?(/v1/[\w/-]+)", page)
        assert named
        assert {(method or "GET", path) for method, path in named} <= known


@pytest.mark.parametrize("path", ["/console", "/console/"])
async def test_the_first_page_says_where_to_begin(api: Api, path: str) -> None:
    page = await api.http.get(path)
    assert page.status_code == 200
    assert "/v1/approvals?needs_me=true" in page.text
    assert "/v1/notices" in page.text


async def test_an_unknown_place_or_a_strange_id_is_not_found(api: Api) -> None:
    for path in ("/console/nothing", "/console/nothing/op_1", "/console/approvals/%3Cb%3E"):
        assert (await api.http.get(path)).status_code == 404
