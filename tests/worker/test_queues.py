"""What the process does at a time, against the connections that it has for it."""

from dataclasses import fields
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.common import VersioningBehavior
from temporalio.worker import PollerBehaviorAutoscaling, WorkflowInstanceDetails
from temporalio.workflow import _Definition

from db.core.session import POOL_SIZE
from worker import queues
from workflows.plan_changes.workflow import PlanChangeWorkflow

from ..support.house import default_policy

Options = dict[str, Any]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """The options of every worker of the process."""
    options: list[Options] = []
    monkeypatch.setattr(queues, "Worker", lambda _, **given: options.append(given))
    activities = SimpleNamespace(main=(), events=(), mails=(), stripe=())
    queues.build_workers(cast(Any, None), cast(queues.Activities, activities), default_policy())
    return options


def test_no_more_transactions_of_workflows_run_at_a_time_than_there_are_connections(
    built: list[Options],
) -> None:
    hosting = [one for one in built if "workflows" in one]
    assert sum(one["max_concurrent_local_activities"] for one in hosting) <= POOL_SIZE


def test_every_worker_asks_for_as_much_as_the_server_says_that_there_is(built: list[Options]) -> None:
    for one in built:
        behaviors = [one["activity_task_poller_behavior"]]
        if "workflows" in one:
            behaviors.append(one["workflow_task_poller_behavior"])
        assert all(isinstance(behavior, PollerBehaviorAutoscaling) for behavior in behaviors)
        assert "max_concurrent_workflow_task_polls" not in one


def test_without_a_release_no_workflow_says_what_becomes_of_its_release(
    built: list[Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server refuses what one says, and its workflow would never begin."""
    begun: list[WorkflowInstanceDetails] = []
    monkeypatch.setattr(
        queues, "RUNNER", SimpleNamespace(create_instance=begun.append, prepare_workflow=lambda _: None)
    )
    activities = SimpleNamespace(main=(), events=(), mails=(), stripe=())
    queues.build_workers(cast(Any, None), cast(queues.Activities, activities), default_policy())
    defined = _Definition.must_from_class(PlanChangeWorkflow)
    assert defined.versioning_behavior is not VersioningBehavior.UNSPECIFIED

    given: dict[str, Any] = dict.fromkeys(field.name for field in fields(WorkflowInstanceDetails))
    for hosting in [one for one in built if "workflows" in one][-1:]:
        hosting["workflow_runner"].create_instance(WorkflowInstanceDetails(**given | {"defn": defined}))

    [details] = begun
    assert details.defn.versioning_behavior is VersioningBehavior.UNSPECIFIED
    assert details.defn.cls is PlanChangeWorkflow
