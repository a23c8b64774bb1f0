"""JSON as RFC 8259 has it, and every name once.

Of a name that is there twice one reader takes the first value, the next one the last, and nobody is told:
what somebody checked need not be what is done. Python's own reader also takes NaN and Infinity.
"""

import json
from collections import Counter
from typing import Any


class RepeatedKey(ValueError):
    """An object names something twice; `path` leads to that name."""

    def __init__(self, path: tuple[str, ...]) -> None:
        super().__init__(f"{path[-1]!r} is there twice")
        self.path = path


class _RepeatedName(dict[str, Any]):
    """An object that has `name` twice."""

    def __init__(self, pairs: list[tuple[str, Any]], name: str) -> None:
        super().__init__(pairs)
        self.name = name


def read(text: str | bytes) -> Any:
    """The document. Raises RepeatedKey, and ValueError for what is no JSON in UTF-8 or nested too deeply."""
    repeated: list[_RepeatedName] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        repeated.append(_RepeatedName(pairs, name))
        return repeated[-1]

    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        document = json.loads(text, object_pairs_hook=once, parse_constant=_no_number)
    except RecursionError as deep:
        raise ValueError("it is nested too deeply") from deep
    if repeated:
        raise RepeatedKey((*_path_to(document, repeated[0]), repeated[0].name))
    return document


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


def _path_to(document: Any, wanted: Any) -> tuple[str, ...]:
    """Empty where it is in a value that a later one of the same name has replaced."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        if value is wanted:
            return path
        if isinstance(value, dict):
            waiting += [((*path, name), inner) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, str(place)), inner) for place, inner in enumerate(value)]
    return ()
