"""Migrations: they make exactly the tables of the code, once, whoever else does so at the same time."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect
from sqlmodel import SQLModel

from db.core.session import Database
from db.migrate import complaint, config, upgrade, upgrade_async

from ..support.builders import tenant
from ..support.databases import PostgresDatabases, SqliteDatabases


@pytest.fixture
async def empty_url(databases: SqliteDatabases | PostgresDatabases) -> AsyncIterator[str]:
    async with databases.empty() as url:
        yield url


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


async def test_downgrading_is_refused_and_changes_nothing(database: Database) -> None:
    acme = await tenant(database)

    with pytest.raises(NotImplementedError, match="restore a backup"):
        async with database.engine.begin() as connection:
            await connection.run_sync(lambda sync: command.downgrade(config(sync), "base"))

    assert await table_names(database) == {*SQLModel.metadata.tables, "alembic_version"}
    assert await complaint(database) is None
    async with database.reading() as session:
        assert await session.get(type(acme.organization), acme.id) is not None
