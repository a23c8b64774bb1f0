"""The garbage collector of a long-running process: what was loaded at the start is left alone."""

import gc

FEWER = 20_000
"""Allocations between two young collections; Python's 700 suit scripts."""

MIDDLE = 5
"""Young collections between two middle ones, where Python has 10."""

FULL = 1
"""Middle collections between two full ones, where Python has 10.

An evicted workflow is a web of cycles: its event loop, its sandboxed modules. One that was cached for
long lies in the oldest generation, where only a full collection finds it. With 10 and 10 there was none
in 800 plan changes: three dead workflows for each living one by then, and a second's halt to clear them.
"""


def settle() -> None:
    """Called once, when everything is loaded and nothing has been done yet."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(FEWER, MIDDLE, FULL)
