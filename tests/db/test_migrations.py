"""Migrations: they make exactly the tables of the code, once, whoever else does so at the same time."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from db.approvals import approvals
from db.core.session import Database, sqlite_engine
from db.migrate import config, upgrade, upgrade_async
from db.operations import notices

from ..support.builders import a_decision, a_notice, an_approval, an_operation, store, tenant
from ..support.databases import PostgresDatabases, SqliteDatabases

NEWEST = "0015"
NOTICE_COLUMNS = (
    "organization_id, operation_id, kind, subject, state, deadline, workflow_id, created_at, "
    "acknowledged_at, acknowledged_by"
)
APPROVAL_COLUMNS = (
    "id, organization_id, operation_id, kind, round, subject, subject_hash, amount_minor, currency, state, "
    "rung, ladder, deadline, requested_by, workflow_id, opened_at, closed_at, decided_by"
)
"""As the first release has them."""


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


async def test_downgrading_leaves_nothing_behind_and_can_be_undone(empty_url: str) -> None:
    await upgrade_async(empty_url)
    database = Database(empty_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(config(sync), "base"))
    assert await table_names(database) == {"alembic_version"}
    await database.dispose()

    await upgrade_async(empty_url)
    again = Database(empty_url)
    assert await table_names(again) == {*SQLModel.metadata.tables, "alembic_version"}
    await again.dispose()


async def migrate(database: Database, revision: str) -> None:
    """To a revision, up or down, as `db.migrate` goes to the newest: SQLite alters by copying."""
    engine = (
        sqlite_engine(database.url, size=1, foreign_keys=False) if database.is_sqlite else database.engine
    )
    go = command.downgrade if revision < NEWEST else command.upgrade
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: go(config(sync), revision))
    await engine.dispose()


async def execute(database: Database, statement: str) -> None:
    async with database.transaction() as session:
        await (await session.connection()).execute(text(statement))


async def test_what_is_recorded_survives_the_way_back_and_up_again(database: Database) -> None:
    acme = await tenant(database)
    operation = an_operation(acme)
    approval = an_approval(operation, reason="refund", signatures=[{"person": "per_1"}])
    notice = a_notice(operation)
    await store(database, operation, approval, a_decision(approval, acme.controller.person), notice)
    await store(database, a_notice(operation, id=f"{notice.id}-2"))

    await migrate(database, "0001")
    again = f"INSERT INTO notices (id, {NOTICE_COLUMNS}) SELECT 'ntc_other', {NOTICE_COLUMNS} FROM notices"
    with pytest.raises(IntegrityError):  # one of a kind, as it was
        await execute(database, again)
    await migrate(database, NEWEST)
    await execute(database, again)

    async with database.reading() as session:
        kept = await approvals.get_any(session, approval.id)
        decided = await approvals.decisions(session, approval.id)
        told = await notices.page(session, acme.id)
    assert kept.model_dump() == approval.model_dump() | {"reason": None, "signatures": [], "authors": []}
    assert [(row.person_id, row.for_person) for row in decided] == [(acme.controller.id, None)]
    assert [row.id for row in told.rows] == ["ntc_other", notice.id]


async def test_a_process_of_the_release_before_can_still_open_an_approval(database: Database) -> None:
    operation = an_operation(await tenant(database))
    approval = an_approval(operation)
    await store(database, operation, approval)

    await execute(
        database,
        f"INSERT INTO approvals ({APPROVAL_COLUMNS}) SELECT 'apr_old', {APPROVAL_COLUMNS[4:]} FROM approvals",
    )

    async with database.reading() as session:
        old = await approvals.get_any(session, "apr_old")
    assert (old.counted, old.signatures, old.authority) == ([], [], None)
