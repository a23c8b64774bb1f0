"""The garbage collector of a long-running process: what was loaded at the start is left alone."""

import gc

FEWER = 20_000
"""Allocations between two young collections; Python's 700 suit scripts."""


def settle() -> None:
    """Called once, when everything is loaded and nothing has been done yet."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(FEWER, *gc.get_threshold()[1:])
