"""People and API keys."""

import hashlib
from datetime import timedelta

import pytest

from billing.core.operations import Role
from db.core.session import Database
from db.people import people
from db.people.people import KeyHolder, new_api_key

from ...support.builders import NOW, a_person, an_api_key, member, store, tenant


async def who(database: Database, plaintext: str) -> KeyHolder | None:
    async with database.reading() as session:
        return await people.authenticate(session, plaintext, NOW)


def test_a_key_is_random_and_only_its_hash_is_to_be_kept() -> None:
    key, other = new_api_key(), new_api_key()
    mark, prefix, secret = key.plaintext.split("_")
    assert (mark, prefix, len(secret)) == ("pk", key.prefix, 64)
    assert key.secret_hash == hashlib.sha256(secret.encode()).hexdigest()
    assert {key.prefix, key.secret_hash}.isdisjoint({other.prefix, other.secret_hash})


async def test_a_key_names_its_person(database: Database) -> None:
    acme = await tenant(database)

    holder = await who(database, acme.legal.api_key)

    assert holder is not None
    assert (holder.person.id, holder.person.roles) == (acme.legal.id, ["legal"])
    assert holder.key.organization_id == acme.id


@pytest.mark.parametrize("plaintext", ["", "pk_", "pk__", "pk_unknown_secret", "sk_live_1", "é"])
async def test_what_is_no_key_names_nobody(database: Database, plaintext: str) -> None:
    assert await who(database, plaintext) is None


async def test_a_right_prefix_with_a_wrong_secret_names_nobody(database: Database) -> None:
    acme = await tenant(database)
    assert await who(database, acme.admin.api_key[:-1] + "x") is None


@pytest.mark.parametrize(
    ("fields", "good"),
    [
        ({"expires_at": NOW + timedelta(seconds=1)}, True),
        ({"expires_at": NOW}, False),
        ({"revoked_at": NOW - timedelta(days=1)}, False),
    ],
)
async def test_expired_and_revoked_keys_name_nobody(
    database: Database, fields: dict[str, object], good: bool
) -> None:
    acme = await tenant(database)
    key = new_api_key()
    await store(database, an_api_key(acme.admin.person, key, **fields))

    assert (await who(database, key.plaintext) is not None) is good


async def test_the_key_of_somebody_who_left_names_nobody(database: Database) -> None:
    acme = await tenant(database)
    gone = await member(database, acme.organization, [Role.FINANCE], active=False)
    assert await who(database, gone.api_key) is None


async def test_people_are_found_by_role_within_their_organization(database: Database) -> None:
    acme, _ = await tenant(database), await tenant(database)
    both = a_person(
        acme.id, roles=[Role.LEGAL, Role.CONTROLLER], name="both", created_at=NOW + timedelta(days=1)
    )
    gone = a_person(acme.id, roles=[Role.LEGAL], active=False)
    await store(database, both, gone)

    async with database.reading() as session:
        found = await people.with_role(session, acme.id, Role.LEGAL)

    assert [person.id for person in found] == [acme.legal.id, both.id]


async def test_another_organizations_person_is_not_found(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    async with database.reading() as session:
        assert await people.get(session, acme.id, other.admin.id) is None
        assert await people.get(session, acme.id, acme.admin.id) is not None
