"""The documentation's pages: every route with its fields, found by words, tried as it is."""

import json
import re
from html import unescape
from typing import Any

import pytest
from httpx import Response

from api.problems.catalogue import CATALOGUE
from billing.core.operations import Role

from ...support.builders import Tenant, an_operation, store
from ...support.money_rows import a_refund_operation
from ..conftest import ON_ONE_DATABASE, Api

pytestmark = ON_ONE_DATABASE


@pytest.fixture
async def document(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get("/openapi.json")).json()
    return found


def ids(document: dict[str, Any]) -> list[str]:
    return [one["operationId"] for path in document["paths"].values() for one in path.values()]


async def tried(api: Api, operation: str, **typed: str) -> Response:
    return await api.http.post(f"/docs/{operation}", data=typed)


def answered(page: Response) -> tuple[int, str]:
    """The status and the text that the page shows as the answer."""
    found = re.search(
        r'<p role="status"><strong>(\d+)</strong></p>\s*<pre tabindex="0">(.*?)</pre>', page.text, re.S
    )
    assert found, page.text
    return int(found[1]), unescape(found[2]).partition("\n\n")[2].strip()


async def test_the_index_has_an_anchor_for_every_route_and_code(
    api: Api, acme: Tenant, document: dict[str, Any]
) -> None:
    anchors = set(re.findall(r'id="([^"]+)"', (await api.get("/docs")).text))
    assert set(CATALOGUE) | set(ids(document)) <= anchors
    problem = (await api.get("/v1/operations/op_1", acme.admin)).json()
    assert problem["type"].removeprefix("/docs#") in anchors


async def test_every_route_has_a_page_that_needs_nothing_from_elsewhere(
    api: Api, document: dict[str, Any]
) -> None:
    for path in ["/docs", *(f"/docs/{operation}" for operation in ids(document))]:
        answer = await api.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert not re.findall(r"(?:src|href|action)=[\"']?(?:https?:)?//", answer.text), path
        assert not re.search(r"<script|<[^>]*\s(style|on\w+)=", answer.text), path
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert len(re.findall("sha256-", policy)) == 1
        assert "form-action 'self'" in policy
        links = set(re.findall(r'href="#(schema-[^"]+)"', answer.text))
        assert links <= set(re.findall(r'id="([^"]+)"', answer.text)), path
        assert len(answer.content) < 300_000, path


async def test_a_page_says_what_each_field_is(api: Api) -> None:
    page = (await api.get("/docs/request_refund")).text
    assert "<td><code>payment_intent</code></td>" in page
    assert "Idempotency-Key" in page
    assert "The <code>quote</code> of a quote" in page
    assert 'id="schema-RefundSubject"' in page
    assert 'id="schema-PlanChangeSubject"' not in page, "a refund is answered with a refund"
    assert "<td><code>note</code><br><small>required</small></td>" in page
    assert "<td><code>pending</code><br><small>may be absent</small></td>" in page
    assert "integer (from 1, to 999999999999), or null" in page
    assert re.search(r'id="schema-State">State</h3>\s*<p>One of <code>accepted</code>', page)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("evidence", "read_operation_evidence"),
        ("confirm_fraudulent", "request_refund"),
        ("already_decided", "decide_approval"),
        ("GET /v1/invoices", "list_invoices"),
    ],
)
async def test_a_route_is_found_by_its_words(api: Api, words: str, found: str) -> None:
    page = (await api.get(f"/docs?q={words}")).text
    assert f'href="/docs/{found}"' in page
    assert 'href="/docs/check_liveness"' not in page


async def test_what_nothing_says_is_found_nowhere(api: Api) -> None:
    page = (await api.get("/docs?q=%3Cb%3Enowhere")).text
    assert "Nothing is said of “&lt;b&gt;nowhere”" in page


async def test_an_unknown_route_has_no_page(api: Api) -> None:
    assert (await api.get("/docs/nothing")).status_code == 404
    assert (await tried(api, "nothing")).status_code == 404


async def test_a_read_is_tried_as_the_holder_of_the_key(api: Api, acme: Tenant, other: Tenant) -> None:
    mine, theirs = an_operation(acme), an_operation(other)
    await store(api.app.state.context.database, mine, theirs)
    key = acme.admin.api_key
    page = await tried(api, "read_operation", key=key, **{"parameter.id": mine.id})
    status, text = answered(page)
    assert (status, json.loads(text)["id"]) == (200, mine.id)
    assert key not in page.text
    status, text = answered(await tried(api, "read_operation", key=key, **{"parameter.id": theirs.id}))
    assert (status, json.loads(text)["code"]) == (404, "not_found")


async def test_a_list_is_tried_with_its_filters_and_as_csv(api: Api, acme: Tenant) -> None:
    await store(api.app.state.context.database, an_operation(acme), a_refund_operation(acme))
    typed = {"key": acme.admin.api_key, "parameter.kind": "refund", "accept": "text/csv"}
    status, text = answered(await tried(api, "list_operations", **typed))
    assert status == 200
    assert [line.split(",")[1] for line in text.splitlines()] == ["kind", "refund"]


async def test_a_wrong_key_and_none_are_refused_as_anywhere(api: Api, acme: Tenant) -> None:
    assert answered(await tried(api, "list_operations"))[0] == 401
    assert answered(await tried(api, "list_operations", key="pk_nobody_0"))[0] == 401
    assert answered(await tried(api, "list_operations", key="a\r\nX-Forged: b"))[0] == 401


async def test_a_request_is_tried_with_the_body_that_was_typed(api: Api, acme: Tenant) -> None:
    typed = {"key": acme.admin.api_key, "parameter.Idempotency-Key": "one", "body": "{"}
    page = await tried(api, "request_refund", **typed)
    assert json.loads(answered(page)[1])["code"] == "invalid_json"
    auditor = {**typed, "key": acme.members[Role.AUDITOR].api_key, "body": '{"reason": "other"}'}
    assert answered(await tried(api, "request_refund", **auditor))[0] in (403, 422)


async def test_what_is_typed_stays_within_its_place_of_the_path(api: Api, acme: Tenant) -> None:
    typed = {"key": acme.admin.api_key, "parameter.id": "../people"}
    assert answered(await tried(api, "read_operation", **typed))[0] in (404, 422)
