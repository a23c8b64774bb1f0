"""Every workflow and activity has a line of its own for whoever looks at it in Temporal."""

from importlib import import_module
from inspect import getmembers, isfunction
from pkgutil import walk_packages

import activities
from billing.core.operations import Kind
from worker.queues import WORKFLOWS
from workflows.client import summaries
from workflows.core import ids


def names() -> set[str]:
    """Of all activities that there are."""
    found = set()
    for module in walk_packages(activities.__path__, "activities."):
        for _, class_ in getmembers(import_module(module.name), lambda one: isinstance(one, type)):
            found |= {
                definition.name
                for _, method in getmembers(class_, isfunction)
                if (definition := getattr(method, "__temporal_activity_definition", None)) is not None
            }
    return found


def test_every_activity_and_no_other_has_a_line() -> None:
    assert names() == set(summaries.ACTIVITIES)


def test_every_workflow_that_is_no_operation_has_a_line() -> None:
    hosted = {one.__name__ for each in WORKFLOWS.values() for one in each}
    operations = {ids.OPERATION_WORKFLOWS[kind] for kind in Kind}
    assert hosted - operations == set(summaries.WORKFLOWS) - operations
