"""What the worker registers: activities are named by verb and noun, as Temporal's pages show them."""

import pkgutil
from importlib import import_module
from inspect import getmembers, isclass, isfunction
from typing import Any

import activities

VERBS = """
abandon acknowledge add assign begin cancel catch check clear climb close commit count decide deliver end
escalate fetch find follow hold look mail mirror open perform post probe read record release remind resume
review save send settle
"""
"""What only reads begins with `read`, `check`, `look` or `find`: a retried `refund` looks like money."""


def activity_types() -> dict[str, str]:
    """The types of all activities, each with its method."""
    found: dict[str, str] = {}
    for module in pkgutil.walk_packages(activities.__path__, "activities."):
        for _, class_ in getmembers(import_module(module.name), isclass):
            if class_.__module__ != module.name:
                continue
            for method, function in getmembers(class_, isfunction):
                definition: Any = getattr(function, "__temporal_activity_definition", None)
                if definition is not None:
                    assert definition.name not in found, f"two activities are called {definition.name}"
                    found[definition.name] = method
    return found


def test_every_activity_is_named_by_a_verb_and_a_noun_as_its_method_is() -> None:
    types, verbs = activity_types(), set(VERBS.split())
    assert len(types) > 80
    assert {name for name, method in types.items() if name != method} == set()
    assert [name for name in types if "_" not in name or name.split("_")[0] not in verbs] == []
    assert verbs - {name.split("_")[0] for name in types} == set(), "no activity begins with these"
