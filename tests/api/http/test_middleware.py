"""What surrounds every answer: ids, headers, limits, figures, and the answer when something breaks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from temporalio.client import Client

from api.http.site import Site
from billing.policy.policy import Policy
from db.core.session import Database

from ...support.builders import Tenant, member
from ...support.logged import logged
from ..conftest import ON_ONE_DATABASE, Api, serving

pytestmark = ON_ONE_DATABASE


async def test_a_request_keeps_the_id_that_it_came_with(api: Api) -> None:
    answer = await api.http.get("/healthz", headers={"X-Request-Id": "from-the-proxy-1"})
    assert answer.headers["X-Request-Id"] == "from-the-proxy-1"


@pytest.mark.parametrize("sent", [b"", b"a b", b"x" * 65, b"\xff", b"a\x00", b"<script>"])
async def test_an_unusable_request_id_is_replaced(api: Api, sent: bytes) -> None:
    answer = await api.http.get("/healthz", headers={b"X-Request-Id": sent})
    assert answer.headers["X-Request-Id"].startswith("req_")


async def test_every_answer_has_its_security_headers(api: Api, acme: Tenant) -> None:
    for path in ("/healthz", "/v1/operations", "/v1/nothing", "/docs"):
        headers = (await api.get(path, acme.admin)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cache-Control"] == "no-store"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "Strict-Transport-Security" not in headers, "it is reached by http"


async def test_browsers_are_told_to_come_by_https_alone_where_it_is_reached_so(
    database: Database, policy: Policy, no_temporal: Client
) -> None:
    site = Site(public_url="https://billing.example.com")
    async for api in serving(database, policy, no_temporal, site=site):
        for path in ("/healthz", "/v1/nothing", "/console/sign-in", "/portal/nothing"):
            headers = (await api.http.get(path)).headers
            assert headers["Strict-Transport-Security"] == "max-age=31536000", path
            assert headers["X-Content-Type-Options"] == "nosniff", path


async def test_headers_have_a_limit(api: Api, acme: Tenant) -> None:
    answer = await api.http.get("/v1/operations", headers=acme.admin.headers | {"X-More": "x" * 33_000})
    assert (answer.status_code, answer.json()["code"]) == (431, "headers_too_large")
    fits = await api.http.get("/v1/operations", headers=acme.admin.headers | {"X-More": "x" * 30_000})
    assert fits.status_code == 200


async def test_nobody_waits_without_end_for_an_answer_to_begin(
    api: Api, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(*_: object, **__: object) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr("api.http.middleware.ANSWER_BEGUN_WITHIN", 0.2)
    monkeypatch.setattr("db.core.pages.PagedRows.page", slow)
    answer = await api.get("/v1/operations", acme.admin)
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
    assert answer.headers["Retry-After"] == "10"


async def test_what_breaks_is_logged_with_its_id_and_not_shown(
    api: Api, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ValueError("the secret ingredient")

    monkeypatch.setattr("db.core.pages.PagedRows.page", broken)
    with logged() as lines:
        answer = await api.get("/v1/operations", acme.admin)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "internal_error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret ingredient" not in answer.text
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    [failed] = [line for line in lines if line["level"] == "error"]
    assert failed["request"] == problem["request_id"]
    assert "secret ingredient" in failed["exception"]


async def test_of_what_breaks_the_log_has_the_route_and_not_the_path(
    api: Api, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ValueError

    monkeypatch.setattr("api.operations.routes.operations.get", broken)
    with logged() as lines:
        answer = await api.get("/v1/operations/op_secret", acme.admin)
    own = [line for line in lines if line["logger"] == "api.http.middleware"]
    assert [line["message"].partition(" 500")[0] for line in own] == [
        "failed: GET /v1/operations/{id}",
        "GET /v1/operations/{id}",
    ]
    for line in own:
        assert (line["request"], line["organization"], line["person"]) == (
            answer.headers["X-Request-Id"],
            acme.id,
            acme.admin.id,
        )
        assert "op_secret" not in json.dumps(line)


async def test_without_records_the_answer_is_to_try_again(
    api: Api, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Database("sqlite:////nonexistent/plixo.db")
    monkeypatch.setattr(database, "reading", gone.reading)
    answer = await api.get("/v1/operations", acme.admin)
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("sqlstate", ["57P03", "57P01", "53300"])
async def test_a_server_that_takes_no_connection_yet_is_to_be_tried_again(
    policy: Policy, no_temporal: Client, acme: Tenant, sqlstate: str
) -> None:
    """PostgreSQL that still starts up, that shuts down, or that has no room."""
    async with refusing_postgres(sqlstate) as url:
        refused = Database(url)
        async for api in serving(refused, policy, no_temporal):
            answer = await api.get("/v1/operations", acme.admin)
        await refused.dispose()
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")


@asynccontextmanager
async def refusing_postgres(sqlstate: str) -> AsyncIterator[str]:
    """Answers whoever connects as PostgreSQL does, by its protocol: FATAL, with this SQLSTATE."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (message := await _startup(reader)) == SSL_REQUEST:
            writer.write(b"N")
        assert message
        fields = b"SFATAL\0VFATAL\0C" + sqlstate.encode() + b"\0Mnot now\0\0"
        writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        yield f"postgresql://plixo@127.0.0.1:{server.sockets[0].getsockname()[1]}/plixo"


SSL_REQUEST = (80877103).to_bytes(4, "big")


async def _startup(reader: asyncio.StreamReader) -> bytes:
    """A message of a client that is not connected yet, without its length."""
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/v1/operations/", "/v1/plan-changes/x", "/nothing%0d%0a", "/%ff"]
)
async def test_an_unknown_address_is_a_problem_document(api: Api, acme: Tenant, path: str) -> None:
    answer = await api.get(path, acme.admin)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_wrong_method_names_the_right_ones(api: Api, acme: Tenant) -> None:
    answer = await api.http.put("/v1/operations", headers=acme.admin.headers)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET"


async def test_a_key_that_sends_too_much_waits_and_others_do_not(
    database: Database, policy: Policy, no_temporal: Client, acme: Tenant
) -> None:
    async for api in serving(database, policy, no_temporal, rate=0.01):
        answers = [await api.get("/v1/operations", acme.admin) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[1].json()["code"] == "rate_limited"
        assert 1 <= int(answers[1].headers["Retry-After"]) <= 100
        assert (await api.get("/v1/operations", acme.auditor)).status_code == 200
        assert (await api.get("/healthz")).status_code == 200


async def test_health_needs_nothing(api: Api) -> None:
    answer = await api.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_without_temporal_it_is_ready_but_degraded(api: Api) -> None:
    answer = await api.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "degraded", "database": "ok", "temporal": "unreachable", "fix": None},
    )


async def test_without_records_it_is_not_ready(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "read", Database("sqlite:////nonexistent/plixo.db").read)
    answer = await api.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert answer.json()["database"] == "unreachable"


async def test_figures_count_by_route_and_not_by_id(api: Api, acme: Tenant, database: Database) -> None:
    await api.ask(acme.admin)
    await api.context.dispatcher.idle()
    for id_ in ("op_1", "op_2"):
        await api.get(f"/v1/operations/{id_}", acme.admin)
    await api.get("/nothing")
    figures = (await api.figures()).splitlines()
    route = 'method="GET",route="/v1/operations/{id}",status="404"'
    assert f"plixo_api_requests_total{{{route}}} 2.0" in figures
    assert 'plixo_api_requests_total{method="GET",route="none",status="404"} 1.0' in figures
    assert 'plixo_api_deliveries_total{action="start",outcome="later"} 1.0' in figures
    assert not any("op_1" in line for line in figures)


async def test_a_person_without_roles_is_told_which_one_is_needed(
    api: Api, acme: Tenant, database: Database
) -> None:
    nobody_special = await member(database, acme.organization, [])
    answer = await api.ask(nobody_special)
    assert answer.json()["code"] == "role_missing"
    assert "billing_admin" in answer.json()["detail"]
