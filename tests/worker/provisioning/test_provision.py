"""`python -m worker.provision`: the organizations of a file come to be, all of it or nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from billing.core.keys import UNPEPPERED, Keys, SecretHashes
from db.core.clock import utc_now
from db.core.session import Database
from db.mail import chat_webhooks
from db.people import keys, people
from db.people.people import new_api_key
from db.tables import ApiKey, Organization, OrganizationInvoice, Person, Renewal
from sandbox.stripe.server.inprocess import StandIn
from worker.provision import ask_stripe, provision
from worker.provisioning.file import InvalidFile, ProvisioningFile, read
from worker.provisioning.keys import Changes

from ...support.builders import a_person, an_api_key, an_organization, store, tenant
from ...support.shop import open_shop

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "deploy/organizations.example.json"
KEY = new_api_key().plaintext
KEY_PREFIX = KEY.split("_")[1]
FINN = {"name": "Finn", "email": "finn@acme.example", "roles": ["finance", "auditor"]}


def an_organization_file(*more: dict[str, Any], **person: Any) -> dict[str, Any]:
    bea = {"name": "Bea", "email": "Bea@Acme.example", "roles": ["billing_admin"], **person}
    return {
        "id": "org_acme",
        "name": "Acme",
        "zone": "Europe/Berlin",
        "country": "DE",
        "stripe_customer": "cus_file",
        "stripe_subscription": "sub_file",
        "people": [bea, *more],
    }


def a_file(*more: dict[str, Any], **person: Any) -> str:
    return json.dumps({"organizations": [an_organization_file(*more, **person)]})


def parsed(text: str | bytes) -> ProvisioningFile:
    return read(text if isinstance(text, bytes) else text.encode())


async def provisioned(database: Database, text: str, **options: Any) -> Changes:
    return await provision(parsed(text), database, **options)


async def works(database: Database, key: str) -> bool:
    """It is the key that is kept, it was not revoked, and its person is active."""
    prefix, secret = key.removeprefix("pk_").split("_")
    async with database.reading() as session:
        holder = await people.find_key(session, prefix)
    if holder is None or not UNPEPPERED.match(holder.key.secret_hash, secret):
        return False
    return holder.key.revoked_at is None and holder.person.active


async def everyone(database: Database) -> list[Person]:
    async with database.reading() as session:
        return list(await session.exec(select(Person).order_by(Person.email)))


def wrong(text: str | bytes) -> list[str]:
    with pytest.raises(InvalidFile) as refused:
        parsed(text)
    return [str(problem) for problem in refused.value.problems]


async def contradicts(database: Database, text: str) -> list[str]:
    with pytest.raises(InvalidFile) as refused:
        await provisioned(database, text)
    return [str(problem) for problem in refused.value.problems]


# -- what a file makes ----------------------------------------------------------------------------------


async def test_a_new_organization_gets_its_people_and_a_key_each(database: Database) -> None:
    changes = await provisioned(database, a_file(FINN))

    async with database.reading() as session:
        organization = await session.get_one(Organization, "org_acme")
    assert (organization.zone, organization.stripe_subscription) == ("Europe/Berlin", "sub_file")
    assert [(p.email, p.roles, p.active) for p in await everyone(database)] == [
        ("bea@acme.example", ["billing_admin"], True),
        ("finn@acme.example", ["finance", "auditor"], True),
    ]
    assert [key.email for key in changes.issued] == ["bea@acme.example", "finn@acme.example"]
    assert all([await works(database, key.api_key) for key in changes.issued])


async def test_only_the_hash_of_a_key_is_kept(database: Database) -> None:
    [issued] = (await provisioned(database, a_file())).issued
    secret = issued.api_key.rsplit("_", 1)[1]
    async with database.reading() as session:
        [row] = await session.exec(select(ApiKey))
    assert secret not in str(row.model_dump())
    assert UNPEPPERED.match(row.secret_hash, secret)


async def test_again_with_the_same_file_changes_nothing_and_issues_nothing(database: Database) -> None:
    [issued] = (await provisioned(database, a_file())).issued
    before = await everyone(database)

    assert await provisioned(database, a_file()) == Changes()
    assert [p.model_dump() for p in await everyone(database)] == [p.model_dump() for p in before]
    assert await works(database, issued.api_key)


async def test_a_dry_run_says_what_would_change_and_changes_nothing(database: Database) -> None:
    await provisioned(database, a_file(FINN, api_keys=[KEY]))

    changed = a_file(name="Beatrice", roles=["controller", "legal"])
    said = (await provisioned(database, changed, dry_run=True)).sentences

    bea, finn = await everyone(database)
    assert (bea.name, bea.roles, finn.active) == ("Bea", ["billing_admin"], True)
    assert await works(database, KEY)
    assert said == [
        f"person {bea.id} (bea@acme.example): name Bea -> Beatrice",
        f"person {bea.id} (bea@acme.example): roles billing_admin -> controller, legal",
        f"key {KEY_PREFIX} of {bea.id}: revoked, no longer in the file",
        said[3],
        f"person {finn.id} (finn@acme.example): deactivated, because the file does not list them",
        said[5],
    ]
    assert said[3].endswith(f"of {bea.id}: issued")
    assert said[5].endswith(f"of {finn.id}: revoked, {finn.id} is not active")


async def test_a_person_with_an_id_gets_another_address_and_keeps_their_key(database: Database) -> None:
    await provisioned(database, a_file(id="per_bea", api_keys=[KEY]))
    await provisioned(database, a_file(id="per_bea", email="bea@new.example", api_keys=[KEY]))
    [bea] = await everyone(database)
    assert (bea.id, bea.email) == ("per_bea", "bea@new.example")
    assert await works(database, KEY)


async def test_people_may_exchange_their_addresses(database: Database) -> None:
    finn = FINN | {"id": "per_finn"}
    await provisioned(database, a_file(finn, id="per_bea"))
    swapped = a_file(finn | {"email": "bea@acme.example"}, id="per_bea", email="finn@acme.example")
    await provisioned(database, swapped)
    assert {p.id: p.email for p in await everyone(database)} == {
        "per_bea": "finn@acme.example",
        "per_finn": "bea@acme.example",
    }
    assert await provisioned(database, swapped) == Changes()


async def test_people_may_exchange_subjects_and_addresses_at_once(database: Database) -> None:
    finn = {"id": "per_finn", "name": "Finn", "email": "finn@acme.example", "roles": ["finance"]}
    await provisioned(database, a_file(finn | {"subject": "two"}, id="per_bea", subject="one"))
    swapped = a_file(
        finn | {"subject": "one", "email": "bea@acme.example"},
        id="per_bea",
        subject="two",
        email="finn@acme.example",
    )
    changes = await provisioned(database, swapped)
    assert any("subject one -> two" in sentence for sentence in changes.sentences)
    assert {p.id: (p.subject, p.email) for p in await everyone(database)} == {
        "per_bea": ("two", "finn@acme.example"),
        "per_finn": ("one", "bea@acme.example"),
    }
    assert await provisioned(database, swapped) == Changes()


async def test_somebody_who_has_left_leaves_their_subject_to_others(database: Database) -> None:
    await provisioned(database, a_file(subject="one"))
    await provisioned(database, a_file(email="bea@new.example", subject="one"))
    assert [(p.email, p.subject, p.active) for p in await everyone(database)] == [
        ("bea@acme.example", None, False),
        ("bea@new.example", "one", True),
    ]


def test_a_subject_is_one_person_s_in_an_organization() -> None:
    finn = {"name": "Finn", "email": "finn@acme.example", "roles": ["finance"], "subject": "one"}
    assert wrong(a_file(finn, subject="one")) == [
        "organizations[0].people[1].subject: is the same subject in organizations[0] as "
        "organizations[0].people[0].subject"
    ]


async def test_whoever_is_not_in_the_file_any_more_has_no_key_that_works(database: Database) -> None:
    """Without an id, another address is another person: the one before must not stay."""
    [old] = (await provisioned(database, a_file())).issued
    [new] = (await provisioned(database, a_file(email="bea@new.example"))).issued
    assert [(p.email, p.active) for p in await everyone(database)] == [
        ("bea@acme.example", False),
        ("bea@new.example", True),
    ]
    assert not await works(database, old.api_key)
    assert await works(database, new.api_key)


async def test_an_organization_that_the_file_does_not_name_is_left_alone(database: Database) -> None:
    other = await tenant(database)
    await provisioned(database, a_file())
    assert await works(database, other.admin.api_key)


async def test_a_person_who_is_made_inactive_can_no_longer_come_in(database: Database) -> None:
    await provisioned(database, a_file(api_keys=[KEY]))
    assert (await provisioned(database, a_file(active=False, api_keys=[KEY]))).issued == []
    assert not await works(database, KEY)
    await provisioned(database, a_file(api_keys=[KEY]))
    assert await works(database, KEY)


async def test_a_key_of_the_file_works_as_long_as_it_is_listed(database: Database) -> None:
    for _ in range(2):
        assert (await provisioned(database, a_file(api_keys=[KEY]))).issued == []
        assert await works(database, KEY)
    [issued] = (await provisioned(database, a_file())).issued
    assert not await works(database, KEY)
    assert (await provisioned(database, a_file())).issued == []
    assert await works(database, issued.api_key)


async def test_with_a_key_that_leaves_the_file_end_those_that_were_made_with_it(database: Database) -> None:
    await provisioned(database, a_file(api_keys=[KEY]))
    [admin] = await everyone(database)
    fresh = new_api_key()
    async with database.transaction() as session:
        made_with = {"made_with": KEY_PREFIX, "expires_at": None}
        session.add(
            keys.made(fresh, UNPEPPERED, admin, name="Export", at=utc_now(), scopes=["read"], **made_with)
        )
    assert await works(database, fresh.plaintext)

    await provisioned(database, a_file())

    assert not await works(database, fresh.plaintext)


async def test_a_key_that_a_person_has_revoked_stays_revoked(database: Database) -> None:
    await provisioned(database, a_file(api_keys=[KEY]))
    [admin] = await everyone(database)
    async with database.transaction() as session:
        assert await keys.revoke(session, KEY_PREFIX, by=admin.id, at=utc_now())
    changes = await provisioned(database, a_file(api_keys=[KEY]))
    assert changes.warnings == [
        f"organizations[0].people[0].api_keys[0]: {KEY_PREFIX} stays revoked, by {admin.id}; remove it"
    ]
    assert not await works(database, KEY)
    [issued] = changes.issued
    assert await works(database, issued.api_key)


async def test_revoking_the_last_key_issues_a_new_one(database: Database) -> None:
    [old] = (await provisioned(database, a_file())).issued
    revoked = a_file(revoked_keys=[old.api_key.split("_")[1]])

    [new] = (await provisioned(database, revoked)).issued

    assert not await works(database, old.api_key)
    assert await works(database, new.api_key)
    assert (await provisioned(database, revoked)).issued == []


async def test_a_prefix_that_revokes_nothing_is_said(database: Database) -> None:
    changes = await provisioned(database, a_file(revoked_keys=["typo"]))
    assert changes.warnings == ["organizations[0].people[0].revoked_keys[0]: key typo does not exist"]


# -- what is wrong with a file by itself ----------------------------------------------------------------


def test_everything_wrong_with_a_file_is_said_at_once_with_its_place() -> None:
    text = json.loads(a_file(FINN | {"email": "BEA@acme.example"}, roles=["boss"], api_keys=["secret"]))
    text["organizations"][0] |= {"zone": "Mars/Base", "stripe_customer": "acme", "plan": "growth"}
    text["organizations"].append(text["organizations"][0] | {"id": "org_two", "people": []})
    found = {problem.partition(": ")[0]: problem.partition(": ")[2] for problem in wrong(json.dumps(text))}
    assert set(found) == {
        "organizations[0].zone",
        "organizations[0].stripe_customer",
        "organizations[0].plan",
        "organizations[0].people[0].roles[0]",
        "organizations[0].people[0].api_keys[0]",
        "organizations[0].people[1].email",
        "organizations[1].zone",
        "organizations[1].stripe_customer",
        "organizations[1].stripe_subscription",
        "organizations[1].plan",
        "organizations[1].people",
    }
    assert found["organizations[1].stripe_subscription"] == (
        "is the same subscription as organizations[0].stripe_subscription"
    )
    assert found["organizations[0].people[1].email"] == (
        "is the same mail address in organizations[0] as organizations[0].people[0].email"
    )
    assert found["organizations[0].plan"] == "is no field of a provisioning file"


@pytest.mark.parametrize(
    ("content", "place", "says"),
    [
        (b"", "file", "is not JSON"),
        (b"[" * 100_000, "file", "nested too deeply"),
        (b"[" * 100 + b"]" * 100, "file", "nested too deeply"),
        (b'{"organizations": ' + b"9" * 10_000 + b"}", "file", "endless number"),
        (b"[1]", "file", ""),
        (a_file().encode("utf-16"), "file", "is not UTF-8"),
        (a_file().encode() + b"\xff", "file", "is not UTF-8"),
        (a_file(name="Zo\0e").encode(), "organizations[0].people[0].name", "U+0000"),
        (a_file(name="Zoe\u202e").encode(), "organizations[0].people[0].name", "U+202E"),
        (a_file(name="Zoe\ud800").encode(), "organizations[0].people[0].name", "U+D800"),
        (a_file(active="yes").encode(), "organizations[0].people[0].active", "boolean"),
        (a_file(roles=[]).encode(), "organizations[0].people[0].roles", "at least 1"),
        (a_file(email="bea@acme").encode(), "organizations[0].people[0].email", "mail address"),
        (a_file().replace('"DE"', '"XX"').encode(), "organizations[0].country", "ISO 3166-1"),
        (
            a_file().replace('"DE"', '"DE", "subdivision": "??"').encode(),
            "organizations[0].subdivision",
            "subdivision of DE",
        ),
        (
            a_file().replace('"id": "org_acme"', '"id": "org_a", "id": "org_b"').encode(),
            "organizations[0].id",
            "twice",
        ),
        (a_file(FINN | {"id": "per_1"}, id="per_1").encode(), "organizations[0].people[1].id", "same person"),
        (
            a_file(FINN | {"api_keys": [KEY]}, api_keys=[KEY]).encode(),
            "organizations[0].people[1].api_keys[0]",
            "same API key prefix",
        ),
        (
            a_file(api_keys=[KEY], revoked_keys=[KEY_PREFIX]).encode(),
            "organizations[0].people[0].api_keys[0]",
            "revoked_keys too",
        ),
    ],
)
def test_bad_content_is_named_with_its_place(content: bytes, place: str, says: str) -> None:
    [problem] = wrong(content)
    assert problem.startswith(f"{place}: ")
    assert says in problem


def test_a_file_of_notepads_with_its_byte_order_mark_is_read() -> None:
    assert parsed(b"\xef\xbb\xbf" + a_file().encode()) == parsed(a_file())


@pytest.mark.parametrize(
    "secret", ["x", "a1" * 20, "c" * 64, "0123456789abcdef" * 4, "Zx9" * 20, "12-34" * 13, "9" * 300]
)
def test_a_key_without_32_random_bytes_is_refused(secret: str) -> None:
    [problem] = wrong(a_file(api_keys=[f"pk_mine_{secret}"]))
    assert problem.startswith("organizations[0].people[0].api_keys[0]: its secret ")
    assert "python -m worker.provision --new-key" in problem
    assert len(secret) < 10 or secret not in problem


def test_keys_that_the_product_makes_are_strong_enough() -> None:
    for _ in range(200):
        assert people.weakness(new_api_key().plaintext.split("_")[2]) is None


# -- what contradicts the records or Stripe --------------------------------------------------------------


async def test_what_belongs_to_others_is_refused_and_nothing_is_written(database: Database) -> None:
    other = await tenant(database, stripe_subscription="sub_file")
    text = a_file(
        FINN | {"api_keys": [other.legal.api_key]}, id=other.admin.id, revoked_keys=[_prefix(other.legal)]
    )
    assert await contradicts(database, text) == [
        f"organizations[0].stripe_subscription: sub_file belongs to organization {other.id}",
        f"organizations[0].people[0].id: {other.admin.id} belongs to a person of another organization",
        f"organizations[0].people[0].revoked_keys[0]: {_prefix(other.legal)} is another person's key",
        f"organizations[0].people[1].api_keys[0]: {_prefix(other.legal)} is another person's key",
    ]
    async with database.reading() as session:
        assert await session.get(Organization, "org_acme") is None


def _prefix(member: Any) -> str:
    return str(member.api_key.split("_")[1])


async def test_one_wrong_organization_keeps_all_others_of_the_file_from_being_written(
    database: Database,
) -> None:
    await tenant(database, stripe_customer="cus_taken")
    first = an_organization_file()
    second = first | {"id": "org_two", "stripe_customer": "cus_taken", "stripe_subscription": "sub_2"}
    before = await everyone(database)
    [problem] = await contradicts(database, json.dumps({"organizations": [first, second]}))
    assert problem.startswith("organizations[1].stripe_customer: cus_taken belongs to organization org_")
    assert await everyone(database) == before


async def test_the_address_of_somebody_who_keeps_it_is_refused(database: Database) -> None:
    finn = FINN | {"id": "per_finn"}
    await provisioned(database, a_file(finn, id="per_bea"))
    assert await contradicts(database, a_file(id="per_bea", email="finn@acme.example")) == [
        "organizations[0].people[0].email: is the address of per_finn, who needs another one first"
    ]
    [problem] = await contradicts(database, a_file(finn, id="per_other"))
    assert problem.startswith("organizations[0].people[0].id: bea@acme.example is the address of per_bea")


async def test_another_secret_under_a_known_prefix_is_refused(database: Database) -> None:
    await provisioned(database, a_file(api_keys=[KEY]))
    forged = f"pk_{KEY_PREFIX}_{new_api_key().plaintext.split('_')[2]}"
    assert await contradicts(database, a_file(api_keys=[forged])) == [
        f"organizations[0].people[0].api_keys[0]: another key has the prefix {KEY_PREFIX}"
    ]


async def test_a_listed_key_is_kept_by_the_current_secret_key(database: Database) -> None:
    def by(*ids: str, plain: bool = False) -> SecretHashes:
        return SecretHashes.of(Keys(ids[0], {id_: id_.encode() * 8 for id_ in ids}, plain))

    listed, kept = a_file(id="per_bea", api_keys=[KEY]), list[str]()
    secret = KEY.rpartition("_")[2]
    for hashes in (UNPEPPERED, by("2026", plain=True), by("2027", "2026"), by("2029")):
        await provisioned(database, listed, hashes=hashes)
        async with database.reading() as session:
            [row] = await session.exec(select(ApiKey))
        assert hashes.match(row.secret_hash, secret, "per_bea")
        assert hashes.is_current(row.secret_hash)
        kept.append(row.secret_hash.rpartition(":")[0])
    assert kept == ["", "2026", "2027", "2029"]


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


async def test_what_stripe_does_not_know_is_refused_before_anything_is_written(
    stand_in: StandIn, database: Database
) -> None:
    shop = await open_shop(stand_in)
    organization = (await shop.tenant(database)).organization
    stranger = await shop.client.v1.customers.create_async({"name": "Another"})
    good = an_organization_file() | {
        "stripe_customer": organization.stripe_customer,
        "stripe_subscription": organization.stripe_subscription,
    }
    unknown = an_organization_file() | {"id": "org_two"}
    await ask_stripe(parsed(json.dumps({"organizations": [good]})), shop.client)
    with pytest.raises(InvalidFile) as refused:
        await ask_stripe(parsed(json.dumps({"organizations": [good, unknown]})), shop.client)
    assert [problem.place for problem in refused.value.problems] == [
        "organizations[1].stripe_customer",
        "organizations[1].stripe_subscription",
    ]
    assert "Stripe has no subscription sub_file" in refused.value.problems[1].message
    others = json.dumps({"organizations": [good | {"stripe_customer": stranger.id}]})
    with pytest.raises(InvalidFile, match=r"stripe_subscription: sub_\w+ is customer cus_\w+'s"):
        await ask_stripe(parsed(others), shop.client)


async def test_an_organization_that_stripe_calls_somebodys_customer_is_refused(
    stand_in: StandIn, database: Database
) -> None:
    shop = await open_shop(stand_in)
    organization = (await shop.tenant(database)).organization
    ids = {name: getattr(organization, name) for name in ("stripe_customer", "stripe_subscription")}
    await shop.client.v1.customers.update_async(
        organization.stripe_customer, {"metadata": {"plixo_organization": "org_other"}}
    )
    file = parsed(json.dumps({"organizations": [an_organization_file() | ids]}))
    with pytest.raises(InvalidFile) as refused:
        await ask_stripe(file, shop.client)
    [problem] = refused.value.problems
    assert problem.place == "organizations[0].stripe_customer"
    assert "org_other" in problem.message


# -- what the database itself refuses ---------------------------------------------------------------------


@pytest.mark.parametrize("field", ["stripe_customer", "stripe_subscription"])
async def test_no_two_organizations_share_what_they_are_in_stripe(database: Database, field: str) -> None:
    await store(database, an_organization(**{field: "same"}))
    with pytest.raises(IntegrityError):
        await store(database, an_organization(**{field: "same"}))


async def test_an_address_is_one_persons_in_an_organization(database: Database) -> None:
    here, there = an_organization(), an_organization()
    await store(database, here, there, a_person(here.id, email="x@y.example"))
    await store(database, a_person(there.id, email="x@y.example"))
    with pytest.raises(IntegrityError):
        await store(database, a_person(here.id, email="x@y.example"))


async def test_a_key_lets_nobody_into_another_organization_than_their_own(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    with pytest.raises(IntegrityError):
        await store(database, an_api_key(acme.admin.person, new_api_key(), organization_id=other.id))


# -- the command ------------------------------------------------------------------------------------------


def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PLIXO_")}
    return subprocess.run(
        [sys.executable, "-m", "worker.provision", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment | {"PLIXO_STRIPE_API_KEY": "sk_test_provision"} | settings,
    )


@pytest.mark.slow
def test_the_command_names_what_is_wrong_with_the_file_and_ends_with_2(tmp_path: Path) -> None:
    file = tmp_path / "organizations.json"
    file.write_text(a_file(roles=[]).replace("Europe/Berlin", "Mars/Base"))
    result = command(str(file))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "organizations[0].zone: is not an IANA time zone, such as America/New_York",
        "organizations[0].people[0].roles: List should have at least 1 item after validation, not 0",
    ]
    assert command(str(tmp_path / "none.json")).returncode == 2


@pytest.mark.slow
def test_the_command_prints_a_key_that_a_file_may_have() -> None:
    key = command("--new-key").stdout.strip()
    assert parsed(a_file(api_keys=[key])).organizations[0].people[0].api_keys == [key]


@pytest.mark.slow
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_the_example_is_provisioned_and_then_there_is_nothing_left_to_do(
    stand_in: StandIn, database: Database, database_url: str, tmp_path: Path
) -> None:
    shop = await open_shop(stand_in)
    subscribed = (await shop.tenant(database, "growth")).organization
    async with database.transaction() as session:  # what is left of it is Stripe's part
        for table in ("api_keys", "people", "renewals", "organization_invoices", "organizations"):
            await (await session.connection()).execute(text(f"DELETE FROM {table}"))
    file = tmp_path / "organizations.json"
    file.write_text(
        EXAMPLE.read_text()
        .replace("cus_ExampleAcme", subscribed.stripe_customer)
        .replace("sub_ExampleAcme", subscribed.stripe_subscription)
    )
    settings = {"PLIXO_DATABASE_URL": database_url, "PLIXO_STRIPE_API_BASE": stand_in.url}

    tried = command(str(file), "--dry-run", **settings)
    assert (tried.returncode, await everyone(database)) == (0, []), tried.stderr
    first = command(str(file), **settings)
    assert first.returncode == 0, first.stderr
    assert len(json.loads(tried.stdout)["changes"]) == len(json.loads(first.stdout)["changes"])
    assert (json.loads(tried.stdout)["issued"], len(json.loads(first.stdout)["issued"])) == ([], 3)
    again = json.loads(command(str(file), **settings).stdout)
    assert (again["changes"], again["issued"]) == ([], [])
    async with database.reading() as session:
        organization = await session.get_one(Organization, "org_acme")
        renewal = await session.get_one(Renewal, "org_acme")
        [bill] = await session.exec(select(OrganizationInvoice))
    assert organization.subscription is not None
    assert organization.subscription["plan"] == "growth"
    assert renewal.invoice is not None
    assert bill.status == "paid"


@pytest.mark.slow
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_when_nothing_can_be_written_the_command_says_so_and_ends_with_1(
    stand_in: StandIn, database: Database, tmp_path: Path
) -> None:
    shop = await open_shop(stand_in)
    subscribed = (await shop.tenant(database)).organization
    ids = {name: getattr(subscribed, name) for name in ("stripe_customer", "stripe_subscription")}
    file = tmp_path / "organizations.json"
    file.write_text(json.dumps({"organizations": [an_organization_file() | ids]}))
    unmigrated = command(
        str(file),
        PLIXO_DATABASE_URL=f"sqlite:///{tmp_path}/new.db",
        PLIXO_STRIPE_API_BASE=stand_in.url,
    )
    assert (unmigrated.returncode, unmigrated.stdout) == (1, "")
    assert "python -m db upgrade" in unmigrated.stderr
    assert "Traceback" not in unmigrated.stderr
    away = command(str(file), PLIXO_STRIPE_API_BASE="http://127.0.0.1:9")
    assert (away.returncode, away.stdout) == (1, "")
    assert "Stripe can't be reached; nothing was written" in away.stderr


# --- Chats ------------------------------------------------------------------------------------------------

WEBHOOK = "https://hooks.slack.example/services/T0123-very-secret"


def with_chat(*chats: dict[str, Any]) -> str:
    return json.dumps({"organizations": [an_organization_file() | {"chat": list(chats)}]})


async def chats(database: Database) -> list[tuple[str, str, bool]]:
    async with database.reading() as session:
        rows = await chat_webhooks.of_organization(session, "org_acme")
    return [(row.kind, row.url, row.disabled_at is None) for row in rows]


async def test_chats_are_those_of_the_file_and_their_addresses_are_not_told(database: Database) -> None:
    slack = {"kind": "slack", "webhook": WEBHOOK}
    first = await provisioned(database, with_chat(slack))
    assert await chats(database) == [("slack", WEBHOOK, True)]
    [made] = [line for line in first.sentences if "chat" in line]
    assert "very-secret" not in made
    assert not (await provisioned(database, with_chat(slack))).sentences

    async with database.transaction() as session:
        [row] = await chat_webhooks.of_organization(session, "org_acme")
        assert await chat_webhooks.disable(session, row.id, status=410, at=row.created_at)
    again = await provisioned(database, with_chat(slack))
    assert any("used again" in line for line in again.sentences)
    assert await chats(database) == [("slack", WEBHOOK, True)]

    await provisioned(database, with_chat())
    assert await chats(database) == []


@pytest.mark.parametrize(
    "webhook", ["http://hooks.example/x", "hooks.example/x", "https://", "https://a b.example", 5]
)
def test_what_is_no_webhook_is_refused_without_showing_it(webhook: object) -> None:
    with pytest.raises(InvalidFile) as refused:
        parsed(with_chat({"kind": "slack", "webhook": webhook}))
    assert "organizations[0].chat[0].webhook" in str(refused.value)
    assert "hooks.example" not in str(refused.value)


def test_the_same_webhook_twice_is_refused() -> None:
    with pytest.raises(InvalidFile, match=r"chat\[1\].webhook"):
        parsed(with_chat({"kind": "slack", "webhook": WEBHOOK}, {"kind": "teams", "webhook": WEBHOOK}))
