"""The examples of the OpenAPI document: JSON files beside the routes, most of them recorded by tests.

Routes name theirs; the files are read when the document is made.
"""

import json
from importlib import resources
from typing import Any

_NAMED = "\x00example"


def example(name: str) -> dict[str, Any]:
    """Stands for the example of a room, such as `money/customer`, until `filled` reads it."""
    return {_NAMED: name}


def listed(row: Any) -> dict[str, Any]:
    """A page with one row and another page behind it."""
    return {"data": [row], "next_cursor": "b3BfMDFKRDBWN0c4TTNRMlo2VzVUNFI5WVhLQk4"}


def pending(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer while what was said is recorded, but not applied yet."""
    return answer | {"pending": True}


def filled(value: Any) -> Any:
    """The value with the examples that it names. Raises FileNotFoundError."""
    if isinstance(value, list):
        return [filled(one) for one in value]
    if not isinstance(value, dict):
        return value
    more = {key: filled(one) for key, one in value.items() if key != _NAMED}
    if _NAMED not in value:
        return more
    made = read_example(value[_NAMED])
    return made | more if more else made


def read_example(name: str) -> Any:
    """What a file has, such as that of `money/customer`. Raises FileNotFoundError."""
    room, _, file = name.partition("/")
    text = resources.files("api").joinpath(room, "examples", f"{file}.json").read_text(encoding="utf-8")
    return json.loads(text)
