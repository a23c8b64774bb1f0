"""With secret keys: a row that was written into the database, or moved to somebody else, lets nobody in."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select
from temporalio.client import Client

from billing.core.keys import UNPEPPERED, Keys, SecretHashes
from billing.policy.policy import Policy
from db.core.clock import utc_now
from db.core.session import Database
from db.people.people import new_api_key
from db.sign_in import links, sessions
from db.tables import ApiKey, ConsoleSession

from ...support.builders import Member, Tenant, an_api_key, store
from ..conftest import Api, serving


def by(*ids: str, plain: bool = False) -> SecretHashes:
    return SecretHashes.of(Keys(ids[0], {id_: id_.encode() * 8 for id_ in ids}, plain))


PEPPERED = by("2026")


@pytest.fixture
async def api(database: Database, policy: Policy, no_temporal: Client) -> AsyncIterator[Api]:
    async for served in serving(database, policy, no_temporal, hashes=PEPPERED):
        yield served


async def a_key(database: Database, who: Member, hashes: SecretHashes) -> Member:
    """The person, by another key, which is kept as these hashes keep it."""
    key = new_api_key()
    kept = hashes.hash(key.secret, who.id)
    await store(database, an_api_key(who.person, key, secret_hash=kept))
    return Member(who.person, key.plaintext)


async def code_of(api: Api, who: Member) -> Any:
    answer = await api.get("/v1/me", who)
    return answer.json().get("code", answer.json().get("id"))


async def console(api: Api, secret: str) -> int:
    answer = await api.http.get("/console/", headers={"Cookie": f"__Host-plixo_session={secret}"})
    return answer.status_code


async def test_a_key_that_was_written_into_the_database_is_of_no_use(
    api: Api, acme: Tenant, database: Database
) -> None:
    forged = await a_key(database, acme.controller, UNPEPPERED)
    by_another = await a_key(database, acme.controller, by("2025"))
    mine = await a_key(database, acme.finance, PEPPERED)
    assert await code_of(api, forged) == "credentials_invalid"
    assert await code_of(api, by_another) == "credentials_invalid"
    assert await code_of(api, mine) == acme.finance.id
    async with database.transaction() as session:
        row = await session.get_one(ApiKey, mine.api_key.split("_")[1])
        row.person_id = acme.controller.id
    assert await code_of(api, mine) == "credentials_invalid", "it was moved to somebody else"


async def test_a_key_that_is_made_here_can_be_used_and_is_kept_by_the_current_secret_key(
    api: Api, acme: Tenant, database: Database
) -> None:
    mine = await a_key(database, acme.finance, PEPPERED)
    made = (await api.post("/v1/api-keys", mine, {"name": "Export"})).json()
    assert await code_of(api, Member(acme.finance.person, made["api_key"])) == acme.finance.id
    async with database.reading() as session:
        assert (await session.get_one(ApiKey, made["id"])).secret_hash.startswith("2026:")


async def test_keys_are_kept_anew_as_they_are_used_until_the_old_secret_key_can_go(
    acme: Tenant, database: Database, policy: Policy, no_temporal: Client
) -> None:
    used, unused = [await a_key(database, acme.finance, UNPEPPERED) for _ in range(2)]
    seen = []
    for hashes in (by("2026", plain=True), by("2027", "2026"), by("2027")):
        async for api in serving(database, policy, no_temporal, hashes=hashes):
            seen.append(await code_of(api, used))
            async with database.reading() as session:
                row = await session.get_one(ApiKey, used.api_key.split("_")[1])
            assert hashes.is_current(row.secret_hash)
    assert seen == [acme.finance.id] * 3
    async for api in serving(database, policy, no_temporal, hashes=by("2027")):
        assert await code_of(api, unused) == "credentials_invalid"


async def test_a_session_that_was_written_into_the_database_or_moved_opens_nothing(
    api: Api, acme: Tenant, database: Database
) -> None:
    at = utc_now()
    given: dict[str, Any] = {"how": "mail", "address": "192.0.2.7", "user_agent": None, "at": at}
    given["expires_at"] = at + timedelta(days=7)
    async with database.transaction() as session:
        forged = await sessions.begin(session, UNPEPPERED, acme.controller.person, **given)
        mine = await sessions.begin(session, PEPPERED, acme.finance.person, **given)
    assert await console(api, forged.secret) == 303
    assert await console(api, mine.secret) == 200
    async with database.transaction() as session:
        row = await session.exec(select(ConsoleSession).where(ConsoleSession.id == mine.row.id))
        row.one().person_id = acme.controller.id
    assert await console(api, mine.secret) == 303
    assert await console(api, mine.secret.replace(acme.finance.id, acme.controller.id)) == 303


async def test_a_link_that_was_written_into_the_database_is_dead(
    api: Api, acme: Tenant, database: Database
) -> None:
    at, tokens = utc_now(), []
    async with database.transaction() as session:
        for hashes in (UNPEPPERED, PEPPERED):
            link = await links.issue(
                session,
                acme.controller.person,
                how="mail",
                by=acme.controller.id,
                at=at,
                expires_at=at + timedelta(minutes=15),
            )
            tokens.append(await links.add_token(session, hashes, link.id, at=at))
    for token, status in zip(tokens, (404, 200), strict=True):
        answer = await api.http.get(f"/console/sign-in/link/{token}")
        assert (answer.status_code == 200) is (status == 200), answer.text
