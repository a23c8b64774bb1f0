"""Sessions: what commits, what rolls back, and what the databases are set to."""

import asyncio
import shutil
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from db.core import sqlite
from db.core.session import Database, async_url
from db.migrate import upgrade_async
from db.tables import Organization

from ...support.builders import an_organization, store
from ...support.house import until

sqlite_only = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


async def count(database: Database) -> int:
    async with database.reading() as session:
        return int(await session.scalar(text("SELECT count(*) FROM organizations")) or 0)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:///plixo.db", "sqlite+aiosqlite:///plixo.db"),
        ("sqlite:////var/plixo.db", "sqlite+aiosqlite:////var/plixo.db"),
        ("sqlite+aiosqlite:///plixo.db", "sqlite+aiosqlite:///plixo.db"),
        ("postgresql://plixo:secret@db:5432/plixo", "postgresql+asyncpg://plixo:secret@db:5432/plixo"),
        ("postgresql+psycopg://plixo@db/plixo", "postgresql+asyncpg://plixo@db/plixo"),
        ("postgres://plixo@db/plixo", "postgresql+asyncpg://plixo@db/plixo"),
        ("postgresql://db/plixo?sslmode=require", "postgresql+asyncpg://db/plixo?sslmode=require"),
    ],
)
def test_urls_get_the_drivers_that_are_used_here(given: str, used: str) -> None:
    assert async_url(given).render_as_string(hide_password=False) == used


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("mysql://db/plixo", "neither sqlite nor postgresql"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql://db/plixo?sslmode=strict", "sslmode=strict is none of disable, prefer, require"),
        ("postgresql://db/plixo?sslmode=verify-full&sslrootcert=/none.pem", "sslrootcert: /none.pem can't"),
        ("postgresql://db/plixo?sslmode=require&sslcert=/none.pem", "sslcert: /none.pem with sslkey"),
        ("postgresql://db/plixo?sslmode=require&sslkey=/none.pem", "sslkey is given without sslcert"),
        ("postgresql://db/plixo?sslmode=prefer&sslrootcert=/none.pem", "sslrootcert needs an sslmode"),
    ],
)
def test_other_databases_are_refused(url: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        async_url(url)


async def test_a_transaction_commits_at_its_end_and_others_see_it(database: Database) -> None:
    await store(database, an_organization())
    assert await count(database) == 1


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as session:
            session.add(an_organization())
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await count(database) == 0


async def test_a_transaction_that_is_cancelled_leaves_nothing_and_the_next_one_works(
    database: Database,
) -> None:
    flushed = asyncio.Event()

    async def interrupted() -> None:
        async with database.transaction() as session:
            session.add(an_organization())
            await session.flush()
            flushed.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(interrupted())
    await flushed.wait()
    task.cancel()
    await asyncio.wait([task])
    await store(database, an_organization())

    assert task.cancelled()
    assert await count(database) == 1


async def test_rows_can_be_read_after_the_transaction(database: Database) -> None:
    async with database.transaction() as session:
        row = an_organization(name="Acme")
        session.add(row)

    assert row.name == "Acme"


async def test_counting_in_many_transactions_at_once_loses_nothing(
    database: Database, database_url: str
) -> None:
    organization = an_organization(name="0")
    await store(database, organization)
    other = Database(database_url)  # connections of its own, like another process

    async def increment(to: Database) -> None:
        async with to.transaction() as session:
            row = await session.get_one(Organization, organization.id, with_for_update=True)
            row.name = str(int(row.name) + 1)

    await asyncio.gather(*(increment((database, other)[n % 2]) for n in range(30)))
    await other.dispose()

    async with database.reading() as session:
        assert (await session.get_one(Organization, organization.id)).name == "30"


@sqlite_only
async def test_nothing_can_be_written_while_reading(database: Database) -> None:
    async with database.reading() as session:
        session.add(an_organization())
        with pytest.raises(OperationalError, match="readonly"):
            await session.flush()


@sqlite_only
async def test_reading_does_not_wait_for_a_writer(database: Database) -> None:
    async with database.transaction() as session:
        session.add(an_organization())
        await session.flush()
        assert await count(database) == 0
    assert await count(database) == 1


@sqlite_only
async def test_sqlite_keeps_a_write_ahead_log_and_checks_foreign_keys(database: Database) -> None:
    async with database.transaction() as session:
        settings = [
            await session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only")
        ]
    assert settings == ["wal", 1, 1, 0, 0]


@sqlite_only
async def test_what_was_committed_is_copied_from_the_log_into_the_file_while_it_is_in_use(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_EVERY", 0.05)
    file = Path(database_url.removeprefix("sqlite:///"))
    await store(database, an_organization())  # opens the connection

    async def copied() -> bool:
        """Whether the file has something without its log; each look commits something more."""
        await store(database, an_organization())
        alone = Path(shutil.copy(file, tmp_path / "alone.db"))
        with closing(sqlite3.connect(alone)) as connection, suppress(sqlite3.DatabaseError):
            return int(connection.execute("SELECT count(*) FROM organizations").fetchone()[0]) > 0
        return False  # it was just being written

    await until(copied, lambda: "nothing is in the file while it is in use")


@sqlite_only
async def test_waiting_for_another_process_leaves_the_loop_free(
    database: Database, database_url: str
) -> None:
    other = Database(database_url)
    holds, may_end = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with other.transaction() as session:
            session.add(an_organization())
            await session.flush()
            holds.set()
            await may_end.wait()

    holder = asyncio.create_task(hold())
    await holds.wait()
    waiter = asyncio.create_task(store(database, an_organization()))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiter.done()
    may_end.set()
    await asyncio.gather(holder, waiter)
    await other.dispose()

    assert await count(database) == 2


@sqlite_only
async def test_waiting_for_another_process_ends_with_an_error(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.core.session.WAIT_FOR_CONNECTION", 0.01)
    other = Database(database_url)
    async with other.transaction() as session:
        session.add(an_organization())
        await session.flush()
        with pytest.raises(OperationalError, match="database is locked"):
            await store(database, an_organization())
    await other.dispose()

    await store(database, an_organization())
    assert await count(database) == 2


async def test_ping_answers_when_the_records_can_be_read(database: Database) -> None:
    await database.ping()


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all/plixo.db", "postgresql://nobody@127.0.0.1:1/plixo"]
)
async def test_ping_raises_when_the_records_cannot_be_read(url: str) -> None:
    unreachable = Database(url)
    with pytest.raises((SQLAlchemyError, OSError)):
        await unreachable.ping()
    await unreachable.dispose()


async def test_a_new_database_of_sqlite_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "plixo.db"
    await upgrade_async(f"sqlite:///{file}")
    database = Database(f"sqlite:///{file}")
    await store(database, an_organization())
    modes = {part.name: stat.S_IMODE(part.stat().st_mode) for part in tmp_path.glob("plixo.db*")}
    await database.dispose()
    assert modes.keys() >= {"plixo.db", "plixo.db-wal"}
    assert set(modes.values()) == {0o600}
