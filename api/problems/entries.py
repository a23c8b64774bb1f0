"""The catalogue of problems: every code that a problem document can carry.

Each room declares its own. Codes, once published, stay as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """`detail` is what it says, or says for example; `pointer` is the field to blame, `where` that is."""

    status: int
    title: str
    detail: str
    pointer: str | None = None
    where: str = "body"
    more: Mapping[str, Any] = field(default_factory=dict)


CATALOGUE: dict[str, Entry] = {}
"""By code. The OpenAPI document and /docs are made from it."""


def declare(entries: Mapping[str, Entry]) -> None:
    """Add a room's codes. Raises ValueError for one that is declared already."""
    if twice := CATALOGUE.keys() & entries.keys():
        raise ValueError(f"declared twice: {sorted(twice)}")
    CATALOGUE.update(entries)
