"""`python -m bench.sampling FILE MODULE`: runs a module as a program and samples what it spends CPU time on.

FILE gets the stacks at the end, one a line with its count of samples, outermost frame first: the folded form
that flame graph programs read. Time of threads without Python, such as those of Temporal's core, counts as
`(native)`.
"""

import runpy
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

EVERY = 0.002
"""Seconds of the process' CPU time, over all threads."""

WAITING = {
    ("selectors.py", "select"),
    ("threading.py", "wait"),
    ("thread.py", "_worker"),
    ("queue.py", "get"),
}


class Sampler:
    """Looks at all threads whenever the process has used some more CPU time."""

    def __init__(self) -> None:
        self.stacks: Counter[str] = Counter()

    def start(self) -> None:
        """Call it from the main thread: signals are handled there."""
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)

    def write(self, file: Path) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        lines = (f"{stack} {count}" for stack, count in self.stacks.most_common())
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _sample(self, _: int, interrupted: FrameType | None) -> None:
        frames = sys._current_frames()
        frames.pop(threading.get_ident())
        working = [frame for frame in (interrupted, *frames.values()) if frame and not _waits(frame)]
        # One of them was running, and it is not known which: with the interpreter's lock it rarely matters.
        self.stacks[_folded(working[-1]) if working else "(native)"] += 1


def _waits(frame: FrameType) -> bool:
    return (Path(frame.f_code.co_filename).name, frame.f_code.co_name) in WAITING


def _folded(frame: FrameType) -> str:
    names: list[str] = []
    outer: FrameType | None = frame
    while outer is not None:
        path = Path(outer.f_code.co_filename)
        names.append(f"{path.parent.name}/{path.name}:{outer.f_code.co_name}")
        outer = outer.f_back
    return ";".join(reversed(names))


def main() -> None:
    file, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv = [module, *sys.argv[3:]]
    # The API's server ends by its signal's former handler, which must not be the default one: that kills.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sampler = Sampler()
    sampler.start()
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        sampler.write(file)


if __name__ == "__main__":
    main()
