"""What the process does at a time, against the connections that it has for it."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.worker import PollerBehaviorAutoscaling
from temporalio.workflow import _Definition

from db.core.session import POOL_SIZE
from worker import queues

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


@pytest.mark.parametrize("workflow", [one for kept in queues.WORKFLOWS.values() for one in kept])
def test_no_workflow_says_by_itself_what_becomes_of_it_with_a_release(workflow: type) -> None:
    """Of a worker without a release a server refuses that, and nothing would ever begin."""
    assert not _Definition.must_from_class(workflow).versioning_behavior


def test_what_goes_on_by_the_current_release_is_a_workflow_that_there_is() -> None:
    names = {_Definition.must_from_class(one).name for kept in queues.WORKFLOWS.values() for one in kept}
    assert names >= queues.UPGRADED
