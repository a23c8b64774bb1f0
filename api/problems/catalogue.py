"""The catalogue of problem types: every code that a problem document can carry.

Each room declares its own as constants, so that a route can name no type that does not exist. Codes, once
published, stay as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ProblemType:
    """`detail` is what it says, or says for example; `pointer` is the field to blame, `where` that is."""

    code: str
    status: int
    title: str
    detail: str
    pointer: str | None = None
    where: str = "body"
    more: Mapping[str, Any] = field(default_factory=dict)


CATALOGUE: dict[str, ProblemType] = {}
"""By code. The OpenAPI document and /docs are made from it."""


def declare(
    code: str,
    status: int,
    title: str,
    detail: str,
    pointer: str | None = None,
    where: str = "body",
    more: Mapping[str, Any] | None = None,
) -> ProblemType:
    """Add a type to the catalogue. Raises ValueError for a code that is declared already."""
    if code in CATALOGUE:
        raise ValueError(f"declared twice: {code}")
    CATALOGUE[code] = ProblemType(code, status, title, detail, pointer, where, more or {})
    return CATALOGUE[code]
