"""`python -m tests.contract.live`: play the vectors to real Stripe, and print where reality differs.

`STRIPE_TEST_KEY` is the key of an account in test mode (`sk_test_…` or `rk_test_…`). Each vector has a test
clock of its own, which is deleted afterwards. Ends with 0 when all is equal, with 1 when something differs or
could not be played in ten minutes, with 2 without a key.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import stripe

from .bench import bench
from .vectors import VECTORS, Vector

AT_ONCE = 4
LAST_START = 480.0
"""Seconds after which none is begun: what is under way then ends within ten minutes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Play them, or those that are named in part; gives the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract.live", description=__doc__)
    parser.add_argument("--address", help="another Stripe than the real one, such as a stand-in")
    parser.add_argument("names", nargs="*", help="parts of the names of vectors; none: all")
    given = parser.parse_args(arguments)
    key = os.environ.get("STRIPE_TEST_KEY", "")
    if not key.startswith(("sk_test_", "rk_test_")):
        print("Nothing was played: STRIPE_TEST_KEY is not set to the key of an account in test mode.")
        return 2
    client = stripe.StripeClient(
        key,
        base_addresses={"api": given.address} if given.address else {},
        max_network_retries=3,
        http_client=stripe.HTTPXClient(timeout=60, allow_sync_methods=True),
    )
    wanted = [one for one in VECTORS if not given.names or any(name in one.name for name in given.names)]
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda one: _played(client, one, began), wanted))
    for one, differences in zip(wanted, found, strict=True):
        print(f"{'differs' if differences else 'equal  '}  {one.name}")
        for line in differences:
            print(f"         {line}")
    equal = sum(not differences for differences in found)
    print(f"{equal} of {len(wanted)} vectors are equal, in {time.monotonic() - began:.0f} s.")
    return 0 if equal == len(wanted) else 1


def _played(client: stripe.StripeClient, vector: Vector, began: float) -> list[str]:
    """What is otherwise than expected."""
    if time.monotonic() - began > LAST_START:
        return ["not played: there was no time left"]
    try:
        with bench(client) as made:
            here = vector.play(made)
    except (stripe.StripeError, TimeoutError, AttributeError, LookupError, TypeError) as error:
        return [f"not played to the end: {error!r}"]  # the last three: an answer of another shape
    return [
        f"{name}: expected {expected!r}, is {here.get(name)!r}"
        for name, expected in vector.expected.items()
        if here.get(name) != expected
    ]


if __name__ == "__main__":
    sys.exit(main())
