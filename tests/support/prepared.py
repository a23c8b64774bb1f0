"""What each house and each database would prepare for itself again, and a process of tests needs only once.

Workers load each of their workflows into the sandbox to see that it may run there, and each run loads its
modules again: a tenth of a second a house, and a tenth of what a run takes. Engines compile each statement:
four tenths of what a test takes that asks the API for two things.
"""

from functools import cache, partial
from typing import Any

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.util import LRUCache
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions, _runner
from temporalio.worker.workflow_sandbox._importer import Importer
from temporalio.worker.workflow_sandbox._restrictions import RestrictionContext

from db.core import session
from worker import queues

STATEMENTS = 4000
"""That are kept: more than the tests of a process ask for."""

RESTRICTIONS = SandboxRestrictions.default.with_passthrough_modules(
    # Pure, and slow to load: `holidays` reads the clock while it is imported, which the sandbox forbids.
    "activities", "billing", "pydantic", "holidays", "babel", "dateutil", "zoneinfo", "tzdata",
    "opentelemetry",
    # Constants: loaded once, not for every workflow.
    "workflows.core.ids", "workflows.core.options",
)  # fmt: skip
"""What a workflow may not do: look at a clock, leave something to chance."""

_prepared: set[type] = set()


class _Loaded(RestrictionContext):
    """Of modules that are loaded: from now on whatever is forbidden to a running workflow is."""

    is_runtime = property(lambda _: True, lambda *_: None)  # type: ignore[assignment]


class _PreparedOnce(SandboxedWorkflowRunner):
    def prepare_workflow(self, defn: Any) -> None:
        if defn.cls not in _prepared:
            super().prepare_workflow(defn)
            _prepared.add(defn.cls)

    def create_instance(self, det: Any) -> Any:
        made: Any = super().create_instance(det)
        made.importer.restriction_context.__class__ = _Loaded
        made.get_serialization_context = lambda _: (
            None
        )  # no converter asks for one that is tested in the sandbox
        return made


@cache
def _importer(module: str) -> Importer:
    return Importer(RESTRICTIONS, RestrictionContext(), workflow_module_name=module)


def sandbox_once() -> None:
    """Workers that are built from now on, by whomever, run their workflows in the sandbox, and load each of
    them only once."""
    vars(queues)["RUNNER"] = _PreparedOnce(RESTRICTIONS)
    # Runs of one workflow share its modules, and what they are forbidden.
    vars(_runner)["Importer"] = lambda _, __, workflow_module_name: _importer(workflow_module_name)


def compile_once() -> None:
    """Engines that are built from now on, by whomever, compile no statement a second time."""
    # What is compiled is kept by dialect, of which each engine has its own; all of a kind compile alike.
    for dialect in (SQLiteDialect_aiosqlite, PGDialect_asyncpg):
        setattr(dialect, "__eq__", lambda one, other: type(one) is type(other))  # noqa: B010
        setattr(dialect, "__hash__", lambda one: hash(type(one)))  # noqa: B010
    compiled = {"compiled_cache": LRUCache(STATEMENTS)}
    vars(session)["create_async_engine"] = partial(session.create_async_engine, execution_options=compiled)
