"""How long the pages of the console take on the server, with the books of a busy organization behind them."""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from httpx import ASGITransport, AsyncClient
from temporalio.client import Client

from api.app import create_app
from api.sign_in.sessions import COOKIE
from billing.core.keys import UNPEPPERED
from billing.core.operations import Role
from billing.policy.policy import policy_from_toml
from db.core.clock import utc_now
from db.core.session import Database
from db.migrate import upgrade_async
from db.sign_in import sessions
from db.success_checks.queries import CHECKS
from settings.settings import DEFAULT_POLICY

from .books import Books, fill
from .options import Options
from .reports import Report, Target, figure, milliseconds
from .stage.databases import postgres_server
from .stage.in_process import counted

TURNS_A_ROUND = 7
NOWHERE = "127.0.0.1:9"
"""No page asks Temporal."""
MOST_MS, MOST_QUERIES, MOST_KB = 100, 12, 300


class PageTime(NamedTuple):
    """Of one page: the median time of its answer, and of our own process's CPU time in it, with how many
    statements, of how many bytes."""

    path: str
    seconds: float
    cpu_seconds: float
    queries: int
    size: int


def run(options: Options) -> Report:
    """Every page, several times, to a controller; the first time is not counted."""
    with _database(options) as url:
        return asyncio.run(_measure(url, options))


@contextmanager
def _database(options: Options) -> Iterator[str]:
    if options.postgres:
        with postgres_server() as server:
            yield server.url
    else:
        with tempfile.TemporaryDirectory(prefix="plixo-bench-pages-") as folder:
            yield f"sqlite:///{Path(folder) / 'books.db'}"


async def _measure(url: str, options: Options) -> Report:
    await upgrade_async(url)
    policy, now = policy_from_toml(DEFAULT_POLICY.read_text(encoding="utf-8")), utc_now()
    database = Database(url)
    try:
        books = await fill(database, policy, options.invoices, options.operations, now)
        await _analyze(database)
        app = create_app(policy, database, await Client.connect(NOWHERE, lazy=True))
        async with AsyncClient(
            transport=ASGITransport(app), base_url="https://plixo.bench", timeout=120
        ) as http:
            async with database.transaction() as session:
                seen = await sessions.begin(
                    session,
                    UNPEPPERED,
                    books.people[Role.CONTROLLER],
                    how="operator",
                    address="192.0.2.1",
                    user_agent=None,
                    at=now,
                    expires_at=now + timedelta(days=1),
                )
            http.cookies.set(COOKIE, seen.secret, domain="plixo.bench", path="/")
            turns = options.rounds * TURNS_A_ROUND
            times = [await _time(http, path, turns) for path in paths(books)]
    finally:
        await database.dispose()
    return _report(options, times)


async def _analyze(database: Database) -> None:
    """As autovacuum and `PRAGMA optimize` do sooner or later."""
    async with database.transaction() as session:
        await (await session.connection()).exec_driver_sql("ANALYZE")


def paths(books: Books) -> list[str]:
    """Those of the pages that are measured, by what they are to whom looks at them."""
    lists = ("", "invoices", "customers", "approvals", "operations", "finance", "incidents", "delegations")
    more = (
        *("plans/invoices", "finance/cases", f"finance/months/{_this_month()}"),
        *("reminder-runs", "reconciliations", "portal-troubles"),
        *(f"success-checks/{check}" for check in CHECKS),
        "success-checks/plan_changes_flagged/rows",
        *("admin/policy", "admin/people", "admin/keys", "admin/sessions", "search?q=customer+0012"),
    )
    tabs = ("payments", "refunds", "credit-notes", "balance", "activity", "links", "mails")
    return [
        *(f"/console/{one}" for one in (*lists, *more)),
        "/console/plans",
        "/console/invoices?status=overdue&sort=-amount_remaining",
        "/console/invoices?q=customer+0012",
        "/console/invoices?q=BOOK-0431",
        "/console/invoices?q=1%2C234.00",
        "/console/customers?q=sons&sort=name",
        "/console/operations?q=customer+0012",
        f"/console/invoices/{books.invoice}",
        f"/console/invoices/{books.paid}",
        f"/console/invoices/{books.invoice}/access",
        f"/console/customers/{books.customer}",
        *(f"/console/customers/{books.customer}?show={tab}" for tab in tabs),
        f"/console/operations/{books.operation}",
        f"/console/approvals/{books.approval}",
        f"/console/refunds/new?payment_intent={books.payment}",
        f"/console/refunds/new?customer={books.customer}",
        f"/console/credits/new?invoice={books.invoice}",
    ]


def _this_month() -> str:
    return f"{utc_now():%Y-%m}"


async def _time(http: AsyncClient, path: str, turns: int) -> PageTime:
    """Raises RuntimeError for any answer but 200."""
    taken: list[float] = []
    worked: list[float] = []
    with counted() as statements:
        answer = await http.get(path)
    for _ in range(turns):
        began, worked_before = time.perf_counter(), time.process_time()
        answer = await http.get(path)
        taken.append(time.perf_counter() - began)
        worked.append(time.process_time() - worked_before)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} was answered with {answer.status_code}: {answer.text[:500]}")
    median, cpu = statistics.median(taken), statistics.median(worked)
    return PageTime(path, median, cpu, statements.sql.total(), len(answer.content))


def _report(options: Options, times: list[PageTime]) -> Report:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    slowest, busiest = max(one.seconds for one in times), max(one.queries for one in times)
    largest = max(one.size for one in times) / 1000
    return Report(
        name="pages",
        title=f"pages of the console (records on {'PostgreSQL' if options.postgres else 'SQLite'})",
        columns=("page", "median", "CPU", "queries", "size"),
        rows=[
            (
                one.path,
                milliseconds(one.seconds),
                milliseconds(one.cpu_seconds),
                str(one.queries),
                f"{figure(one.size / 1000)} KB",
            )
            for one in times
        ],
        targets=[
            _at_most("the slowest page's median", slowest * 1000, MOST_MS, "ms"),
            _at_most("queries of the busiest page", busiest, MOST_QUERIES),
            _at_most("the largest page", largest, MOST_KB, "KB"),
        ],
        notes=[
            f"{options.invoices:,} invoices and {options.operations:,} operations of one organization; "
            f"{options.rounds * TURNS_A_ROUND} looks at each page, within one process, without the network.",
            f"Load of the machine over the last 1, 5 and 15 minutes: {load}.",
        ],
        facts={"pages": [one._asdict() for one in times]},
    )


def _at_most(what: str, measured: float, wanted: float, unit: str = "") -> Target:
    return Target(what=what, measured=measured, sense="≤", wanted=wanted, unit=unit)
