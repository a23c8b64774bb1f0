"""Writes that wait for their transaction's last statement: on PostgreSQL each is a round trip less.

They are sent with the events that tell of them (`timeline.write`), or before whatever else the session is
asked: no statement of the session misses what was written before it.
"""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, cast

from sqlalchemy import Executable, Table, bindparam, event, inspect, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import ORMExecuteState, Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.dml import Insert, Update
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

READS = "reads_tables"
"""What else is pending waits on."""

_PENDING = "pending_writes"

_IS = "is_"
"""What the names of parameters begin with that say which rows are changed."""


def reads(*models: type[SQLModel]) -> dict[str, Any]:
    """The execution options of a statement that reads these tables and no others."""
    return {READS: frozenset(_table(model).name for model in models)}


Build = Callable[[int], Insert | Update]
"""Makes the statement, with this number in the names of its parameters; the same again for the same place."""


class Write(NamedTuple):
    """A statement on one row, and its parameters by name."""

    table: str
    row: tuple[Any, ...]
    """Its primary key."""
    build: Build
    values: Mapping[str, Any]

    def given(self, number: int) -> dict[str, Any]:
        return {f"{name}_w{number}": value for name, value in self.values.items()}


async def store_later(session: AsyncSession, row: SQLModel) -> None:
    """Have a row stored by the end of the transaction: one of which it is known that it is new, or what was
    changed of one that the session has. To the session it is stored from now on."""
    state: Any = inspect(row)
    table = _table(type(row))
    if state.transient:
        await _insert_later(session, type(row), row.model_dump(), strictly=True)
        make_transient_to_detached(row)
        session.add(row)
        return
    changed = {c.key for c in table.c if state.attrs[c.key].history.has_changes()}
    if changed:
        values = {name: getattr(row, name) for name in changed}
        for name in changed:
            set_committed_value(row, name, values[name])
        await update_later(
            session, type(row), {c.key: getattr(row, c.key) for c in table.primary_key}, **values
        )


async def insert_if_new_later(session: AsyncSession, model: type[SQLModel], *rows: Mapping[str, Any]) -> None:
    """Have rows stored, given by their columns, but for those that a unique constraint has already. Nothing
    becomes an object of the session."""
    for row in rows:
        await _insert_later(session, model, row, strictly=False)


async def _insert_later(
    session: AsyncSession, model: type[SQLModel], row: Mapping[str, Any], *, strictly: bool
) -> None:
    write = Write(_table(model).name, _key(model, row), _insert(model, strictly=strictly), row)
    await _write_later(session, write)


async def update_later(
    session: AsyncSession, model: type[SQLModel], which: Mapping[str, Any], **values: Any
) -> None:
    """Have the row changed of which this is so, its primary key among it; no object of the session is."""
    conditions = {f"{_IS}{name}": value for name, value in which.items()}
    table, row = _table(model).name, _key(model, which)
    waiting: list[Write] = session.info.get(_PENDING, [])
    for earlier in [one for one in waiting if (one.table, one.row) == (table, row)]:
        if conditions == {name: one for name, one in earlier.values.items() if name.startswith(_IS)}:
            waiting.remove(earlier)  # it is changed once, into what it is in the end
            values = {name: one for name, one in earlier.values.items() if name not in conditions} | values
    build = _update(model, tuple(sorted(values)), tuple(sorted(which)))
    await _write_later(session, Write(table, row, build, values | conditions))


def _key(model: type[SQLModel], values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(values[c.key] for c in _table(model).primary_key)


async def _write_later(session: AsyncSession, write: Write) -> None:
    """SQLite, where nothing is a round trip, does it at once."""
    if _is_unflushed(session.sync_session):
        await session.flush()
    if session.get_bind().dialect.name == "sqlite":
        statement = write.build(SQLITE)
        await (await session.connection()).execute(statement, write.given(SQLITE))
        return
    waiting: list[Write] = session.info.get(_PENDING, [])
    if any((other.table, other.row) == (write.table, write.row) for other in waiting):
        await send_pending(session)  # of those that are sent together none sees what another does
    session.info.setdefault(_PENDING, []).append(write)


def put_back(session: AsyncSession, writes: Collection[Write]) -> None:
    """Nothing was done of these after all."""
    session.info.setdefault(_PENDING, []).extend(writes)


def taken(session: AsyncSession | Session) -> list[Write]:
    """What waits, for the caller to send."""
    waiting: list[Write] = session.info.pop(_PENDING, [])
    return waiting


def parameters(writes: Collection[Write]) -> dict[str, Any]:
    """Of all of them, in their places."""
    given: dict[str, Any] = {}
    for number, write in enumerate(writes):
        given |= write.given(number)
    return given


def is_taken(error: IntegrityError, model: type[SQLModel] | None = None) -> bool:
    """Whether another transaction has stored a row of this table (None: of any) first that one of ours can't
    be beside."""
    unique_violation = getattr(error.orig, "sqlstate", None) == "23505"
    return unique_violation and (model is None or f'"{_table(model).name}_' in str(error.orig))


@lru_cache(maxsize=500)
def together(*builds: Build) -> Executable:
    """All of them as one statement."""
    if len(builds) == 1:
        return builds[0](0)
    return select(literal(1)).add_cte(*ctes(*builds))


def ctes(*builds: Build) -> list[Any]:
    return [build(number).cte(f"write_{number}") for number, build in enumerate(builds)]


SQLITE = -1
"""Stands for a place where SQLite's own INSERT is meant."""


def _table(model: type[SQLModel]) -> Table:
    return cast(Table, inspect(model).local_table)


@lru_cache(maxsize=500)
def _insert(model: type[SQLModel], *, strictly: bool) -> Build:
    table = _table(model)

    @lru_cache(maxsize=50)
    def build(number: int) -> Insert:
        given = {c.key: bindparam(f"{c.key}_w{number}", type_=c.type) for c in table.c}
        insert = sqlite.insert(table) if number == SQLITE else postgresql.insert(table)
        return insert.values(given) if strictly else insert.values(given).on_conflict_do_nothing()

    return build


@lru_cache(maxsize=500)
def _update(model: type[SQLModel], names: tuple[str, ...], conditions: tuple[str, ...]) -> Build:
    table = _table(model)

    @lru_cache(maxsize=50)
    def build(number: int) -> Update:
        def given(name: str, prefix: str = "") -> Any:
            return bindparam(f"{prefix}{name}_w{number}", type_=table.c[name].type)

        are = (table.c[name] == given(name, _IS) for name in conditions)
        return update(table).where(*are).values({name: given(name) for name in names})

    return build


async def send_pending(session: AsyncSession) -> None:
    """Before a statement that does not go through the session."""
    if session.info.get(_PENDING):
        await session.run_sync(_send)


def _send(session: Session) -> None:
    if writes := taken(session):
        session.connection().execute(together(*(write.build for write in writes)), parameters(writes))


@event.listens_for(Session, "do_orm_execute")
def _before_statement(state: ORMExecuteState) -> None:
    reads = state.execution_options.get(READS)
    waiting: list[Write] = state.session.info.get(_PENDING, [])
    if reads is None or any(write.table in reads for write in waiting):
        _send(state.session)


@event.listens_for(Session, "before_flush")
def _before_flush(session: Session, *_: object) -> None:
    if _is_unflushed(session):
        _send(session)


def _is_unflushed(session: Session) -> bool:
    """Whether the session's objects have anything to write; of what is stored later they have not."""
    return bool(session.new or session.deleted) or any(map(session.is_modified, session.dirty))
