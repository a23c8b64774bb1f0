"""The catalogue of problem types: every code that a problem document can carry.

Each room declares its own as constants, so that a route can name no type that does not exist. Codes, once
published, stay as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ProblemType:
    """`detail` is what it says, or says for example; `pointer` is the field to blame, `where` that is.
    `for_programs` is a sentence that follows in the document: what people on a page could not do, such as a
    route to ask."""

    code: str
    status: int
    title: str
    detail: str
    pointer: str | None = None
    where: str = "body"
    more: Mapping[str, Any] = field(default_factory=dict)
    for_programs: str = ""

    @property
    def told(self) -> str:
        """What the document says."""
        return to_programs(self.detail, self.for_programs)


def to_programs(message: str, for_programs: str) -> str:
    """A message with what follows it for programs."""
    return f"{message} {for_programs}".rstrip()


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
    for_programs: str = "",
) -> ProblemType:
    """Add a type to the catalogue. Raises ValueError for a code that is declared already."""
    if code in CATALOGUE:
        raise ValueError(f"declared twice: {code}")
    CATALOGUE[code] = ProblemType(code, status, title, detail, pointer, where, more or {}, for_programs)
    return CATALOGUE[code]
