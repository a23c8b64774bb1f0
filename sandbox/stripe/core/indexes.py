"""Look-ups of stored objects by the value of a field, kept up to date as objects change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, Protocol, TypeVar


class Indexed(Protocol):
    """What the index needs of a stored object; `indexed` tells, by path, the value it is filed under."""

    kind: str
    obj: dict[str, Any]
    indexed: dict[str, Any]


E = TypeVar("E", bound=Indexed)


class Indexes(Generic[E]):
    """For each kind and dotted path, the entries by value and id; a path is indexed from its first use."""

    def __init__(self) -> None:
        self._filed: dict[str, dict[str, dict[Any, dict[str, E]]]] = {}

    def find(self, kind: str, path: str, value: Any, everything: Iterable[E]) -> Iterable[E]:
        """The entries whose field at `path` has the value; `everything` is filed at the path's first use."""
        paths = self._filed.setdefault(kind, {})
        if path not in paths:
            paths[path] = {}
            for entry in everything:
                self.file(entry)
        return paths[path].get(value, {}).values()

    def file(self, entry: E) -> None:
        """File a new or changed entry under its present values."""
        for path, by_value in self._filed.get(entry.kind, {}).items():
            value: Any = entry.obj
            for name in path.split("."):
                value = value.get(name) if isinstance(value, dict) else None
            if path in entry.indexed and entry.indexed[path] != value:
                by_value.get(entry.indexed[path], {}).pop(entry.obj["id"], None)
            entry.indexed[path] = value
            by_value.setdefault(value, {})[entry.obj["id"]] = entry

    def remove(self, entry: E) -> None:
        """Take an entry out."""
        for path, value in entry.indexed.items():
            self._filed[entry.kind][path].get(value, {}).pop(entry.obj["id"], None)
        entry.indexed = {}
