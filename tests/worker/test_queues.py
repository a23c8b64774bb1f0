"""What the process does at a time, against the connections that it has for it."""

from dataclasses import fields
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.worker import PollerBehaviorAutoscaling
from temporalio.workflow import _Definition

from db.core.session import POOL_SIZE
from settings.settings import QUEUES
from worker import queues
from workflows.core import ids

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


@pytest.mark.parametrize("served", [(ids.MAIN_QUEUE,), (ids.STRIPE_QUEUE,), QUEUES])
def test_a_process_serves_the_queues_that_it_is_told_and_no_other(
    monkeypatch: pytest.MonkeyPatch, served: tuple[str, ...]
) -> None:
    options: list[Options] = []
    monkeypatch.setattr(queues, "Worker", lambda _, **given: options.append(given))
    activities = SimpleNamespace(main=(), stripe=())
    queues.build_workers(
        cast(Any, None), cast(queues.Activities, activities), default_policy(), served=served
    )
    assert tuple(one["task_queue"] for one in options) == served


def test_sweeps_run_where_the_main_queue_is_served_and_each_process_watches_its_own_calls() -> None:
    names = {one.name for one in fields(queues.Activities)}
    activities = queues.Activities(**dict.fromkeys(names, cast(Any, None)) | {"watch": cast(Any, "watch")})
    loops = len(names - {"main", "stripe", "close"})
    assert len(activities.beside(QUEUES)) == len(activities.beside((ids.MAIN_QUEUE,))) == loops
    assert activities.beside((ids.STRIPE_QUEUE,)) == ("watch",)


def test_the_settings_know_every_queue() -> None:
    assert QUEUES == (ids.MAIN_QUEUE, ids.STRIPE_QUEUE)


@pytest.mark.parametrize("workflow", [one for kept in queues.WORKFLOWS.values() for one in kept])
def test_no_workflow_says_by_itself_what_becomes_of_it_with_a_release(workflow: type) -> None:
    """Of a worker without a release a server refuses that, and nothing would ever begin."""
    assert not _Definition.must_from_class(workflow).versioning_behavior


def test_what_goes_on_by_the_current_release_is_a_workflow_that_there_is() -> None:
    names = {_Definition.must_from_class(one).name for kept in queues.WORKFLOWS.values() for one in kept}
    assert names >= queues.UPGRADED
