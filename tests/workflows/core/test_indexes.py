"""What the product asks of PostgreSQL again and again finds its rows by an index, however many there are."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlmodel import SQLModel

from db.core.session import Database
from workflows.core import ids

from ...support import money
from ...support.builders import Tenant
from ...support.house import House

SMALL = {"setbacks", "plans", "add_ons", "stripe_budgets", "stripe_endpoints", "stripe_event_checks"}
"""Tables that stay so, whatever there is to do: read whole as soon as not."""

ALONG_AN_INDEX = {"Index Scan", "Index Only Scan"}

PARTIAL = {
    index.name
    for table in SQLModel.metadata.tables.values()
    for index in table.indexes
    if index.dialect_options["postgresql"]["where"] is not None
}
"""Of what is open, waits or is due: whoever reads all of it reads little."""

Asked = dict[str, Any]


@contextmanager
def asked() -> Iterator[tuple[Asked, Counter[str]]]:
    """Every statement with parameters as it was sent, and how often."""
    parameters: Asked = {}
    times: Counter[str] = Counter()

    def note(*given: Any) -> None:
        _, _, sql, sent, _, many = given
        if sql.startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            parameters[sql] = sent[0] if many else sent
            times[sql] += 1

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield parameters, times
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def read_whole(database: Database, statements: Asked) -> dict[str, set[str]]:
    """By statement, the tables that it could only read from end to end."""
    found = {}
    async with database.engine.connect() as connection:
        # In tables of a few rows reading them whole would cost less.
        await connection.execute(text("SET enable_seqscan = off"))
        for sql, parameters in statements.items():
            explained = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
            [plan] = explained.scalar_one()
            if tables := set(_whole(plan["Plan"])) - SMALL:
                found[sql] = tables
        await connection.execute(text("RESET enable_seqscan"))
    return found


def _whole(node: dict[str, Any], above: str = "") -> Iterator[str]:
    """Tables that a plan reads whole, or along an index from its beginning to its end."""
    scans = node["Node Type"]
    if above == "Limit" and scans in ALONG_AN_INDEX and "Filter" not in node:
        return  # the first or the last of all
    without_end = scans in ALONG_AN_INDEX and "Index Cond" not in node and node["Index Name"] not in PARTIAL
    if scans == "Seq Scan" or without_end:
        yield node["Relation Name"]
    for below in node.get("Plans", ()):
        yield from _whole(below, scans)


@pytest.mark.postgres
@pytest.mark.parametrize("databases", ["postgres"], indirect=True)
async def test_what_is_asked_for_an_operation_and_for_stripes_events_is_found_by_an_index(
    home: House,
) -> None:
    acme = await home.shop.tenant(home.database)
    with asked() as (parameters, times):
        async with home.told_by_stripe():
            await a_plan_change(home, acme)
            payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
            await home.followed()
            operation = await money.refund(home, acme, payment)
            await home.wait(acme, operation, "completed")
            await home.followed()
        await home.catch_up()
        await home.swept()
        await home.run(ids.REMINDER_SWEEP)
        assert home.watch is not None
        await home.watch.look()
        await home.watch.tend()
    assert len(times) > 50
    wanting = await read_whole(home.database, parameters)
    assert wanting == {}, [(times[sql], tables, sql) for sql, tables in wanting.items()]


async def a_plan_change(home: House, acme: Tenant) -> None:
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")
