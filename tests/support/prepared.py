"""What each house and each database would prepare for itself again, and a process of tests needs only once.

Workers load each of their workflows into the sandbox to see that it may run there: a tenth of a second a
house. Engines compile each statement: four tenths of what a test takes that asks the API for two things.
Each request to Stripe looks four times through all folders of `sys.path` for a library that isn't there.
"""

import sys
from functools import partial
from importlib.util import find_spec
from typing import Any

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.util import LRUCache
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import _Definition

from db.core import session
from worker import queues

STATEMENTS = 4000
"""That are kept: more than the tests of a process ask for."""

_prepared: set[type] = set()


class _PreparedOnce(SandboxedWorkflowRunner):
    def prepare_workflow(self, defn: Any) -> None:
        if defn.cls not in _prepared:
            super().prepare_workflow(defn)
            _prepared.add(defn.cls)


def prepare_once() -> None:
    """Workers and engines that are built from now on, by whomever, prepare nothing a second time."""
    vars(queues)["RUNNER"] = _PreparedOnce(queues.RUNNER.restrictions)
    # What is compiled is kept by dialect, of which each engine has its own; all of a kind compile alike.
    for dialect in (SQLiteDialect_aiosqlite, PGDialect_asyncpg):
        setattr(dialect, "__eq__", lambda one, other: type(one) is type(other))  # noqa: B010
        setattr(dialect, "__hash__", lambda one: hash(type(one)))  # noqa: B010
    compiled = {"compiled_cache": LRUCache(STATEMENTS)}
    vars(session)["create_async_engine"] = partial(session.create_async_engine, execution_options=compiled)
    if find_spec("sniffio") is None:
        vars(sys)["modules"]["sniffio"] = None  # httpcore asks for it, and goes on without


async def prepare_all() -> None:
    """Prepares every workflow of every queue: needs a running loop."""
    for workflows in queues.WORKFLOWS.values():
        for one in workflows:
            queues.RUNNER.prepare_workflow(_Definition.must_from_class(one))
