"""An app on a database of its own, and browsers that are signed in to it as each of its people."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from playwright.async_api import Browser, Page
from temporalio.client import Client

from api.app import create_app
from api.http.site import Site
from api.quotes.service import QuoteDraft
from billing.core.keys import UNPEPPERED
from billing.core.operations import Message, Role
from billing.policy.policy import policy_from_toml
from billing.quotes.quote import AnyQuote
from db.core.clock import utc_now
from db.core.session import Database
from db.sign_in import links
from db.tables import Organization, Person
from settings.settings import DEFAULT_POLICY

from ...api.conftest import subscribed
from ...api.processes import NO_TEMPORAL
from ...api.quoting import made
from ...support.builders import Tenant
from ...support.databases import SqliteDatabases
from ...support.house import served
from ..looks import Look, turn

PEOPLE = {
    Role.BILLING_ADMIN: "Bea Billing",
    Role.CONTROLLER: "Cora Controller",
    Role.LEGAL: "Lee Legal",
    Role.FINANCE: "Finn Finance",
    Role.AUDITOR: "Ada Auditor",
}


@dataclass(frozen=True)
class Scene:
    """A page in a state: `who` is signed in; None: nobody, as at the portal. `say` changes what the page is
    before one looks at it, such as by a form; `language` is the browser's."""

    name: str
    path: str
    who: Role | None = None
    say: Callable[[Page], Any] | None = None
    language: str = "en"

    @property
    def page(self) -> str:
        """What its pictures are grouped by."""
        return self.name.partition(":")[0]


@dataclass
class Studio:
    """The app, at `address`."""

    database: Database
    acme: Tenant
    app: Any
    address: str
    _pages: dict[tuple[Any, ...], Page] = field(default_factory=dict)

    async def page(self, browser: Browser, scene: Scene) -> Page:
        """A page of who the scene is seen by; kept for the next scene."""
        key = (scene.who, scene.language)
        if key not in self._pages:
            context = await browser.new_context(locale=scene.language, reduced_motion="reduce")
            self._pages[key] = await context.new_page()
            if scene.who is not None:
                await self._sign_in(self._pages[key], self.acme.members[scene.who].person)
        return self._pages[key]

    async def _sign_in(self, page: Page, person: Person) -> None:
        async with self.database.transaction() as session:
            at = utc_now()
            expires = at + timedelta(minutes=15)
            link = await links.issue(session, person, how="mail", by=person.id, at=at, expires_at=expires)
            token = await links.add_token(session, UNPEPPERED, link.id, at=at)
        await page.goto(f"{self.address}/console/sign-in/link/{token}")
        await page.click("button.btn-go")

    async def show(self, page: Page, scene: Scene, look: Look) -> None:
        """Opens the scene in this look."""
        await turn(page, look)
        await page.goto(self.address + scene.path)
        if scene.say is not None:
            await scene.say(page)
            await page.wait_for_load_state()

    async def close(self) -> None:
        for page in self._pages.values():
            await page.context.close()


@asynccontextmanager
async def studio() -> AsyncIterator[Studio]:
    """Without Temporal: what pages show is in the records, and quotes are of a made-up Stripe."""
    with tempfile.TemporaryDirectory() as folder:
        async with SqliteDatabases(Path(folder)).fresh() as url:
            database = Database(url)
            acme = await _named(database, await subscribed(database))
            temporal = await Client.connect(NO_TEMPORAL, lazy=True)
            policy = policy_from_toml(DEFAULT_POLICY.read_text(encoding="utf-8"))
            app = create_app(policy, database, temporal)
            async with served(app) as address:
                site = Site(public_url=address, floor=0.0, contact="billing@acme.example")
                app.state.context = replace(app.state.context, site=site, by_mail=True)
                built = Studio(database, acme, app, address)

                async def find_out(_: QuoteDraft, request: Message, __: Any) -> AnyQuote:
                    return await made(built, request, utc_now())

                with patch.object(QuoteDraft, "find_out", find_out):
                    yield built
                await built.close()
            await database.dispose()


async def _named(database: Database, acme: Tenant) -> Tenant:
    """With names as people have."""
    async with database.transaction() as session:
        home = await session.get_one(Organization, acme.id)
        home.name = "Acme Receivables"
        session.add(home)
        for role, name in PEOPLE.items():
            person = await session.get_one(Person, acme.members[role].id)
            person.name, acme.members[role].person.name = name, name
            session.add(person)
    return acme
