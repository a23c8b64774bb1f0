"""How soon the embedded stack is ready: `python -m sandbox up` in an empty place."""

import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.stack import ROOT

from .options import Options
from .reports import Report, Target

WITHIN = 60.0
POLL_EVERY = 0.02


def run(options: Options) -> Report:
    """Each start has a data directory of its own, which is empty."""
    seconds = [_start() for _ in range(min(options.rounds, 3))]
    median = statistics.median(seconds)
    return Report(
        name="start",
        title="python -m sandbox up, until everything is ready and seeded",
        columns=("", "seconds"),
        rows=[("median", f"{median:.1f}"), ("slowest", f"{max(seconds):.1f}")],
        targets=[Target(what="ready", measured=median, sense="≤", wanted=10, unit="s")],
        notes=[
            f"{len(seconds)} starts from the command line to its --info file, each in an empty directory."
        ],
        facts={"seconds": seconds},
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


def _ended(stack: subprocess.Popen[str]) -> str:
    """Stop it, and give what it said."""
    if stack.poll() is None:
        stack.send_signal(signal.SIGTERM)
    if stack.stderr is None or stack.stderr.closed:
        return ""
    return stack.communicate()[1][-2000:]


def _env() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PLIXO_")}
