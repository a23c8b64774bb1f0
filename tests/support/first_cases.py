"""Which cases of a test need not run on PostgreSQL as well.

The cases of a test of `tests/api` or `tests/activities` differ in what is asked and answered, mostly not in
what is asked of the records: all run on SQLite, the first one on PostgreSQL too. Marked `both_databases` are
those each of whose cases asks PostgreSQL for something else: what happens at the same moment, what finds and
sorts, and the few statements that no other test asks it for.
"""

from collections.abc import Sequence
from typing import Any

import pytest

ROOMS = ("tests/api/", "tests/activities/")


def left_out(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The cases that run on SQLite alone; none where tests were chosen for PostgreSQL alone."""
    on_sqlite = {_test(item) for item in items if _database(item) == "sqlite"}
    seen: set[str] = set()
    found = []
    for item in items:
        if not item.nodeid.startswith(ROOMS) or _database(item) != "postgres":
            continue
        test = _test(item)
        if test in seen and test in on_sqlite and item.get_closest_marker("both_databases") is None:
            found.append(item)
        seen.add(test)
    return found


def _database(item: Any) -> Any:
    return item.callspec.params.get("databases") if hasattr(item, "callspec") else None


def _test(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]
