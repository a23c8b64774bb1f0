"""One line of the catalogue of problems."""

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
