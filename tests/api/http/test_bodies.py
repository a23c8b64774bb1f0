"""Bodies that are too large, not JSON, or not text at all: a 4xx, and nothing half-done."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from db.core.session import Database
from db.tables import Operation

from ...support.builders import Tenant
from ..conftest import ON_ONE_DATABASE, WANTED, Api, counted

pytestmark = ON_ONE_DATABASE

MIB = 1024 * 1024
JSON = {"Content-Type": "application/json"}


async def in_chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65536):
        yield b" " * 65536
    yield b" " * (size % 65536)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_one_mebibyte_is_refused(
    api: Api, acme: Tenant, database: Database, chunked: bool
) -> None:
    content = in_chunks(MIB + 1) if chunked else b" " * (MIB + 1)
    answer = await api.post("/v1/plan-changes", acme.admin, key="k", content=content, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["content-type"] == "application/problem+json"
    assert await counted(database, Operation) == [0]


async def test_a_body_of_one_mebibyte_is_read(api: Api, acme: Tenant) -> None:
    body = b'{"plan": "growth", "reason": "Two teams join."' + b" " * MIB
    content = body[: MIB - 1] + b"}"
    answer = await api.post("/v1/plan-changes", acme.admin, key="k", content=content, headers=JSON)
    assert answer.status_code == 202


async def test_a_client_that_says_one_length_and_sends_more_gets_no_further(api: Api, acme: Tenant) -> None:
    headers = JSON | {"Content-Length": "10"}
    content = in_chunks(MIB + 1)
    answer = await api.post("/v1/plan-changes", acme.admin, key="k", content=content, headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"plan=growth",
        b'{"plan": "growth",}',
        b"\xff\xfe\x00",
        b'{"plan": "\xff"}',
        b"[" * 100_000,
        b'{"seats": ' + b"9" * 5_000 + b"}",
        b"\x00",
        b'{"plan": "growth", "reason": "why not", "seats": NaN}',
        b'{"plan": "growth", "reason": "why not", "seats": -Infinity}',
        '{"plan": "growth", "reason": "why not"}'.encode("utf-16"),
    ],
)
async def test_what_is_not_json_is_refused(api: Api, acme: Tenant, content: bytes) -> None:
    answer = await api.post("/v1/plan-changes", acme.admin, key="k", content=content, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("content", "pointer", "code"),
    [
        (b'{"plan": "\\ud800", "reason": "why not"}', "/plan", "invalid_text"),
        (b'{"plan": "growth", "reason": "\\u0000\\u0000\\u0000"}', "/reason", "invalid_text"),
        (b'{"plan": "growth", "reason": "why not", "seats": 1e400}', "/seats", "wrong_type"),
        (b'{"plan": "growth", "reason": "why not", "\\ud800": 1}', "", "invalid_text"),
    ],
)
async def test_json_of_odd_values_is_refused_by_field(
    api: Api, acme: Tenant, content: bytes, pointer: str, code: str
) -> None:
    answer = await api.post("/v1/plan-changes", acme.admin, key="k", content=content, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]


@pytest.mark.parametrize(
    ("path", "content", "pointer"),
    [
        (
            "refunds",
            '{"amount_minor": 100, "payment_intent": "pi_1", "amount_minor": 90000}',
            "/amount_minor",
        ),
        ("credits", '{"customer": "cus_1", "customer": "cus_2"}', "/customer"),
        ("plan-changes", '{"plan": "growth", "pl\\u0061n": "scale", "reason": "why not"}', "/plan"),
        ("plan-changes", '{"plan": "growth", "plan": "growth", "reason": "why not"}', "/plan"),
        ("plan-changes", '{"plan": [{"a/b": {"x": 1, "x": 2}}], "reason": "why not"}', "/plan/0/a~1b/x"),
        ("plan-changes", '{"\\ud800": 1, "\\ud800": 2}', "/?"),
    ],
)
async def test_a_name_that_is_given_twice_is_refused_by_name_wherever_it_stands(
    api: Api, acme: Tenant, database: Database, path: str, content: str, pointer: str
) -> None:
    answer = await api.post(f"/v1/{path}", acme.admin, key="k", content=content.encode(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "duplicate_key")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert answer.json()["detail"].startswith(f"{pointer} is given twice")
    assert await counted(database, Operation) == [0]


@pytest.mark.parametrize("method", ["post", "put", "patch"])
async def test_whatever_takes_a_body_refuses_a_name_that_is_given_twice(
    api: Api, acme: Tenant, method: str
) -> None:
    routes = api.app.openapi()["paths"]
    bodies = [
        path
        for path, ways in routes.items()
        if path.startswith("/v1") and "requestBody" in ways.get(method, {})
    ]
    for path in bodies:
        address = re.sub(r"{[^}]*}", "1", path)
        sent: dict[str, Any] = {
            "content": b'{"a": 1, "a": 2}',
            "headers": JSON | acme.admin.headers | {"Idempotency-Key": "k"},
        }
        answer = await api.http.request(method, address, **sent)
        assert (answer.status_code, answer.json()["code"]) == (400, "duplicate_key"), path
        described = routes[path][method]["responses"]["400"]["content"]["application/problem+json"]
        assert "duplicate_key" in described["examples"], path
    assert bodies or method != "post"


async def test_many_wrong_fields_are_named_up_to_twenty(api: Api, acme: Tenant) -> None:
    body = WANTED | {f"{n}{'x' * 5_000}": n for n in range(100)}
    answer = await api.post("/v1/plan-changes", acme.admin, body, key="k")
    assert len(answer.json()["errors"]) == 20
    assert len(answer.text) < 10_000


@pytest.mark.parametrize(
    "declared", [None, "text/plain", "application/x-www-form-urlencoded", "json", "\x00"]
)
async def test_a_body_that_is_not_declared_as_json_is_refused(
    api: Api, acme: Tenant, database: Database, declared: str | None
) -> None:
    headers = {} if declared is None else {"Content-Type": declared}
    content = b'{"plan": "growth", "reason": "why not"}'
    answer = await api.post("/v1/plan-changes", acme.admin, key="k", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert await counted(database, Operation) == [0]


async def test_json_may_be_declared_with_its_charset(api: Api, acme: Tenant) -> None:
    content = b'{"plan": "growth", "reason": "why not"}'
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    answer = await api.post("/v1/plan-changes", acme.admin, key="k", content=content, headers=headers)
    assert answer.status_code == 202


async def test_a_reason_in_any_script_is_kept(api: Api, acme: Tenant) -> None:
    answer = await api.ask(acme.admin, reason="チームが増えます 🎉\nzweite Zeile")
    assert answer.json()["request"]["reason"] == "チームが増えます 🎉\nzweite Zeile"
