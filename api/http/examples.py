"""The examples of the OpenAPI document: JSON files beside the routes, most of them recorded by tests."""

import json
from importlib import resources
from typing import Any


def example(name: str) -> Any:
    """The example of a room, such as `money/customer`. Raises FileNotFoundError."""
    room, _, file = name.partition("/")
    text = resources.files("api").joinpath(room, "examples", f"{file}.json").read_text(encoding="utf-8")
    return json.loads(text)


def listed(row: Any) -> dict[str, Any]:
    """A page with one row and another page behind it."""
    return {"data": [row], "next_cursor": "b3BfMDFKRDBWN0c4TTNRMlo2VzVUNFI5WVhLQk4"}


def pending(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer while what was said is recorded, but not applied yet."""
    return answer | {"pending": True}
