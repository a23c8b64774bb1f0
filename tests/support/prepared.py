"""Workers that load a workflow into the sandbox once a process to see that it may run there.

Each worker of Temporal's does so with each of its workflows: a tenth of a second a house.
"""

from typing import Any

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import _Definition

from worker import queues

_prepared: set[type] = set()


class _PreparedOnce(SandboxedWorkflowRunner):
    def prepare_workflow(self, defn: Any) -> None:
        if defn.cls not in _prepared:
            super().prepare_workflow(defn)
            _prepared.add(defn.cls)


def prepare_once() -> None:
    """Workers that are built from now on, by whomever, prepare no workflow a second time."""
    vars(queues)["RUNNER"] = _PreparedOnce(queues.RUNNER.restrictions)


async def prepare_all() -> None:
    """Prepares every workflow of every queue: needs a running loop."""
    for workflows in queues.WORKFLOWS.values():
        for one in workflows:
            queues.RUNNER.prepare_workflow(_Definition.must_from_class(one))
