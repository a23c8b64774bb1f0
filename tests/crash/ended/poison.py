"""Workflows of which each task fails, as by a fault in a release, for as long as a test says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner

from worker import queues


class Poison:
    """What begins with one of the ids raises at each task; everything else is as it was."""

    def __init__(self) -> None:
        self._poisoned: set[str] = set()

    def give(self, workflow: str) -> None:
        """To the workflow with the id, and to those whose ids begin with it."""
        self._poisoned.add(workflow)

    def lift(self, workflow: str) -> None:
        self._poisoned.discard(workflow)

    def taste(self, workflow: str) -> None:
        if any(workflow.startswith(one) for one in self._poisoned):
            raise RuntimeError("a fault in the release")


class _Instance(WorkflowInstance):
    def __init__(self, instance: WorkflowInstance, poison: Poison) -> None:
        self._instance, self._poison = instance, poison

    def activate(self, act: Any) -> Any:
        if not any(job.HasField("remove_from_cache") for job in act.jobs):
            self._poison.taste(self._instance.get_info().workflow_id)
        return self._instance.activate(act)

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._instance.get_external_store_context(command_info)

    def get_info(self) -> Any:
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        return self._instance.get_thread_id()


class _Runner(WorkflowRunner):
    def __init__(self, runner: WorkflowRunner, poison: Poison) -> None:
        self._runner, self._poison = runner, poison

    def prepare_workflow(self, defn: Any) -> None:
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _Instance(self._runner.create_instance(det), self._poison)

    def set_worker_level_failure_exception_types(self, types: Any) -> None:
        self._runner.set_worker_level_failure_exception_types(types)


@contextmanager
def poisonable() -> Iterator[Poison]:
    """Workers that are built within run workflows as in production, until these are poisoned."""
    poison, runner = Poison(), queues.RUNNER
    vars(queues)["RUNNER"] = _Runner(runner, poison)
    try:
        yield poison
    finally:
        vars(queues)["RUNNER"] = runner
