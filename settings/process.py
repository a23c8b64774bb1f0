"""Python in a long-running process that answers others: few and short halts.

The garbage collector leaves alone what was loaded at the start, and threads make way for each other sooner.
"""

import gc
import sys

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

SWITCH_EVERY = 0.001
"""Seconds after which a thread that computes makes way for the event loop's. Python's 5 ms, several times in
a row where several compute, keep answers waiting and let slots of Stripe's budget pass unused."""


def settle() -> None:
    """Called once, when everything is loaded and nothing has been done yet."""
    sys.setswitchinterval(SWITCH_EVERY)
    gc.collect()
    gc.freeze()
    gc.set_threshold(FEWER, MIDDLE, FULL)
