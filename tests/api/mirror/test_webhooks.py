"""Webhooks of Stripe: kept once and answered at once, or refused with a code and without a trace."""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe
from httpx import Response
from sqlmodel import select
from starlette.types import Message
from temporalio.client import Client

from api.http.context import StripeAccount
from billing.policy.policy import Policy
from billing.stripe.events import FOLLOWED
from db.core.session import Database
from db.tables import StripeEvent

from ..conftest import ON_ONE_DATABASE, Api, counted, serving

SECRETS = ("whsec_next", "whsec_present")
PATH = "/webhooks/stripe"
LIMIT = 256 * 1024


@pytest.fixture
async def api(database: Database, policy: Policy, no_temporal: Client) -> AsyncIterator[Api]:
    """An app that takes the webhooks of a test account."""
    async for served in serving(database, policy, no_temporal, stripe=StripeAccount(SECRETS)):
        yield served


def an_event(**fields: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1_776_297_600,
        "data": {"object": {"id": "re_1", "object": "refund", "status": "succeeded"}},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "refund.updated",
    }
    return defaults | fields


def signed(body: str, secret: str = SECRETS[0], age: int = 0) -> str:
    at = int(time.time()) - age
    return str(stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=at))


async def send(api: Api, event: Any, *, secret: str = SECRETS[0], age: int = 0) -> Response:
    body = event if isinstance(event, str) else json.dumps(event)
    return await deliver(api, body.encode(), signed(body, secret, age))


async def deliver(api: Api, body: bytes, signature: str | None) -> Response:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if signature is not None:
        headers["Stripe-Signature"] = signature
    return await api.http.post(PATH, content=body, headers=headers)


async def figures(api: Api) -> dict[str, float]:
    """How many webhooks had which outcome."""
    name = "plixo_api_webhooks_total{"
    lines = (await api.figures()).splitlines()
    return {
        line.partition('outcome="')[2].partition('"')[0]: float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith(name)
    }


async def kept(database: Database) -> list[StripeEvent]:
    async with database.reading() as session:
        return list(await session.exec(select(StripeEvent).order_by(StripeEvent.id)))


async def refused(api: Api, database: Database, answer: Response, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert await counted(database, StripeEvent) == [0]
    assert await figures(api) == {code.removeprefix("webhook_"): 1.0}


async def test_an_event_is_kept_for_the_worker_to_follow(api: Api, database: Database) -> None:
    answer = await send(api, an_event())

    assert (answer.status_code, answer.json()) == (200, {"received": True})
    [event] = await kept(database)
    assert (event.type, event.object_id, event.livemode) == ("refund.updated", "re_1", False)
    assert (event.state, event.settled_at) == ("pending", None)
    assert event.created_at == datetime(2026, 4, 16, tzinfo=UTC)
    assert event.again_at == event.received_at
    assert await figures(api) == {"taken": 1.0}


async def test_an_event_that_comes_again_changes_nothing(api: Api, database: Database) -> None:
    answers = [await send(api, an_event()) for _ in range(2)]
    answers += await asyncio.gather(*(send(api, an_event(), secret=SECRETS[1]) for _ in range(8)))

    assert {answer.status_code for answer in answers} == {200}
    assert await counted(database, StripeEvent) == [1]
    assert await figures(api) == {"taken": 1.0, "duplicate": 9.0}


async def test_ten_copies_at_the_same_moment_are_one_event(api: Api, database: Database) -> None:
    answers = await asyncio.gather(*(send(api, an_event()) for _ in range(10)))

    assert {answer.status_code for answer in answers} == {200}
    assert await counted(database, StripeEvent) == [1]


async def test_a_type_that_nothing_follows_is_kept_and_ignored(api: Api, database: Database) -> None:
    odd = {"object": {"object": "balance", "available": []}}
    answers = [
        await send(api, an_event(type="product.created")),
        await send(api, an_event(id="evt_2", type="balance.available", data=odd)),
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    events = await kept(database)
    assert [(event.state, event.object_id) for event in events] == [("ignored", "re_1"), ("ignored", None)]
    assert all(event.settled_at == event.received_at for event in events)
    assert await figures(api) == {"ignored": 2.0}


async def test_events_of_another_mode_or_account_leave_no_trace(api: Api, database: Database) -> None:
    answers = [await send(api, an_event(livemode=True)), await send(api, an_event(account="acct_other"))]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert await counted(database, StripeEvent) == [0]
    assert await figures(api) == {"other_mode": 1.0, "other_account": 1.0}


async def test_a_live_account_takes_live_events_only(
    database: Database, policy: Policy, no_temporal: Client
) -> None:
    account = StripeAccount(SECRETS, livemode=True)
    async for api in serving(database, policy, no_temporal, stripe=account):
        await send(api, an_event(id="evt_live", livemode=True))
        await send(api, an_event(id="evt_test", livemode=False))
        assert [event.id for event in await kept(database)] == ["evt_live"]


@ON_ONE_DATABASE
async def test_without_a_signature_it_is_refused(api: Api, database: Database) -> None:
    answer = await deliver(api, json.dumps(an_event()).encode(), None)
    await refused(api, database, answer, "webhook_unsigned")


@ON_ONE_DATABASE
async def test_a_forged_one_is_refused_whoever_sends_it(api: Api, database: Database) -> None:
    answer = await send(api, an_event(), secret="whsec_guessed")
    await refused(api, database, answer, "webhook_forged")
    assert "whsec" not in answer.text


@ON_ONE_DATABASE
async def test_a_secret_that_was_rotated_out_signs_nothing_any_more(
    api: Api, database: Database, policy: Policy, no_temporal: Client
) -> None:
    assert (await send(api, an_event(), secret=SECRETS[1])).status_code == 200
    async for later in serving(database, policy, no_temporal, stripe=StripeAccount(SECRETS[:1])):
        answer = await send(later, an_event(id="evt_2"), secret=SECRETS[1])
        assert (answer.status_code, answer.json()["code"]) == (400, "webhook_forged")
        assert await figures(later) == {"forged": 1.0}
    assert [event.id for event in await kept(database)] == ["evt_1"]


@ON_ONE_DATABASE
async def test_an_old_signature_on_another_body_is_forged(api: Api, database: Database) -> None:
    signature = signed(json.dumps(an_event()))
    other = json.dumps(an_event(data={"object": {"id": "re_2"}})).encode()
    await refused(api, database, await deliver(api, other, signature), "webhook_forged")


@ON_ONE_DATABASE
async def test_every_type_that_is_followed_needs_its_object(api: Api, database: Database) -> None:
    nameless = {"object": {"object": "thing"}}
    for number, type_ in enumerate(FOLLOWED):
        answer = await send(api, an_event(id=f"evt_{number}", type=type_, data=nameless))
        assert (answer.status_code, answer.json()["code"]) == (400, "webhook_malformed"), type_
    clock = an_event(type="test_helpers.test_clock.ready", data={"object": {"id": "clock_1"}})
    assert (await send(api, clock)).status_code == 200
    assert [event.state for event in await kept(database)] == ["ignored"]


@ON_ONE_DATABASE
async def test_a_truncated_one_is_refused(api: Api, database: Database) -> None:
    body = json.dumps(an_event())
    answer = await deliver(api, body[:-20].encode(), signed(body))
    await refused(api, database, answer, "webhook_forged")


@ON_ONE_DATABASE
@pytest.mark.parametrize(("age", "code"), [(400, "webhook_stale"), (-400, "webhook_from_future")])
async def test_a_replay_of_long_ago_and_one_from_the_future_are_refused(
    api: Api, database: Database, age: int, code: str
) -> None:
    await refused(api, database, await send(api, an_event(), age=age), code)


@ON_ONE_DATABASE
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [LIMIT + 1, 2 * 1024 * 1024])
async def test_one_that_is_too_large_is_refused_however_it_is_sent(
    api: Api, database: Database, size: int, chunked: bool
) -> None:
    body = json.dumps(an_event()).ljust(size)

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, size, 65536):
            yield body[at : at + 65536].encode()

    headers = {"Stripe-Signature": signed(body)}
    answer = await api.http.post(PATH, content=chunks() if chunked else body.encode(), headers=headers)
    await refused(api, database, answer, "webhook_too_large")


@ON_ONE_DATABASE
async def test_one_of_exactly_the_limit_is_taken(api: Api, database: Database) -> None:
    answer = await send(api, json.dumps(an_event()).ljust(LIMIT))
    assert (answer.status_code, await counted(database, StripeEvent)) == (200, [1])


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{",
        "[" * 100_000,
        json.dumps(an_event()) + "x",
        json.dumps(an_event(object="v2.core.event")),
        json.dumps(an_event(id="re_1")),
        json.dumps(an_event(id="evt_" + "1" * 300)),
        json.dumps(an_event(id="evt_1\n")),
        json.dumps(an_event(type="")),
        json.dumps(an_event(type="refund.updated\u0000")),
        json.dumps(an_event(created="yesterday")),
        json.dumps(an_event(created=10**18)),
        json.dumps(an_event(livemode="false")),
        json.dumps(an_event(livemode=None)),
        json.dumps(an_event(data=None)),
        json.dumps(an_event(data={})),
        json.dumps(an_event(data={"object": {"id": "re_\u0000"}})),
        json.dumps(an_event(data={"object": {"id": 5}})),
        json.dumps(an_event(data={"object": {"object": "refund"}})),
    ],
)
async def test_a_signed_body_that_is_no_event_is_refused(api: Api, database: Database, body: str) -> None:
    await refused(api, database, await send(api, body), "webhook_malformed")


@ON_ONE_DATABASE
async def test_a_body_that_is_not_utf_8_is_refused(api: Api, database: Database) -> None:
    body = json.dumps(an_event(note="Zoë"), ensure_ascii=False).encode("latin-1")
    at = int(time.time())
    signature = hmac.digest(SECRETS[0].encode(), b"%d." % at + body, "sha256").hex()
    await refused(api, database, await deliver(api, body, f"t={at},v1={signature}"), "webhook_malformed")


@ON_ONE_DATABASE
async def test_one_that_is_cut_off_is_counted_and_leaves_no_trace(api: Api, database: Database) -> None:
    sent: list[Message] = [
        {"type": "http.request", "body": b'{"id": "evt_1"', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return sent.pop(0)

    async def nobody(_: Message) -> None:
        pass

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "headers": [(b"stripe-signature", b"t=1,v1=00")],
    }
    await api.app(scope, receive, nobody)
    assert await counted(database, StripeEvent) == [0]
    assert await figures(api) == {"cut_off": 1.0}


@ON_ONE_DATABASE
async def test_an_api_key_is_no_signature_and_none_is_asked_for(api: Api, database: Database) -> None:
    headers = {"Authorization": "Bearer pk_1_2", "Content-Type": "application/json"}
    answer = await api.http.post(PATH, content=b"{}", headers=headers)
    await refused(api, database, answer, "webhook_unsigned")


@ON_ONE_DATABASE
async def test_without_a_secret_stripe_is_asked_to_try_later(
    database: Database, policy: Policy, no_temporal: Client
) -> None:
    async for api in serving(database, policy, no_temporal):
        answer = await send(api, an_event(), secret="")
        assert (answer.status_code, answer.json()["code"]) == (503, "webhook_not_configured")
        assert await counted(database, StripeEvent) == [0]
        assert await figures(api) == {"not_configured": 1.0}


@ON_ONE_DATABASE
async def test_without_records_stripe_is_asked_to_try_later(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Database("sqlite:////nonexistent/plixo.db")
    with monkeypatch.context() as patched:
        patched.setattr(database, "transaction", gone.transaction)
        answer = await send(api, an_event())
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
    assert await counted(database, StripeEvent) == [0]


@ON_ONE_DATABASE
@pytest.mark.parametrize(("events", "at_once"), [(10, 10), (70, 10)])
async def test_a_rush_is_followed_a_little_later_and_leaves_room_for_what_people_ask(
    api: Api, database: Database, events: int, at_once: int
) -> None:
    answers = await asyncio.gather(*(send(api, an_event(id=f"evt_{number}")) for number in range(events)))
    assert {answer.status_code for answer in answers} == {200}
    due = [event for event in await kept(database) if event.again_at == event.received_at]
    assert len(due) == at_once
