"""Brings a database to the newest revision, or makes it in an empty one."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, text

from .session import async_url, postgres_engine, sqlite_engine

MIGRATIONS = Path(__file__).parent / "migrations"

_LOCK = 7_065_719_642
"""Any number, as long as nothing else locks it in the same PostgreSQL database."""


def upgrade(url: str | URL) -> None:
    """Apply every revision that the database lacks, all or none; several processes may do so at once.

    Not for a running event loop: there, `await upgrade_async(url)`.
    """
    asyncio.run(upgrade_async(url))


async def upgrade_async(url: str | URL) -> None:
    """Like `upgrade`, from within an event loop."""
    target = async_url(url)
    sqlite = target.get_backend_name() == "sqlite"
    if sqlite:
        # BEGIN IMMEDIATE lets one process in after the other. Foreign keys are off, as SQLite wants it
        # for altering a table by copying it.
        engine = sqlite_engine(target, size=1, foreign_keys=False)
    else:
        engine = postgres_engine(target)
    try:
        async with engine.begin() as connection:
            if not sqlite:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(_to_head)
    finally:
        await engine.dispose()


def config(connection: Connection) -> Config:
    """Alembic's configuration for the migrations in this package, on an open connection."""
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.attributes["connection"] = connection
    return settings


def _to_head(connection: Connection) -> None:
    command.upgrade(config(connection), "head")
