"""Signing in to the console with a real browser, by a link and at a real provider, and out again."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page
from temporalio.client import Client

from api.app import create_app
from api.http.site import Site
from api.oidc.provider import Provider, ProviderSettings
from billing.core.keys import UNPEPPERED
from billing.core.operations import Role
from billing.policy.policy import policy_from_toml
from db.core.clock import utc_now
from db.core.session import Database
from db.sign_in import links
from db.tables import Person
from settings.settings import DEFAULT_POLICY

from ..api.conftest import subscribed
from ..api.processes import NO_TEMPORAL
from ..api.sign_in.providers import free_port, known, mock_provider
from ..support.builders import Tenant, a_person, store
from ..support.house import served
from .looks import ON_A_PHONE, faults

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("databases", ["sqlite"], indirect=True),
]


class Console:
    """The console at `address`."""

    def __init__(self, database: Database, acme: Tenant, address: str, app: Any) -> None:
        self.database, self.acme, self.address, self.app = database, acme, address, app

    def sign_in_by(self, issuer: str) -> None:
        provider = Provider(
            ProviderSettings(issuer, "plixo", client_secret="secret"),
            f"{self.address}/console/sign-in/callback",
            f"{self.address}/console/signed-out",
        )
        self.app.state.context = replace(self.app.state.context, provider=provider, by_mail=False)

    async def link(self, person: Person) -> str:
        async with self.database.transaction() as session:
            at = utc_now()
            link = await links.issue(
                session, person, how="mail", by=person.id, at=at, expires_at=at + timedelta(minutes=15)
            )
            token = await links.add_token(session, UNPEPPERED, link.id, at=at)
            return f"{self.address}/console/sign-in/link/{token}"


@pytest.fixture
async def console(database: Database) -> AsyncIterator[Console]:
    temporal = await Client.connect(NO_TEMPORAL, lazy=True)
    acme = await subscribed(database)
    app = create_app(policy_from_toml(DEFAULT_POLICY.read_text(encoding="utf-8")), database, temporal)
    async with served(app) as address:
        app.state.context = replace(app.state.context, site=Site(public_url=address, floor=0))
        yield Console(database, acme, address, app)


async def heading(page: Page) -> str:
    return (await page.locator("h1").inner_text()).strip()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_a_link_signs_in_and_the_button_signs_out(
    console: Console, browser: Browser, scripts: bool
) -> None:
    """On this machine without TLS, too."""
    context = await browser.new_context(java_script_enabled=scripts)
    page = await context.new_page()
    await page.goto(f"{console.address}/console/approvals")
    assert await heading(page) == "Sign in"
    await page.get_by_label("Work email").fill(console.acme.legal.person.email)
    await page.get_by_role("button", name="Email me a sign-in link").click()
    assert await heading(page) == "Check your email"

    await page.goto(await console.link(console.acme.legal.person))
    await page.get_by_role("button", name="Sign in as").click()
    await page.wait_for_url(f"{console.address}/console/")
    (cookie,) = await context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["secure"]) == ("__Host-plixo_session", True, True)
    assert cookie["sameSite"] == "Lax"

    await page.get_by_role("button", name="Sign out").click()
    assert await heading(page) == "You’re signed out"
    assert await context.cookies() == []
    await page.goto(f"{console.address}/console/approvals")
    assert await heading(page) == "Sign in"
    await context.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_a_provider_signs_in_and_out(console: Console, browser: Browser, scripts: bool) -> None:
    there = await subscribed(console.database)
    me = a_person(there.id, roles=[Role.LEGAL], email=console.acme.legal.person.email)
    await store(console.database, me)
    with mock_provider(free_port(), "--require-nonce", "true") as issuer:
        console.sign_in_by(issuer)
        await known(issuer, "lee", email=me.email, email_verified=True)
        context = await browser.new_context(java_script_enabled=scripts)
        page = await context.new_page()
        await page.goto(f"{console.address}/console/approvals")
        await page.get_by_role("button", name="Continue with single sign-on").click()
        await page.wait_for_url(f"{issuer}/**")
        await page.get_by_placeholder("sub").fill("lee")
        await page.get_by_role("button", name="Authorize").click()
        await page.wait_for_url(f"{console.address}/**")
        assert await heading(page) == "Choose an organization"
        await page.get_by_role("button", name=there.organization.name).click()
        await page.wait_for_url(f"{console.address}/console/approvals")

        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url(f"{issuer}/**")
        await page.goto(f"{console.address}/console/approvals")
        assert await heading(page) == "Sign in"
        await context.close()


async def test_axe_finds_nothing_on_any_page(console: Console, browser: Browser) -> None:
    context = await browser.new_context(reduced_motion="reduce", bypass_csp=True)
    page = await context.new_page()
    findings: dict[str, Any] = {}

    async def check(name: str) -> None:
        if found := await faults(page, ON_A_PHONE):
            findings[name] = found

    await page.goto(f"{console.address}/console/sign-in")
    await check("sign-in")
    await page.get_by_label("Work email").fill("bea")
    await page.get_by_role("button", name="Email me a sign-in link").click()
    await check("no address")
    steps: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("check mail", lambda: page.goto(f"{console.address}/console/sign-in/check-mail")),
        ("dead link", lambda: page.goto(f"{console.address}/console/sign-in/link/x")),
        ("signed out", lambda: page.goto(f"{console.address}/console/signed-out")),
    )
    for name, go in steps:
        await go()
        await check(name)
    await page.goto(await console.link(console.acme.legal.person))
    await check("link")
    await context.close()
    assert findings == {}
