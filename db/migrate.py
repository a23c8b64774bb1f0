"""Brings a database to the newest revision, or makes it in an empty one."""

import asyncio
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, inspect, text

from .core import grants
from .core.session import Database, async_url, postgres_engine, sqlite_engine

COMMAND = "python -m db upgrade"
MIGRATIONS = Path(__file__).parent / "migrations"

_LOCK = 7_065_719_642
"""Any number, as long as nothing else locks it in the same PostgreSQL database."""


def upgrade(url: str | URL, app_role: str | None = None) -> None:
    """Apply every revision that the database lacks, all or none; several processes may do so at once.

    On PostgreSQL the role `app_role` gets the rights that the application needs, and no others. Raises
    NewerDatabase and UnknownRole.

    Not for a running event loop: there, `await upgrade_async(url)`.
    """
    asyncio.run(upgrade_async(url, app_role))


async def upgrade_async(url: str | URL, app_role: str | None = None) -> None:
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
            if app_role is not None and not sqlite:
                await connection.run_sync(grants.grant, app_role)
    finally:
        await engine.dispose()


class NewerDatabase(Exception):
    """The database was made by a newer release than this."""


class TriggersLost(Exception):
    """A revision would have left a table without a trigger that it had."""


async def complaint(database: Database) -> str | None:
    """Why this release can't work on the database as it is, with the fix; None when it can.

    Raises what `db.core.session.AWAY` lists when the database can't be reached.
    """
    revision = await database.read(_revision)
    if revision == known_revisions()[0]:
        return None
    if revision is not None and revision not in known_revisions():
        return _newer(revision)
    there = "has no tables yet" if revision is None else f"is at revision {revision}"
    return f"The database {there}, and this release needs {known_revisions()[0]}: run `{COMMAND}`."


def _newer(revision: str) -> str:
    return (
        f"The database is at revision {revision}, which a newer release has made; this one knows "
        f"{known_revisions()[0]} at most. Start the newer release, whose `{COMMAND}` keeps it up to date."
    )


@cache
def known_revisions() -> tuple[str, ...]:
    """Every revision that this release knows, the newest first. Loads them all at the first call."""
    scripts = ScriptDirectory(str(MIGRATIONS).replace("%", "%%"))
    return tuple(script.revision for script in scripts.walk_revisions())


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def config(connection: Connection) -> Config:
    """Alembic's configuration for the migrations in this package, on an open connection."""
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.attributes["connection"] = connection
    return settings


def _to_head(connection: Connection) -> None:
    revision = _revision(connection)
    if revision is not None and revision not in known_revisions():
        raise NewerDatabase(_newer(revision))
    before = _triggers(connection)
    command.upgrade(config(connection), "head")
    after, tables = _triggers(connection), set(inspect(connection).get_table_names())
    if gone := sorted(one for one, table in before.items() if one not in after and table in tables):
        raise TriggersLost(
            f"A revision has dropped {', '.join(gone)}: on SQLite an altered table is a copy without its "
            "triggers. Nothing was changed; the revision has to make them again."
        )


def _triggers(connection: Connection) -> dict[str, str]:
    """What keeps history as it was, and tells of what is due: each with its table."""
    if connection.dialect.name == "sqlite":
        known = text("SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'")
    else:
        known = text("SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal")
    return dict(connection.execute(known).tuples().all())
