"""The workflows that the worker hosts, by their names."""

from collections.abc import Mapping

from worker.queues import WORKFLOWS

NAMED: Mapping[str, type] = {
    workflow.__temporal_workflow_definition.name: workflow  # type: ignore[attr-defined]
    for hosted in WORKFLOWS.values()
    for workflow in hosted
}
