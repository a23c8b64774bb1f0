"""Stripe's form encoding: `items[0][price]=x`, `metadata[k]=v`, `expand[]=a` as a nested tree of strings.

The second version of the API has JSON in the bodies instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from pydantic_core import from_json

from .errors import invalid

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")
_PART = re.compile(r"\[([^\[\]]*)\]")
_MAX_DEPTH = 16

Tree = dict[str, Any]
Pairs = list[tuple[str, str]]


class Given(dict[str, Any]):
    """Parameters that know which of them were looked at."""

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__(given)
        self.seen: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.seen.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.seen.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As of any dict."""
        self.seen.add(name)
        return super().get(name, default)

    def __iter__(self) -> Iterator[str]:
        """As of any dict; that it is written here has a copy ask for each of them."""
        return super().__iter__()

    def items(self) -> Any:
        """As of any dict: who walks through them looks at them all."""
        self.seen.update(self)
        return super().items()

    def unseen(self, prefix: str = "") -> list[str]:
        """The full names of those that nobody looked at; an object that was taken as it is was looked at."""
        found = []
        for name in self:
            full, value = f"{prefix}[{name}]" if prefix else name, super().__getitem__(name)
            if name not in self.seen:
                found.append(full)
                continue
            entries = value if isinstance(value, list) else [value]
            for index, entry in enumerate(entries):
                if isinstance(entry, Given) and entry.seen:
                    found += entry.unseen(f"{full}[{index}]" if isinstance(value, list) else full)
        return found


def part(given: Tree, names: Iterable[str], **more: Any) -> Given:
    """Those of the names that were given, and more: who looks at them there has looked at them in `given`."""
    kept = {name: dict.__getitem__(given, name) for name in names if name in given.keys()}  # noqa: SIM118
    taken = Given({**kept, **more})
    if isinstance(given, Given):
        taken.seen = given.seen
    return taken


def pairs(encoded: bytes) -> Pairs:
    """The decoded name-value pairs of a body or query string; raises 400 for bytes that aren't UTF-8."""
    if not encoded:
        return []
    try:
        return parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError) as error:
        raise invalid("Invalid request: the parameters are not form-encoded UTF-8.") from error


def of_json(body: bytes) -> Tree:
    """A JSON object as the tree of the same parameters; raises 400 for anything else."""
    try:
        given = from_json(body or b"{}")
    except ValueError as error:
        raise invalid("Invalid request: the body is not JSON.") from error
    if not isinstance(given, dict):
        raise invalid("Invalid request: the body is not a JSON object.")
    branch: Tree = _branch(given)
    return branch


def _branch(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _branch(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return {str(place): _branch(inner) for place, inner in enumerate(value)}
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def tree(given: Pairs) -> Tree:
    """Pairs as nested dicts; arrays are dicts with "0", "1", … as keys (`params` turns them to lists).

    The last value of a repeated name wins. Raises 400 for unbalanced brackets, or a name used both as
    a value and as a container.
    """
    root: Tree = {}
    for key, value in given:
        if "[" not in key and "]" not in key:
            root[key] = value
            continue
        match = _KEY.match(key)
        if match is None:
            raise invalid(f"Invalid request: the parameter name '{key}' is malformed.", param=key)
        parts = [match[1], *_PART.findall(match[2])]
        if len(parts) > _MAX_DEPTH:
            raise invalid(f"Invalid request: the parameter '{key}' is nested too deeply.", param=key)
        _place(root, parts, value, key)
    return root


def _place(node: Tree, parts: list[str], value: str, key: str) -> None:
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        if part == "":
            part = _next_index(node, None if last else parts[position + 1])
        if last:
            node[part] = value
            return
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise invalid(f"Invalid request: '{key}' is used both as a value and as an object.", param=key)


def _next_index(node: Tree, following: str | None) -> str:
    """For `[]`: the next element, or the current one while it lacks the field that follows."""
    current = node.get(str(len(node) - 1))
    if following and isinstance(current, dict) and following not in current:
        return str(len(node) - 1)
    return str(len(node))
