"""Requests that other sites have a browser send reach no page of the console."""

import pytest

from api.sign_in.pages import FROM_ELSEWHERE
from db.core.session import Database
from db.tables import ConsoleSession, PersonLink

from ...support.builders import Tenant
from ..conftest import ON_ONE_DATABASE, counted
from .conftest import PAGE
from .visitors import SITE, Visitor, sign_in, title

pytestmark = ON_ONE_DATABASE

FORGED = [
    {},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": f"{SITE}.evil.example"},
    {"Origin": "http://billing.test"},
    {"Origin": f"{SITE}:8443"},
    {"Referer": f"{SITE}/console/"},
    {"Sec-Fetch-Site": "cross-site", "Origin": SITE},
    {"Sec-Fetch-Site": "same-site", "Origin": SITE},
    {"Sec-Fetch-Site": "none", "Origin": SITE},
    {"Sec-Fetch-Site": "", "Origin": SITE},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"X-Forwarded-Host": "billing.test", "Origin": "https://evil.example"},
]


@pytest.mark.parametrize("headers", FORGED, ids=str)
async def test_a_forged_request_is_refused_before_anything_is_looked_at(
    visitor: Visitor, acme: Tenant, database: Database, headers: dict[str, str]
) -> None:
    await sign_in(visitor, database, acme.admin.person)
    before = await counted(database, ConsoleSession, PersonLink)
    for path in (PAGE, "/console/sign-out", "/console/sign-in", "/console", "/console/no-such-page"):
        answer = await visitor.post(path, headers, email=acme.admin.person.email)
        assert (answer.status_code, title(answer)) == (403, FROM_ELSEWHERE)
    assert await counted(database, ConsoleSession, PersonLink) == before
    assert (await visitor.get(PAGE)).status_code == 200, "nobody was signed out"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_no_other_method_gets_by(visitor: Visitor, acme: Tenant, method: str) -> None:
    assert (await visitor.http.request(method, PAGE)).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": SITE},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    ],
    ids=str,
)
async def test_our_own_forms_get_through(
    visitor: Visitor, acme: Tenant, database: Database, headers: dict[str, str]
) -> None:
    await sign_in(visitor, database, acme.admin.person)
    assert (await visitor.post(PAGE, headers)).status_code == 200


async def test_the_pages_can_not_be_framed_and_load_nothing_from_elsewhere(visitor: Visitor) -> None:
    headers = (await visitor.get("/console/sign-in")).headers
    policy = headers["content-security-policy"]
    assert {"default-src 'self'", "frame-ancestors 'none'", "form-action 'self'"} <= set(policy.split("; "))
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
