"""What Temporal keeps encrypted is read by people who may read it here, in Temporal's UI and command line."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import Response
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import WorkflowSerializationContext

from api.codec.reading import NOT_YOURS
from api.http.context import TemporalReaders
from api.http.site import Site
from billing.core.keys import Keys
from billing.core.operations import Kind
from billing.policy.policy import Policy
from db.core.session import Database
from db.people.people import new_api_key
from workflows.client.codec import EncryptionCodec
from workflows.core import ids

from ...support.builders import Member, Tenant, an_api_key, an_operation, store, tenant
from ..conftest import ON_ONE_DATABASE, Api, serving
from ..sign_in.visitors import SITE, Visitor, sign_in

UI = "https://temporal.billing.test"
DECODE = "/temporal/codec/decode"
KEYS = Keys.parse("2026-12=" + base64.b64encode(b"k" * 32).decode())
OTHER = Keys.parse("2027-03=" + base64.b64encode(b"o" * 32).decode())
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"for Ludwig"')


@pytest.fixture
async def web(database: Database, policy: Policy, no_temporal: Client) -> AsyncIterator[Api]:
    readers = TemporalReaders(EncryptionCodec(KEYS), UI)
    site = Site(public_url=SITE, floor=0)
    async for api in serving(database, policy, no_temporal, site=site, temporal_readers=readers):
        yield api


@pytest.fixture
async def acme(database: Database) -> Tenant:
    return await tenant(database)


async def sealed(workflow: str, keys: Keys = KEYS, payload: Payload = PLAIN) -> Payload:
    codec = EncryptionCodec(keys).with_context(WorkflowSerializationContext("plixo", workflow))
    [found] = await codec.encode([payload])
    return found


def document(payload: Payload) -> dict[str, Any]:
    """As Temporal's tools send it."""
    metadata = {name: base64.b64encode(value).decode() for name, value in payload.metadata.items()}
    return {"metadata": metadata, "data": base64.b64encode(payload.data).decode()}


def said(answer: Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [base64.b64decode(one["data"]).decode() for one in answer.json()["payloads"]]


def body(*payloads: Payload) -> dict[str, Any]:
    return {"payloads": [document(one) for one in payloads]}


def refused(why: str = NOT_YOURS) -> str:
    return f'{{"refused": "{why}"}}'


async def test_members_read_what_belongs_to_their_organization_and_nobody_else_does(
    web: Api, database: Database, acme: Tenant
) -> None:
    mine, theirs = an_operation(acme), an_operation(other := await tenant(database))
    await store(database, mine, theirs)
    asked = [
        await sealed(ids.operation_workflow(mine.id)),
        await sealed(ids.operation_workflow(theirs.id)),
        await sealed(ids.note_workflow(mine.id, 2)),
        await sealed(ids.quote_workflow(Kind.REFUND, acme.id, "quo_1")),
        await sealed(ids.quote_workflow(Kind.REFUND, other.id, "quo_1")),
        await sealed("incident-inc_1"),
        await sealed(ids.operation_workflow("op_nobody")),
        await sealed(""),
        PLAIN,
    ]
    own, no = PLAIN.data.decode(), refused()
    answer = await web.post(DECODE, acme.auditor, body(*asked))
    assert said(answer) == [own, no, own, own, no, no, no, no, own]
    assert [one["metadata"]["encoding"] for one in answer.json()["payloads"]] == [
        base64.b64encode(b"json/plain").decode()
    ] * len(asked)
    assert said(await web.post(DECODE, other.auditor, body(*asked))) == [
        no,
        own,
        no,
        no,
        own,
        no,
        no,
        no,
        own,
    ]


async def test_an_organization_reads_no_quote_of_one_whose_id_begins_with_its_own(
    web: Api, database: Database, acme: Tenant
) -> None:
    longer = f"{acme.id}-eu"
    answer = await web.post(
        DECODE, acme.auditor, body(await sealed(ids.quote_workflow(Kind.REFUND, longer, "qte_1")))
    )
    assert said(answer) == [refused()]


async def test_what_was_altered_or_names_another_workflow_is_not_read(
    web: Api, database: Database, acme: Tenant
) -> None:
    mine, theirs = an_operation(acme), an_operation(await tenant(database))
    await store(database, mine, theirs)
    copied = await sealed(ids.operation_workflow(theirs.id))
    copied.metadata["encryption-workflow-id"] = ids.operation_workflow(mine.id).encode()
    answer = await web.post(
        DECODE, acme.admin, body(copied, await sealed(ids.operation_workflow(mine.id), OTHER))
    )
    assert said(answer) == [
        refused("it was altered, or made with another key of that id"),
        refused("the key '2027-03' is not among PLIXO_SECRET_KEYS"),
    ]


async def test_temporals_ui_reads_by_the_session_of_the_console_and_no_other_page_does(
    web: Api, database: Database, acme: Tenant
) -> None:
    mine = an_operation(acme)
    await store(database, mine)
    asked = body(await sealed(ids.operation_workflow(mine.id)))
    visitor = Visitor(web.app)
    nobody = await visitor.http.post(DECODE, json=asked, headers={"Origin": UI})
    assert (nobody.status_code, nobody.json()["code"]) == (401, "credentials_missing")
    assert nobody.headers["access-control-allow-origin"] == UI, "or the UI could not say why"

    await sign_in(visitor, database, acme.controller.person)
    answer = await visitor.http.post(DECODE, json=asked, headers={"Origin": UI, "X-Namespace": "plixo"})
    assert said(answer) == [PLAIN.data.decode()]
    assert answer.headers["access-control-allow-origin"] == UI
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["vary"] == "Origin"
    for origin in ({}, {"Origin": SITE}, {"Origin": "https://evil.test"}, {"Origin": "null"}):
        answer = await visitor.http.post(DECODE, json=asked, headers=origin)
        assert answer.status_code == 401
        assert "access-control-allow-origin" not in answer.headers


async def test_a_browser_is_told_what_temporals_ui_may_send(web: Api) -> None:
    ask = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-namespace",
    }
    answer = await web.http.options(DECODE, headers={"Origin": UI} | ask)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == UI
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert "x-namespace" in answer.headers["access-control-allow-headers"]
    other = await web.http.options(DECODE, headers={"Origin": "https://evil.test"} | ask)
    assert not [name for name in other.headers if name.startswith("access-control")]


async def test_nothing_is_encoded_and_what_is_no_payload_is_refused(web: Api, acme: Tenant) -> None:
    assert (await web.post("/temporal/codec/encode", acme.admin, body(PLAIN))).status_code == 404
    answer = await web.post(DECODE, acme.admin, {"payloads": "all of them"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")
    answer = await web.post(DECODE, acme.admin, {"payloads": [1]})
    assert answer.status_code == 400


async def test_where_nothing_is_encrypted_and_no_ui_is_named_a_key_still_reads_what_is_plain(
    api: Api, acme: Tenant
) -> None:
    assert said(await api.post(DECODE, acme.admin, body(PLAIN))) == [PLAIN.data.decode()]
    answer = await api.http.options(DECODE, headers={"Origin": UI})
    assert "access-control-allow-origin" not in answer.headers


@ON_ONE_DATABASE
async def test_a_key_that_may_not_be_used_to_read_reads_nothing_here_either(
    web: Api, database: Database, acme: Tenant
) -> None:
    key = new_api_key()
    await store(database, an_api_key(acme.admin.person, key, scopes=["write", "decide"]))
    answer = await web.post(DECODE, Member(acme.admin.person, key.plaintext), body(PLAIN))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
