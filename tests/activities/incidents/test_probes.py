"""Probes and what is counted, on the real things: the stand-in, an SMTP server, a web server, a database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI, Response
from sqlmodel import select

from activities.incidents.probes import Probes, standard
from activities.mail.smtp import MailLater, MailRefused, SmtpPool
from activities.stripe.client import stripe_client
from activities.stripe.permissions import KeyPermissions
from billing.incidents.states import Component
from db.core.session import Database
from db.incidents.health_meter import HealthMeter
from db.tables import HealthCount
from sandbox.stack.mail import Fault
from sandbox.stripe.server.inprocess import StandIn

from ...support.house import MailSink, served
from ..mail.test_smtp import a_mail

ON_SQLITE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


@dataclass
class Portal:
    """A public address whose /healthz answers as told."""

    status: int = 200

    @property
    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/healthz")
        async def healthz() -> Response:
            return Response(status_code=self.status)

        return app


@pytest.fixture
async def web() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


def the_probes(
    database: Database, stand_in: StandIn, web: httpx.AsyncClient, *, mail: str, portal: str
) -> Probes:
    return standard(
        database,
        stripe_client("sk_test_plixo", stand_in.url),
        SmtpPool(mail, "plixo.test"),
        web,
        portal,
        KeyPermissions(),
    )


async def test_each_component_answers_or_says_why_not(
    database: Database, running_stand_in: StandIn, web: httpx.AsyncClient
) -> None:
    portal = Portal()
    async with served(portal.app) as address:
        async with MailSink() as mail:
            probes = the_probes(database, running_stand_in, web, mail=mail.url, portal=address)
            assert [await probes.probe(one, doubted=True) for one in Component] == [None] * 5
        running_stand_in.fault("bad_gateway", path="/v1/customers/cus_plixo_probe$", times=1)
        portal.status = 503
        wrong = {one: await probes.probe(one, doubted=one is Component.STRIPE) for one in Component}
    running_stand_in.clear_faults()
    assert wrong == {
        Component.STRIPE: "stripe_unreachable",
        Component.STRIPE_KEY: None,
        Component.PORTAL: "error_answer",
        Component.MAIL: "mail_server_unreachable",
        Component.DATABASE: None,
    }
    assert await probes.probe(Component.PORTAL) == "unreachable"


@ON_SQLITE
async def test_stripe_that_limits_us_is_degraded_and_one_that_refuses_works(
    database: Database, running_stand_in: StandIn, web: httpx.AsyncClient
) -> None:
    probes = the_probes(database, running_stand_in, web, mail="smtp://127.0.0.1:9", portal="http://x")
    running_stand_in.fault("rate_limit", path="/v1/customers/", times=1, reason="global-rate")
    assert await probes.probe(Component.STRIPE, doubted=True) == "rate_limit"
    assert await probes.probe(Component.STRIPE, doubted=True) is None
    running_stand_in.clear_faults()


@ON_SQLITE
async def test_stripe_is_asked_only_when_in_doubt_and_reads_nothing(
    database: Database, running_stand_in: StandIn, web: httpx.AsyncClient
) -> None:
    probes = the_probes(database, running_stand_in, web, mail="smtp://127.0.0.1:9", portal="http://x")
    before = running_stand_in.last_request()
    assert await probes.probe(Component.STRIPE) is None
    assert running_stand_in.requests(before) == []
    assert await probes.probe(Component.STRIPE, doubted=True) is None
    [asked] = running_stand_in.requests(before)
    assert (asked["method"], asked["status"]) == ("POST", 404)


async def test_a_database_that_is_away_and_an_answer_that_does_not_come_are_told() -> None:
    away = Database("postgresql://nobody@127.0.0.1:9/none")

    async def never() -> str | None:
        await asyncio.Event().wait()
        return None

    async with httpx.AsyncClient() as web:
        nowhere = stripe_client("k", "http://127.0.0.1:9")
        real = standard(away, nowhere, SmtpPool("smtp://x", "x"), web, "x", KeyPermissions())
        assert await real.probe(Component.DATABASE) == "unreachable"
    assert await Probes({Component.MAIL: never}).probe(Component.MAIL, within=0.01) == "timeout"
    await away.dispose()


async def test_mails_that_are_taken_or_refused_are_well_and_a_server_that_is_away_is_not(
    database: Database,
) -> None:
    meter = HealthMeter()
    async with MailSink() as mail:
        pool = SmtpPool(mail.url, "plixo.test", meter)
        await pool.send(a_mail())
        mail.mailbox.fault = Fault(code=550)
        with pytest.raises(MailRefused):
            await pool.send(a_mail())
        mail.mailbox.fault = Fault(code=451)
        with pytest.raises(MailLater):
            await pool.send(a_mail())
        await pool.close()
    with pytest.raises(MailLater):
        await pool.send(a_mail())
    await meter.flush(database)
    async with database.reading() as session:
        rows = (await session.exec(select(HealthCount))).all()
    assert {row.component for row in rows} == {"mail"}
    assert sum(row.ok for row in rows) == 2
    codes = [code for row in rows for code in row.codes]
    assert sorted(codes) == ["mail_server_busy", "mail_server_unreachable"]
