"""The SDK's type annotations, resolved at run time.

Names in them exist for type checkers only (forward references, imports under TYPE_CHECKING); they are
found in the class, its module, the SDK's classes by name. What can't be found becomes `Unknown`.
"""

from __future__ import annotations

import builtins
import sys
import types
from functools import cache
from importlib import import_module
from typing import Any, ForwardRef, Union, get_args, get_origin

import stripe
import typing_extensions as te
from stripe._object_classes import OBJECT_CLASSES, V2_OBJECT_CLASSES
from stripe.events._event_classes import _V2_EVENT_CLASS_LOOKUP


class Unknown:
    """Stands for a name that could not be resolved; accepts anything."""

    def __class_getitem__(cls, item: Any) -> type[Unknown]:
        return cls


@cache
def object_class(name: str) -> type | None:
    """The SDK's class of objects that say `"object": name`."""
    found = OBJECT_CLASSES.get(name) or V2_OBJECT_CLASSES.get(name)
    if found is None:
        return None
    value: type = getattr(import_module(found[0]), found[1])
    return value


@cache
def thin_event_class(name: str) -> type | None:
    """The SDK's class of thin events of a type."""
    found = _V2_EVENT_CLASS_LOOKUP.get(name)
    return getattr(import_module(found[0]), found[1]) if found else None


@cache
def _modules_by_class() -> dict[str, str]:
    return {name: module for module, name in reversed(list(OBJECT_CLASSES.values()))}


class _Names(dict[str, Any]):
    def __init__(self, owner: type) -> None:
        super().__init__()
        for base in reversed(owner.__mro__):
            self.update(vars(sys.modules[base.__module__]))
        for base in reversed(owner.__mro__):
            self.update({k: v for k, v in vars(base).items() if isinstance(v, type)})

    def __missing__(self, name: str) -> Any:
        for home in (builtins, stripe, te):
            if hasattr(home, name):
                return getattr(home, name)
        module = _modules_by_class().get(name)
        return getattr(import_module(module), name) if module else Unknown


@cache
def _names(owner: type) -> _Names:
    return _Names(owner)


def arms(annotation: Any, owner: type) -> list[Any]:
    """The alternatives of an annotation of `owner`, with unions flattened; None is `NoneType`."""
    if isinstance(annotation, str):
        annotation = ForwardRef(annotation)
    if isinstance(annotation, ForwardRef):
        return arms(eval(annotation.__forward_arg__, {}, _names(owner)), owner)
    origin = get_origin(annotation)
    if origin in (te.NotRequired, te.Required) or origin is Union or origin is types.UnionType:
        return [arm for inner in get_args(annotation) for arm in arms(inner, owner)]
    return [annotation]


def literals(alternatives: list[Any]) -> list[Any]:
    """All values of the Literal alternatives, in the SDK's order."""
    return [value for arm in alternatives if get_origin(arm) is te.Literal for value in get_args(arm)]
