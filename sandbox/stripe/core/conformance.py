"""Answers against the SDK's own annotations: is this an object that the pinned SDK would recognise?

Reported: required fields that are absent or null, values of another type, values outside an enum, fields
that the SDK doesn't know. `Optional` in the SDK means null or absent, so absence of those can't be checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from functools import cache
from types import NoneType
from typing import Any, cast, get_args, get_origin

import typing_extensions as te
from stripe._list_object import ListObject
from stripe._stripe_object import StripeObject, UntypedStripeObject

from .annotations import Unknown, arms, literals, object_class, thin_event_class

Violation = dict[str, str]
Checker = Callable[[Any, str], Iterator[Violation]]

CONTAINERS = ("list", "search_result")


def check(answer: Any) -> list[Violation]:
    """What is wrong with an object: `[{path, kind, detail}]`, empty when it conforms.

    Kinds: `missing`, `null`, `type`, `enum`, `unknown_field`, `unknown_object`.
    """
    if isinstance(answer, dict) and "next_page_url" in answer:  # a list of the second version has no name
        return [found for one in answer["data"] for found in _by_name(one, f"{one['object']} of a list")]
    return list(_by_name(answer, str(answer.get("object")) if isinstance(answer, dict) else ""))


def _by_name(value: Any, path: str) -> Iterator[Violation]:
    """Check an object by its own `object` name."""
    if not isinstance(value, dict) or not isinstance(value.get("object"), str):
        yield _violation(path, "type", f"an object with a name was expected, not {value!r:.80}")
        return
    name = value["object"]
    if value.get("deleted") is True:
        return
    if name in CONTAINERS:
        for field, kind in (("data", list), ("has_more", bool), ("url", str)):
            if not isinstance(value.get(field), kind):
                yield _violation(f"{path}.{field}", "type", f"{kind.__name__} expected")
        for index, element in enumerate(value.get("data") or []):
            yield from _by_name(element, f"{path}.data[{index}]")
        return
    cls = thin_event_class(str(value.get("type"))) if name == "v2.core.event" else object_class(name)
    if cls is None:
        yield _violation(path, "unknown_object", name)
        return
    yield from _fields(cls)(value, path)
    if name == "event":
        yield from _by_name(value["data"].get("object"), f"{path}.data.object")


@cache
def _fields(cls: type) -> Checker:
    """The check of every annotated field of a class."""
    checkers: dict[str, tuple[bool, Checker]] | None = None

    def compile() -> dict[str, tuple[bool, Checker]]:
        found = {}
        for base in reversed(cls.__mro__):
            if base is StripeObject or not issubclass(base, StripeObject):
                continue
            for name, annotation in vars(base).get("__annotations__", {}).items():
                if name == "OBJECT_NAME" or name.startswith("_"):
                    continue
                alternatives = arms(annotation, base)
                found[name.rstrip("_")] = (NoneType in alternatives, _value(alternatives, base))
        return found

    def run(value: Any, path: str) -> Iterator[Violation]:
        nonlocal checkers
        if checkers is None:  # compiled at first use: classes refer to each other
            checkers = compile()
        if not isinstance(value, dict):
            yield _violation(path, "type", f"an object was expected, not {value!r:.80}")
            return
        for name, (optional, checker) in checkers.items():
            if value.get(name) is not None:
                yield from checker(value[name], f"{path}.{name}")
            elif not optional:
                yield _violation(f"{path}.{name}", "null" if name in value else "missing", "required")
        for name in value:
            if name not in checkers:
                yield _violation(f"{path}.{name}", "unknown_field", f"{cls.__qualname__} has no such field")

    return run


def _value(alternatives: list[Any], owner: type) -> Checker:
    """The check of a value that is not null."""
    choices = literals(alternatives)
    scalars, containers = _split(alternatives, owner)

    def run(value: Any, path: str) -> Iterator[Violation]:
        if isinstance(value, dict | list):
            checker = containers.get(list if isinstance(value, list) else dict)
            if checker is not None:
                yield from checker(value, path)
            elif Unknown not in alternatives and Any not in alternatives:
                yield _violation(path, "type", f"a {type(value).__name__} is not expected")
            return
        if choices and value not in choices and isinstance(value, str) and not _is_expandable(containers):
            yield _violation(path, "enum", f"{value!r} is none of {choices}")
        elif not (choices and value in choices) and not any(fits(value) for fits in scalars):
            yield _violation(path, "type", f"{value!r:.80} is not of {alternatives}")

    return run


def _is_expandable(containers: dict[type, Checker]) -> bool:
    return dict in containers


def _split(alternatives: list[Any], owner: type) -> tuple[list[Callable[[Any], bool]], dict[type, Checker]]:
    scalars: list[Callable[[Any], bool]] = []
    containers: dict[type, Checker] = {}
    for arm in alternatives:
        origin = get_origin(arm)
        if origin is te.Literal or arm is NoneType:
            continue
        if arm is Any or arm is Unknown or arm is object:
            scalars.append(lambda value: True)
        elif origin is list:
            containers[list] = _elements(_value(arms(get_args(arm)[0], owner), owner))
        elif origin in (dict, UntypedStripeObject):
            containers[dict] = _entries(_value(arms(get_args(arm)[-1], owner), owner))
        elif origin is ListObject or arm is ListObject:
            containers[dict] = _by_name
        elif isinstance(arm, type) and issubclass(arm, StripeObject):
            containers[dict] = _by_name if hasattr(arm, "OBJECT_NAME") else _fields(cast("type", arm))
        elif arm in _SCALARS:
            scalars.append(_SCALARS[arm])
    return scalars, containers


def _elements(element: Checker) -> Checker:
    def run(value: Any, path: str) -> Iterator[Violation]:
        for index, item in enumerate(value):
            yield from element(item, f"{path}[{index}]")

    return run


def _entries(entry: Checker) -> Checker:
    def run(value: Any, path: str) -> Iterator[Violation]:
        for key, item in value.items():
            yield from entry(item, f"{path}.{key}")

    return run


def _is_decimal(value: Any) -> bool:
    try:
        return isinstance(value, str) and Decimal(value).is_finite()
    except InvalidOperation:
        return False


_SCALARS: dict[Any, Callable[[Any], bool]] = {
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    float: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    Decimal: _is_decimal,
}


def _violation(path: str, kind: str, detail: str) -> Violation:
    return {"path": path, "kind": kind, "detail": detail}
