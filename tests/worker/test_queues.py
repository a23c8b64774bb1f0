"""What is started for nobody in particular has a queue of its own."""

from collections.abc import Iterable

from worker.queues import BACKGROUND, WORKFLOWS
from workflows import options


def names(workflows: Iterable[type]) -> set[str]:
    return {workflow.__temporal_workflow_definition.name for workflow in workflows}  # type: ignore[attr-defined]


def test_the_background_serves_all_that_is_started_for_nobody_in_particular() -> None:
    assert names(BACKGROUND) == set(options.STARTED)


def test_what_was_started_before_there_was_a_background_is_still_served() -> None:
    assert names(BACKGROUND) <= names(WORKFLOWS)
