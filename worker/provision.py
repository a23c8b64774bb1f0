"""`python -m worker.provision FILE.json`: makes the organizations of a file be there, and mirrors Stripe.

Run it again after every change of the file: what is there already is updated, and nothing is made twice.
A person without a valid API key gets one; new keys are printed once, as JSON on stdout, and never again.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

import stripe
import typer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities import balance_pages, mirror_pages, money_pages
from activities.stripe_client import stripe_client
from billing.errors import BillingError
from billing.operations import Role
from db import cases
from db.people import NewKey, hash_secret, new_api_key, split_api_key
from db.session import Database
from db.tables import ApiKey, Organization, Person, new_id
from settings.settings import InvalidSettings, load


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is not an IANA time zone, such as America/New_York")
    return name


def _key(text: str) -> str:
    if split_api_key(text) is None:
        raise ValueError("must look like pk_<prefix>_<secret>")
    return text


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254, to_lower=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PersonFile(_Part):
    """Somebody of an organization, known by mail address. `api_keys` are keys to take over, in plain text;
    `revoked_keys` are prefixes of keys that must not work any more.
    """

    id: Id | None = None
    name: Text
    email: Email
    roles: Annotated[list[Role], Field(min_length=1)]
    active: bool = True
    api_keys: list[Annotated[str, AfterValidator(_key)]] = []
    revoked_keys: list[str] = []


class OrganizationFile(_Part):
    """A tenant and its people; `id` is chosen here, and is what `plixo_organization` names in Stripe."""

    id: Id
    name: Text
    zone: Annotated[str, AfterValidator(_zone)]
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    subdivision: str | None = None
    stripe_customer: Annotated[str, StringConstraints(pattern=r"^cus_")]
    stripe_subscription: Annotated[str, StringConstraints(pattern=r"^sub_")]
    people: Annotated[list[PersonFile], Field(min_length=1)]


class File(_Part):
    """What `python -m worker.provision` reads."""

    organizations: Annotated[list[OrganizationFile], Field(min_length=1)]


class Issued(BaseModel):
    """A new key; this is the only place where it can be read."""

    organization: str
    person: str
    email: str
    api_key: str


async def provision(file: File, database: Database) -> list[Issued]:
    """Make the file true in our records, all of it or nothing, and give the keys that are new."""
    issued: list[Issued] = []
    async with database.transaction() as session:
        for wanted in file.organizations:
            await _organization(session, wanted)
            for person in wanted.people:
                issued += await _person(session, wanted.id, person)
    return issued


async def _organization(session: AsyncSession, wanted: OrganizationFile) -> None:
    facts = wanted.model_dump(exclude={"id", "people"})
    found = await session.get(Organization, wanted.id)
    if found is None:
        session.add(Organization(id=wanted.id, created_at=datetime.now(UTC), **facts))
    else:
        found.sqlmodel_update(facts)
    await session.flush()


async def _person(session: AsyncSession, organization: str, wanted: PersonFile) -> list[Issued]:
    known = select(Person).where(Person.organization_id == organization, Person.email == wanted.email)
    person = (await session.exec(known)).one_or_none()
    facts: dict[str, Any] = {
        "name": wanted.name,
        "roles": [role.value for role in wanted.roles],
        "active": wanted.active,
    }
    if person is None:
        person = Person(
            id=wanted.id or new_id("per"),
            organization_id=organization,
            email=wanted.email,
            created_at=datetime.now(UTC),
            **facts,
        )
        session.add(person)
    else:
        person.sqlmodel_update(facts)
    await session.flush()
    return await _keys(session, person, wanted)


async def _keys(session: AsyncSession, person: Person, wanted: PersonFile) -> list[Issued]:
    now = datetime.now(UTC)
    found = await session.exec(select(ApiKey).where(ApiKey.person_id == person.id))
    keys = {key.prefix: key for key in found}
    for text in wanted.api_keys:
        prefix, secret = split_api_key(text) or ("", "")
        if prefix not in keys:
            keys[prefix] = _stored(session, person, NewKey(text, prefix, hash_secret(secret)), now)
    for prefix in wanted.revoked_keys:
        if prefix in keys and keys[prefix].revoked_at is None:
            keys[prefix].revoked_at = now
    valid = (k.revoked_at is None and (k.expires_at is None or k.expires_at > now) for k in keys.values())
    if not person.active or any(valid):
        return []
    fresh = new_api_key()
    _stored(session, person, fresh, now)
    return [
        Issued(
            organization=person.organization_id,
            person=person.id,
            email=person.email,
            api_key=fresh.plaintext,
        )
    ]


def _stored(session: AsyncSession, person: Person, key: NewKey, now: datetime) -> ApiKey:
    row = ApiKey(
        prefix=key.prefix,
        secret_hash=key.secret_hash,
        person_id=person.id,
        organization_id=person.organization_id,
        created_at=now,
    )
    session.add(row)
    return row


async def pull(file: File, database: Database, client: stripe.StripeClient) -> None:
    """Mirror the plans, and the subscriptions, customers, invoices and money of the file's organizations.

    Raises StripeError, PlanMisconfigured or SubscriptionUnsupported; the pages before stay stored.
    """
    ids = {organization.id for organization in file.organizations}
    await mirror_pages.catalog(client, database)
    async with database.reading() as session:
        rows = (await session.exec(select(Organization).where(col(Organization.id).in_(ids)))).all()
    for organization in rows:
        await mirror_pages.subscription(client, database, organization)
    page = await mirror_pages.customers_page(client, database, ids)
    while page.after:
        page = await mirror_pages.customers_page(client, database, ids, page.after)
    for next_page in (
        mirror_pages.invoices_page,
        money_pages.payments_page,
        money_pages.invoice_payments_page,
        money_pages.refunds_page,
        money_pages.credit_notes_page,
        balance_pages.balances_page,
    ):
        page = await next_page(client, database)
        while page.after:
            page = await next_page(client, database, page.after)


def read(text: str) -> File:
    """The file's content. Raises ValidationError, which names everything wrong with it at once."""
    return File.model_validate_json(text)


async def _run(file: File) -> None:
    settings, policy = load()
    database = Database(settings.database_url)
    # What was there before its organization is no case; when this is run again, all else is.
    cases.watch(database, policy)
    client = stripe_client(settings.stripe_api_key.get_secret_value(), settings.stripe_api_base)
    try:
        issued = await provision(file, database)
        # Printed before Stripe is asked: a failure there must not swallow keys that are shown only once.
        print(json.dumps({"issued": [key.model_dump() for key in issued]}, indent=2), flush=True)
        await pull(file, database, client)
    finally:
        await database.dispose()


def main(file: Annotated[Path, typer.Argument(help="organizations, people and roles, as JSON")]) -> None:
    """Create or update the organizations of FILE, by the PLIXO_ settings, and mirror Stripe."""
    try:
        asyncio.run(_run(read(file.read_text(encoding="utf-8"))))
    except ValidationError as error:
        _stop(*map(_said, error.errors()))
    except InvalidSettings as error:
        _stop(*error.problems)
    except (OSError, stripe.StripeError, BillingError, mirror_pages.SubscriptionUnsupported) as error:
        _stop(str(error))


def _said(error: Any) -> str:
    return f"{'.'.join(map(str, error['loc'])) or 'file'}: {error['msg'].removeprefix('Value error, ')}"


def _stop(*problems: str) -> None:
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    typer.run(main)
