"""`python -m tests.contract.growth N`: what N products cost the stand-in, as JSON.

The memory that they take, what the pages of their list take on top of it, and how long a page takes: the
first, and one from the far end.
"""

import json
import re
import sys
import time
from pathlib import Path

from sandbox.stripe.catalog import products
from sandbox.stripe.core.kernel import Ctx
from sandbox.stripe.core.store import Store

PAGES = 20


PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.M)


def taken() -> int:
    """The most memory that this program had so far, in bytes.

    Not getrusage's: that knows of what was there before this program, the memory of who started it.
    """
    found = PEAK.search(Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) * 1024


def page(store: Store, **params: object) -> tuple[list[str], float]:
    """The ids of one page of a hundred, and the seconds that it took."""
    start = time.perf_counter()
    answer = products.list_all(Ctx(store, {"limit": 100, **params}, {}, 1))
    return [one["id"] for one in answer["data"]], time.perf_counter() - start


def main() -> None:
    """Make them, one transaction each, and list them."""
    store, count, before = Store(), int(sys.argv[1]), taken()
    ids = []
    for number in range(count):
        store.begin()
        ids.append(products.make(Ctx(store, {"name": f"Product {number}"}, {}, number), None)["id"])
        store.commit()
    stored = taken()
    first, first_seconds = page(store)
    seen, seconds = list(first), 0.0
    for _ in range(PAGES - 1):
        listed, seconds = page(store, starting_after=seen[-1])
        seen += listed
    last, last_seconds = page(store, ending_before=ids[0])
    print(
        json.dumps(
            {
                "count": count,
                "bytes": stored - before,
                "bytes_of_pages": taken() - stored,
                "in_order": seen == ids[::-1][: PAGES * 100] and last == ids[1:101][::-1],
                "first_page_seconds": first_seconds,
                "later_page_seconds": seconds,
                "last_page_seconds": last_seconds,
            }
        )
    )


if __name__ == "__main__":
    main()
