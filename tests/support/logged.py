"""What a process would have logged, as JSON: what each line says, and what it is about."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from settings import logs


@contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """The lines that were written within, when it is over."""
    stream, found = StringIO(), list[dict[str, Any]]()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure(logs.LogFormat.JSON, stream)
    try:
        yield found
    finally:
        root.handlers[:], _ = before
        root.setLevel(before[1])
        found += [json.loads(line) for line in stream.getvalue().splitlines()]
