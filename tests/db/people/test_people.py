"""People and API keys."""

import pytest

from billing.core.keys import UNPEPPERED
from db.core.session import Database
from db.people import people
from db.people.people import new_api_key

from ...support.builders import tenant


def test_a_key_is_random() -> None:
    key, other = new_api_key(), new_api_key()
    mark, prefix, secret = key.plaintext.split("_")
    assert (mark, prefix, len(secret)) == ("pk", key.prefix, 64)
    assert key.secret == secret
    assert {key.prefix, key.secret}.isdisjoint({other.prefix, other.secret})


async def test_a_key_names_its_person(database: Database) -> None:
    acme = await tenant(database)
    parts = people.split_api_key(acme.legal.api_key)
    assert parts is not None

    async with database.reading() as session:
        holder = await people.find_key(session, parts[0])
        assert await people.find_key(session, "unknown") is None

    assert holder is not None
    assert (holder.person.id, holder.person.roles) == (acme.legal.id, ["legal"])
    assert holder.key.organization_id == acme.id
    assert UNPEPPERED.match(holder.key.secret_hash, parts[1])


@pytest.mark.parametrize("text", ["", "pk_", "pk__", "pk_unknown", "pk_unknown_", "sk_live_1", "é"])
def test_what_has_not_the_shape_of_a_key_is_none(text: str) -> None:
    assert people.split_api_key(text) is None


async def test_another_organizations_person_is_not_found(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    async with database.reading() as session:
        assert await people.get(session, acme.id, other.admin.id) is None
        assert await people.get(session, acme.id, acme.admin.id) is not None


async def test_names_are_those_of_the_organizations_own_people(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    async with database.reading() as session:
        found = await people.names(session, acme.id, [acme.admin.id, other.admin.id, "system"])
    assert found == {acme.admin.id: acme.admin.person.name}
