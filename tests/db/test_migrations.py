"""Migrations: they make exactly the tables of the code, once, whoever else does so at the same time."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from billing.core.events import EventCode
from db import migrate
from db.core import timeline
from db.core.session import Database
from db.migrate import complaint, config, upgrade, upgrade_async

from ..support.builders import NOW, a_customer, an_operation, store, tenant
from ..support.databases import PostgresDatabases, SqliteDatabases


@pytest.fixture
async def empty_url(databases: SqliteDatabases | PostgresDatabases) -> AsyncIterator[str]:
    async with databases.empty() as url:
        yield url


@pytest.fixture
async def own_url(empty_url: str) -> str:
    """The URL of a migrated database that no other test gets: its tables may be changed."""
    await upgrade_async(empty_url)
    return empty_url


@pytest.fixture
async def own(own_url: str) -> AsyncIterator[Database]:
    opened = Database(own_url)
    yield opened
    await opened.dispose()


async def table_names(database: Database) -> set[str]:
    async with database.engine.connect() as connection:
        return await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))


async def test_the_migrated_schema_is_that_of_the_tables(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, SQLModel.metadata))

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_both_ways_of_making_the_schema_agree_on_every_constraint(
    database: Database, empty_url: str
) -> None:
    """`compare_metadata` looks at neither check constraints nor, on SQLite, the conditions of indexes."""

    def constraints(connection: Connection) -> dict[str, object]:
        look = inspect(connection)
        return {
            table: {
                "columns": [
                    (c["name"], str(c["type"]), c["nullable"], c["default"]) for c in look.get_columns(table)
                ],
                "primary key": look.get_pk_constraint(table)["constrained_columns"],
                "unique": sorted(u["column_names"] for u in look.get_unique_constraints(table)),
                "check": sorted((c["name"] or "", c["sqltext"]) for c in look.get_check_constraints(table)),
                "foreign keys": sorted(
                    (f["constrained_columns"], f["referred_table"]) for f in look.get_foreign_keys(table)
                ),
                "indexes": sorted(
                    (
                        str(i["name"]),
                        [str(c) for c in i["column_names"]],
                        bool(i["unique"]),
                        sorted((name, str(value)) for name, value in i.get("dialect_options", {}).items()),
                    )
                    for i in look.get_indexes(table)
                ),
            }
            for table in SQLModel.metadata.tables
        }

    direct = Database(empty_url)
    async with direct.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
        expected = await connection.run_sync(constraints)
    await direct.dispose()
    async with database.engine.connect() as connection:
        assert await connection.run_sync(constraints) == expected


async def test_upgrading_again_changes_nothing(database: Database, database_url: str) -> None:
    acme = await tenant(database)

    await upgrade_async(database_url)

    async with database.reading() as session:
        assert await session.get(type(acme.organization), acme.id) is not None


async def test_upgrading_from_several_processes_at_once_makes_the_tables_once(empty_url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "db", "upgrade"),
            env=os.environ | {"PLIXO_DATABASE_URL": empty_url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        for _ in range(3)
    ]
    outputs = [(await process.communicate())[0].decode() for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert outputs == ["the database is up to date\n"] * 3
    database = Database(empty_url)
    assert await table_names(database) == {*SQLModel.metadata.tables, "alembic_version"}
    await database.dispose()


async def test_upgrading_at_once_within_a_process_is_safe_too(empty_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(upgrade, empty_url) for _ in range(2)), upgrade_async(empty_url))

    database = Database(empty_url)
    assert await table_names(database) == {*SQLModel.metadata.tables, "alembic_version"}
    await database.dispose()


NEXT = '''
"""The next release's."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None


def upgrade() -> None:
    op.create_table("wishes", sa.Column("id", sa.Text(), primary_key=True))
    with op.batch_alter_table("customers") as customers:
        customers.add_column(sa.Column("nickname", sa.Text(), nullable=False, server_default="none"))
        customers.alter_column("folded", new_column_name="sought")
    {more}
'''
ALTERS_THE_TIMELINE = """
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("timeline", recreate="always") as timeline:
            timeline.add_column(sa.Column("weather", sa.Text()))
    else:
        op.execute("DROP TRIGGER timeline_append_only ON timeline")
"""


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Has this code be followed by a release with one more revision, which also does what is given."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, folder)

    def release(more: str) -> None:
        (folder / "versions" / "0002_next.py").write_text(NEXT.replace("{more}", more.strip()))
        monkeypatch.setattr(migrate, "MIGRATIONS", folder)
        migrate.known_revisions.cache_clear()

    yield release
    migrate.known_revisions.cache_clear()


async def _has(database: Database, statement: str) -> list[Any]:
    async with database.engine.connect() as connection:
        return list((await connection.execute(text(statement))).all())


async def test_a_database_of_the_first_release_with_what_it_holds_is_upgraded_by_the_next(
    own: Database, own_url: str, next_release: Callable[[str], None]
) -> None:
    acme = await tenant(own)
    operation, customer = an_operation(acme), a_customer(acme.id, name="Blue Bottle")
    await store(own, operation, customer)
    async with own.transaction() as session:
        await timeline.append(
            session, operation.id, key="a", event=EventCode.CHECKED, actor=acme.admin.id, at=NOW, detail={}
        )
    next_release("")
    refusal = await complaint(own)
    assert refusal is not None
    assert "is at revision 0001, and this release needs 0002" in refusal

    for _ in range(2):
        await upgrade_async(own_url)

    assert await complaint(own) is None
    assert "wishes" in await table_names(own)
    assert await _has(own, "SELECT name, nickname, sought FROM customers") == [
        ("Blue Bottle", "none", f"blue bottle {customer.email} {customer.id}".lower())
    ]
    async with own.reading() as session:
        assert [event.key for event in await timeline.read(session, operation.id)] == ["a"]
    with pytest.raises(DBAPIError, match="append-only"):
        async with own.engine.begin() as connection:
            await connection.execute(text("DELETE FROM timeline"))


async def test_a_revision_that_loses_what_keeps_history_is_undone(
    own: Database, own_url: str, next_release: Callable[[str], None]
) -> None:
    """SQLite alters by copying the table: the copy has none of its triggers."""
    next_release(ALTERS_THE_TIMELINE)

    with pytest.raises(migrate.TriggersLost, match="timeline_append_only"):
        await upgrade_async(own_url)

    assert await _has(own, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert "wishes" not in await table_names(own)


async def test_downgrading_is_refused_and_changes_nothing(database: Database) -> None:
    acme = await tenant(database)

    with pytest.raises(NotImplementedError, match="restore a backup"):
        async with database.engine.begin() as connection:
            await connection.run_sync(lambda sync: command.downgrade(config(sync), "base"))

    assert await table_names(database) == {*SQLModel.metadata.tables, "alembic_version"}
    assert await complaint(database) is None
    async with database.reading() as session:
        assert await session.get(type(acme.organization), acme.id) is not None
