"""Sign-in links that an operator makes: for whom, and what is kept of it."""

import asyncio
import os
import sys
from datetime import timedelta

import pytest
from sqlmodel import select

from billing.core.keys import UNPEPPERED
from db.core.session import Database
from db.sign_in import links
from db.tables import PersonLink, PersonLinkToken
from worker.people import PersonRefused, make_links

from ..support.builders import a_person, store, tenant

HOUR = timedelta(hours=1)


async def test_the_command_prints_a_link_and_keeps_who_made_it_and_why(
    database: Database, database_url: str
) -> None:
    acme = await tenant(database)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker.people", "sign-in-link", acme.admin.id, acme.legal.id),
        *("--because", "Their mail server is down.", "--by", "olga"),
        env=os.environ
        | {
            "PLIXO_DATABASE_URL": database_url,
            "PLIXO_STRIPE_API_KEY": "sk_test_1",
            "PLIXO_PUBLIC_URL": "https://billing.acme.example/",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    told = dict(line.split("\t") for line in out.decode().splitlines())
    assert list(told) == [acme.admin.id, acme.legal.id]
    async with database.reading() as session:
        for person, url in told.items():
            start, _, token = url.rpartition("/")
            assert start == "https://billing.acme.example/console/sign-in/link"
            holder = await links.find(session, UNPEPPERED, token)
            assert holder is not None
            link = holder.link
            assert (link.person_id, link.how, link.issued_by) == (person, "operator", "olga")
            assert link.because == "Their mail server is down."
            assert link.expires_at - link.created_at == timedelta(minutes=15)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_all_of_them_are_made_or_none(database: Database) -> None:
    acme = await tenant(database)
    left, idle = a_person(acme.id, roles=["legal"], active=False), a_person(acme.id)
    await store(database, left, idle)
    for wrong in (left.id, idle.id, "per_unknown"):
        with pytest.raises(PersonRefused, match=wrong):
            await make_links(database, [acme.admin.id, wrong], because="x", by="olga", valid=HOUR)
    with pytest.raises(PersonRefused, match="--because"):
        await make_links(database, [acme.admin.id], because=" ", by="olga", valid=HOUR)
    async with database.reading() as session:
        assert not (await session.exec(select(PersonLink))).all()
        assert not (await session.exec(select(PersonLinkToken))).all()
