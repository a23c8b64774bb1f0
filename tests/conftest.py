"""What every test can ask for: a fresh database, once on SQLite and once on PostgreSQL."""

import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from db.core.session import Database

from .support.databases import PostgresDatabases, SqliteDatabases, files_folder
from .support.first_cases import left_out
from .support.prepared import compile_once, sandbox_once

CRASH = "tests/crash/"
CROSS_PRODUCT = "tests/workflows/plan_changes/cross_product/"
OWN_SERVERS = (f"{CRASH}test_ended", f"{CRASH}test_database", f"{CRASH}test_long", f"{CRASH}test_outages")

LONGEST = (
    CRASH,
    "tests/workflows/money/test_machine.py",
    "tests/hours/",
    "tests/load/",
    "tests/workflows/mirror/test_event_machine.py",
    "tests/workflows/approvals/test_authorship_machine.py",
    CROSS_PRODUCT,
    "tests/browser/test_gallery.py",
    "tests/sandbox/",
    "tests/docs/test_guides.py",
    "tests/deploy/",
    "tests/workflows/",
)
"""In the order in which they are begun; the rest follows, and fills what is left of the processes."""

sandbox_once()
compile_once()


class Together(LoadFileScheduling):  # type: ignore[misc]
    """Side by side (`-n`), a file's tests stay together, which share what they set up. So do those that kill
    on one stage, and those that have servers of their own: more of them at once wait for each other's
    processes until their patience is over. The parts of the cross product share nothing and take two minutes
    together: whoever is free takes the next."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(CROSS_PRODUCT):
            return nodeid
        if not nodeid.startswith(CRASH):
            return str(super()._split_scope(nodeid))
        return "on servers of their own" if nodeid.startswith(OWN_SERVERS) else "on one stage"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    return Together(config, log)


@pytest.hookimpl(trylast=True)  # of what `-k` and `-m` have chosen
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What need not run on PostgreSQL as well is left out. What takes longest is begun first: at the end no
    process waits for another."""
    if gone := set(left_out(items)):
        config.hook.pytest_deselected(items=list(gone))
        items[:] = [item for item in items if item not in gone]

    def place(item: pytest.Item) -> int:
        return next((n for n, path in enumerate(LONGEST) if item.nodeid.startswith(path)), len(LONGEST))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector need not walk through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteDatabases]:
    with files_folder(tmp_path_factory.mktemp("sqlite")) as folder:
        yield SqliteDatabases(folder)


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[PostgresDatabases]:
    databases = PostgresDatabases()
    yield databases
    databases.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def databases(
    request: pytest.FixtureRequest,
    sqlite_databases: SqliteDatabases,
    postgres_databases: PostgresDatabases,
) -> SqliteDatabases | PostgresDatabases:
    """One kind of database after the other; `parametrize("databases", ["sqlite"], indirect=True)` for one."""
    return sqlite_databases if request.param == "sqlite" else postgres_databases


@pytest.fixture
async def database_url(databases: SqliteDatabases | PostgresDatabases) -> AsyncIterator[str]:
    """The URL of a fresh, migrated database, for processes of their own too."""
    async with databases.fresh() as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh, migrated database."""
    opened = Database(database_url)
    yield opened
    await opened.dispose()
