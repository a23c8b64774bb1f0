"""`python -m worker.provision`: an organization comes to be, and again nothing is made twice."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlmodel import select

from db import people
from db.session import Database
from db.tables import ApiKey, Organization, Person
from worker.provision import Issued, provision, read

KEY = "pk_0123456789ab_" + "c" * 64


def a_file(*more: dict[str, Any], **person: Any) -> str:
    bea = {"name": "Bea", "email": "Bea@Acme.example", "roles": ["billing_admin"], **person}
    organization = {
        "id": "org_acme",
        "name": "Acme",
        "zone": "Europe/Berlin",
        "country": "DE",
        "stripe_customer": "cus_1",
        "stripe_subscription": "sub_1",
        "people": [bea, *more],
    }
    return json.dumps({"organizations": [organization]})


async def provisioned(database: Database, text: str) -> list[Issued]:
    return await provision(read(text), database)


async def works(database: Database, key: str) -> bool:
    async with database.reading() as session:
        return await people.authenticate(session, key, datetime.now(UTC)) is not None


async def everyone(database: Database) -> list[Person]:
    async with database.reading() as session:
        return list(await session.exec(select(Person).order_by(Person.email)))


async def test_a_new_organization_gets_its_people_and_a_key_each(database: Database) -> None:
    finn = {"name": "Finn", "email": "finn@acme.example", "roles": ["finance", "auditor"]}
    issued = await provisioned(database, a_file(finn))

    async with database.reading() as session:
        organization = await session.get_one(Organization, "org_acme")
    assert (organization.zone, organization.stripe_subscription) == ("Europe/Berlin", "sub_1")
    assert [(p.email, p.roles, p.active) for p in await everyone(database)] == [
        ("bea@acme.example", ["billing_admin"], True),
        ("finn@acme.example", ["finance", "auditor"], True),
    ]
    assert [key.email for key in issued] == ["bea@acme.example", "finn@acme.example"]
    assert all([await works(database, key.api_key) for key in issued])


async def test_only_the_hash_of_a_key_is_kept(database: Database) -> None:
    [issued] = await provisioned(database, a_file())
    secret = issued.api_key.rsplit("_", 1)[1]
    async with database.reading() as session:
        [row] = await session.exec(select(ApiKey))
    assert secret not in str(row.model_dump())
    assert row.secret_hash == people.hash_secret(secret)


async def test_again_with_the_same_file_changes_nothing_and_issues_nothing(database: Database) -> None:
    [issued] = await provisioned(database, a_file())
    before = await everyone(database)

    assert await provisioned(database, a_file()) == []
    assert [p.model_dump() for p in await everyone(database)] == [p.model_dump() for p in before]
    assert await works(database, issued.api_key)


async def test_roles_and_names_follow_the_file(database: Database) -> None:
    await provisioned(database, a_file())
    await provisioned(database, a_file(name="Beatrice", roles=["controller"]))
    [person] = await everyone(database)
    assert (person.name, person.roles) == ("Beatrice", ["controller"])


async def test_a_person_who_is_made_inactive_can_no_longer_come_in(database: Database) -> None:
    [issued] = await provisioned(database, a_file())
    assert await provisioned(database, a_file(active=False)) == []
    assert not await works(database, issued.api_key)


async def test_a_key_of_the_file_works_and_no_other_is_issued(database: Database) -> None:
    assert await provisioned(database, a_file(api_keys=[KEY])) == []
    assert await provisioned(database, a_file(api_keys=[KEY])) == []
    assert await works(database, KEY)


async def test_revoking_the_last_key_issues_a_new_one(database: Database) -> None:
    [old] = await provisioned(database, a_file())
    revoked = a_file(revoked_keys=[old.api_key.split("_")[1]])

    [new] = await provisioned(database, revoked)

    assert not await works(database, old.api_key)
    assert await works(database, new.api_key)
    assert await provisioned(database, revoked) == []


def test_everything_wrong_with_a_file_is_said_at_once() -> None:
    text = json.loads(a_file(email="nobody", roles=["boss"], api_keys=["secret"]))
    text["organizations"][0] |= {"zone": "Mars/Base", "stripe_customer": "acme", "plan": "growth"}
    with pytest.raises(ValidationError) as wrong:
        read(json.dumps(text))
    assert {".".join(map(str, e["loc"][2:])) for e in wrong.value.errors()} == {
        "zone",
        "stripe_customer",
        "plan",
        "people.0.email",
        "people.0.roles.0",
        "people.0.api_keys.0",
    }


@pytest.mark.slow
def test_the_command_names_what_is_wrong_with_the_file_and_ends_with_2(tmp_path: Path) -> None:
    file = tmp_path / "organizations.json"
    file.write_text(a_file(roles=[]).replace("Europe/Berlin", "Mars/Base"))
    result = subprocess.run(
        [sys.executable, "-m", "worker.provision", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PLIXO_STRIPE_API_KEY": "sk_test_1"},
    )
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "organizations.0.zone: is not an IANA time zone, such as America/New_York",
        "organizations.0.people.0.roles: List should have at least 1 item after validation, not 0",
    ]
