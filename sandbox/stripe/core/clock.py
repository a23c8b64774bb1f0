"""The stand-in's time: the machine's plus an offset that only grows, and the work that waits for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from .kernel import ATTENDED, BROKEN_OFF, Ctx
from .store import Obj, Store

log = logging.getLogger(__name__)


MAX_REPEATS = 50
"""How often the same piece of work may be due at the same second."""


class Clock:
    """Unix seconds (UTC)."""

    def __init__(self) -> None:
        self.offset = 0
        self.frozen: int | None = None
        """The second at which time stands still until it is moved; for exact tests. Lost at a restart."""
        self._held: int | None = None

    def now(self) -> int:
        """The current second."""
        if self._held is not None:
            return self._held
        return self.frozen if self.frozen is not None else int(time.time()) + self.offset

    def move(self, seconds: int) -> None:
        """Shift the present by this many seconds."""
        self.offset += seconds
        if self.frozen is not None:
            self.frozen += seconds

    def freeze(self, frozen: bool) -> None:
        """Let time stand still at the current second, or pass again from it."""
        if frozen:
            self.frozen = self.now()
        elif self.frozen is not None:
            self.offset, self.frozen = self.frozen - int(time.time()), None

    def hold(self, at: int | None) -> None:
        """Show this second while timed work runs; None lets time pass again."""
        self._held = at


class TimedRunner:
    """Runs what is due, in time order, each piece as a transaction of its own."""

    def __init__(
        self, clock: Clock, store: Store, perform: Callable[[int, Callable[[Ctx], None]], None]
    ) -> None:
        self._clock = clock
        self._store = store
        self._perform = perform
        self._next_due: tuple[int, int | None] = (-1, None)
        self.problems: list[str] = []

    def run_until(self, target: int) -> int:
        """Run everything due up to and including `target`; gives how many pieces ran.

        Work that fails is rolled back, noted in `problems` and not tried again; what `breaks_off` declares
        for it follows.
        """
        ran = repeats = 0
        last: tuple[int, str] | None = None
        while (found := self._earliest(target)) is not None:
            due, waiting = found
            label = f"{waiting['object']} {waiting['id']}"
            if "_step" in waiting:  # a test clock does one thing after the other at one second of ours
                label += f" step {waiting['_step']}"
            action = partial(_attend, waiting["object"], waiting["id"])
            before = self._store.version
            repeats = repeats + 1 if (due, label) == last else 0
            last = (due, label)
            self._clock.hold(due)
            try:
                self._perform(due, action)
                ran += 1
                if self._store.version == before:
                    self._give_up(due, label, "changed nothing")
                elif repeats >= MAX_REPEATS:
                    self._give_up(due, label, f"is due again after {repeats} runs")
            except Exception as error:  # a bug in one piece of work must not stop the clock for the others
                log.exception("timed work failed: %s due at %s", label, due)
                self._give_up(due, label, repr(error))
                if waiting["object"] in BROKEN_OFF:
                    self._perform(due, partial(_break_off, waiting["object"], waiting["id"]))
            finally:
                self._clock.hold(None)
        return ran

    def forget(self) -> None:
        """Forget what was seen to be due next; `problems` stay."""
        self._next_due = (-1, None)

    def _give_up(self, due: int, label: str, why: str) -> None:
        self._store.forget_due(due)
        self.problems.append(f"timed work {label} due at {due}: {why}")

    def _earliest(self, target: int) -> tuple[int, Obj] | None:
        version, due = self._next_due
        if version == self._store.version and (due is None or due > target):
            return None
        first = self._store.next_due()
        self._next_due = (self._store.version, first[0] if first else None)
        return first if first is not None and first[0] <= target else None


def _attend(kind: str, id: str, ctx: Ctx) -> None:
    ATTENDED[kind](ctx, ctx.store.get(kind, id))


def _break_off(kind: str, id: str, ctx: Ctx) -> None:
    BROKEN_OFF[kind](ctx, ctx.store.get(kind, id))
