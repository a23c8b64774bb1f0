"""A whole house around a time-skipping Temporal server, for each test anew.

On SQLite, unless a test says `ON_BOTH_DATABASES`: those in which transactions meet, the main way of each
capability, and whatever asks PostgreSQL for a statement that no other test asks it for. With the tests of
`tests/db`, `tests/activities` and `tests/api`, PostgreSQL hears every statement of every workflow.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn

from ..replay.recording import record, recording
from ..support import evidence_kept
from ..support.databases import PostgresDatabases, SqliteDatabases
from ..support.house import House, house, time_skipping

ON_BOTH_DATABASES = pytest.mark.parametrize(
    "databases", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture(params=["sqlite"])
def databases(
    request: pytest.FixtureRequest,
    sqlite_databases: SqliteDatabases,
    postgres_databases: PostgresDatabases,
) -> SqliteDatabases | PostgresDatabases:
    return sqlite_databases if request.param == "sqlite" else postgres_databases


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """A fresh stand-in, whose every answer is checked against the SDK's annotations."""
    with StandIn() as running:
        yield running
        assert running.violations() == []


@pytest.fixture
async def home(request: pytest.FixtureRequest, database: Database, stand_in: StandIn) -> AsyncIterator[House]:
    """A house whose Stripe stands at half of April, with organizations subscribed since the first."""
    async with time_skipping() as environment, house(environment, database, stand_in) as built:
        yield built
        await evidence_kept.check_all(database, request.node.name)
        if recording():
            await record(built, request.node.name)
