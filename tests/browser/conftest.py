"""A real browser, if the machine has one, and a whole house behind the pages."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn

from ..support.house import House, house, time_skipping

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield launched
        await launched.close()


@pytest.fixture
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """As if it had just been started: what a test opens is closed after it."""
    yield chromium
    for context in chromium.contexts:
        await context.close()


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture
async def home(database: Database, stand_in: StandIn) -> AsyncIterator[House]:
    async with time_skipping() as environment, house(environment, database, stand_in) as built:
        yield built
