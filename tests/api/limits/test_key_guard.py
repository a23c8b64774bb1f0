"""Wrong API keys are counted over all processes, slowed down, and leave a trace; right ones go on."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from sqlmodel import select
from temporalio.client import Client

from api.app import create_app
from api.limits import key_guard
from billing.policy.policy import Policy
from db.core.session import Database
from db.people import key_uses
from db.people.people import new_api_key
from db.tables import KeyUse

from ...support.builders import Member, Tenant, tenant

HERE, THERE, ELSEWHERE = "192.0.2.1", "192.0.2.2", "2001:db8:0:1::1"
NOW = datetime(2026, 3, 2, 15, 4, tzinfo=UTC)


@pytest.fixture(autouse=True)
def standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one window, however slow the machine is."""
    monkeypatch.setattr("api.http.auth.utc_now", lambda: NOW)


@pytest.fixture
async def acme(database: Database) -> Tenant:
    return await tenant(database)


@pytest.fixture
async def app(database: Database, policy: Policy, no_temporal: Client) -> FastAPI:
    return create_app(policy, database, no_temporal)


async def ask(app: FastAPI, key: str, address: str = HERE) -> Response:
    transport = ASGITransport(app, client=(address, 1))
    async with AsyncClient(transport=transport, base_url="http://plixo.test") as http:
        return await http.get("/v1/banner", headers={"Authorization": f"Bearer {key}"})


def guess(member: Member | None = None) -> str:
    """A wrong key: of this person's prefix, or of none that there is."""
    fresh = new_api_key().plaintext
    if member is None:
        return fresh
    return "_".join([*member.api_key.split("_")[:2], fresh.split("_")[2]])


async def statuses(app: FastAPI, key: str | None, times: int, address: str = HERE) -> list[int]:
    return [(await ask(app, key or guess(), address)).status_code for _ in range(times)]


async def test_after_twenty_wrong_keys_an_address_is_told_to_wait(app: FastAPI, acme: Tenant) -> None:
    assert await statuses(app, None, 22) == [401] * 20 + [429] * 2
    refused = await ask(app, acme.admin.api_key)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_wrong_keys")
    assert refused.headers["Retry-After"] == "360"
    assert (await ask(app, acme.admin.api_key, THERE)).status_code == 200


async def test_a_key_that_was_right_from_an_address_goes_on_there(
    app: FastAPI, acme: Tenant, database: Database, policy: Policy, no_temporal: Client
) -> None:
    assert (await ask(app, acme.admin.api_key)).status_code == 200
    assert (await statuses(app, None, 21))[-1] == 429
    assert (await ask(app, acme.admin.api_key)).status_code == 200
    another_process = create_app(policy, database, no_temporal)
    assert (await ask(another_process, acme.admin.api_key)).status_code == 200
    assert (await ask(another_process, acme.legal.api_key)).status_code == 429


async def test_who_guesses_at_a_key_beside_its_holder_does_not_have_it_refused(
    app: FastAPI, acme: Tenant, database: Database, policy: Policy, no_temporal: Client
) -> None:
    """From the same address, and in a process that hasn't seen the right key yet, or not for an hour."""
    assert (await ask(app, acme.admin.api_key)).status_code == 200
    another_process = create_app(policy, database, no_temporal)
    assert (await statuses(another_process, guess(acme.admin), 22))[-1] == 429
    assert (await ask(another_process, acme.admin.api_key)).status_code == 200
    assert await statuses(another_process, guess(acme.admin), 1) == [429]


async def test_all_processes_count_together(
    app: FastAPI, database: Database, policy: Policy, no_temporal: Client
) -> None:
    another_process = create_app(policy, database, no_temporal)
    assert await statuses(app, None, 10) == [401] * 10
    assert await statuses(another_process, None, 11) == [401] * 10 + [429]


async def test_guesses_at_one_key_from_everywhere_are_slowed_and_its_holder_is_not(
    app: FastAPI, acme: Tenant
) -> None:
    wrong = guess(acme.admin)
    for n in range(10):
        assert await statuses(app, wrong, 2, f"198.51.100.{n}") == [401, 401]
    assert await statuses(app, guess(acme.admin), 3, "203.0.113.1") == [401, 429, 429]
    assert (await ask(app, acme.admin.api_key, THERE)).status_code == 200


async def test_the_addresses_of_one_ipv6_subscriber_are_one(app: FastAPI) -> None:
    for n in range(20):
        assert (await ask(app, guess(), f"2001:db8:0:1::{n + 2}")).status_code == 401
    assert (await ask(app, guess(), ELSEWHERE)).status_code == 429
    assert (await ask(app, guess(), "2001:db8:0:2::1")).status_code == 401


async def test_the_audit_log_has_the_prefix_the_address_and_how_often(
    app: FastAPI, acme: Tenant, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = guess(acme.admin)
    await statuses(app, wrong, 3)
    await ask(app, acme.legal.api_key, ELSEWHERE)
    prefixes = [member.api_key.split("_")[1] for member in (acme.admin, acme.legal)]
    async with database.reading() as session:
        rows = {row.prefix: row for row in await session.exec(select(KeyUse))}
    assert [(rows[p].address, rows[p].wrong, rows[p].accepted) for p in prefixes] == [
        (HERE, 3, False),
        ("2001:db8:0:1::/64", 0, True),
    ]
    said = [record.args for record in caplog.records if record.name == key_guard.__name__]
    assert said == [(prefixes[0], HERE)] * 3
    assert wrong.split("_")[2] not in caplog.text


async def test_it_is_over_after_the_window_and_forgotten_after_ninety_days(
    app: FastAPI, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await statuses(app, None, 21))[-1] == 429
    monkeypatch.setattr("api.http.auth.utc_now", lambda: NOW + 2 * key_uses.WINDOW)
    assert await statuses(app, None, 1) == [401]
    async with database.transaction() as session:
        await key_uses.forget(session, NOW + key_uses.KEPT_FOR + timedelta(minutes=15))
    async with database.reading() as session:
        assert len((await session.exec(select(KeyUse))).all()) == 1
