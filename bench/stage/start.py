"""How soon the embedded stack is ready in an empty place, and how long the demonstration takes on it."""

import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.stack.stack import ROOT

from ..options import Options
from ..reports import Report, Target

WITHIN = 60.0
"""Seconds until a start is given up."""
POLL_EVERY = 0.02


def run(options: Options) -> Report:
    """Each start has a data directory of its own, which is empty; the demonstration makes its own."""
    seconds = [_start() for _ in range(min(options.rounds, 3))]
    demo = _demo()
    median = statistics.median(seconds)
    return Report(
        name="start",
        title="the embedded stack, and make demo after set-up",
        columns=("", "median", "slowest"),
        rows=[
            ("`python -m sandbox up` until ready and seeded", f"{median:.1f} s", f"{max(seconds):.1f} s"),
            ("`python -m sandbox demo` from start to end", f"{demo:.1f} s", f"{demo:.1f} s"),
        ],
        targets=[
            Target(what="the stack is ready within", measured=median, sense="≤", wanted=10, unit="s"),
            Target(what="the demonstration ends within", measured=demo, sense="≤", wanted=90, unit="s"),
        ],
        notes=[
            f"{len(seconds)} starts from the command line to its --info file, each in an empty directory."
        ],
        facts={"seconds": seconds, "demo_seconds": demo},
    )


def _start() -> float:
    with TemporaryDirectory(prefix="plixo-bench-start-") as folder:
        info = Path(folder) / "info.json"
        argv = [sys.executable, "-m", "sandbox", "up", "--info", str(info), "--data-dir", f"{folder}/data"]
        began = time.monotonic()
        with subprocess.Popen(
            argv, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=_env(), start_new_session=True
        ) as stack:
            try:
                while not info.exists():
                    if stack.poll() is not None or time.monotonic() > began + WITHIN:
                        raise RuntimeError(f"the stack did not start: {_ended(stack)}")
                    time.sleep(POLL_EVERY)
                return time.monotonic() - began
            finally:
                _ended(stack)


def _demo() -> float:
    """Seconds. Raises RuntimeError when it does not end with 0."""
    began = time.monotonic()
    argv = [sys.executable, "-m", "sandbox", "demo"]
    ended = subprocess.run(argv, cwd=ROOT, env=_env(), capture_output=True, text=True, timeout=10 * WITHIN)
    if ended.returncode != 0:
        raise RuntimeError(f"the demonstration ended with {ended.returncode}: {ended.stderr[-2000:]}")
    return time.monotonic() - began


def _ended(stack: subprocess.Popen[str]) -> str:
    """Stop it, and give what it said."""
    if stack.poll() is None:
        stack.send_signal(signal.SIGTERM)
    if stack.stderr is None or stack.stderr.closed:
        return ""
    return stack.communicate()[1][-2000:]


def _env() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PLIXO_")}
