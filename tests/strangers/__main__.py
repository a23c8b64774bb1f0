"""`python -m tests.strangers`: programs of strangers, written for Stripe, against the stand-in as they are.

- stripe-python of four versions, each with its own version of the API
- stripe for Node
- `stripe trigger` of Stripe's command line

They are installed outside the project, in pinned versions; what can't be is skipped, with the reason.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.stripe.server.inprocess import StandIn

from . import triggers

HERE = Path(__file__).parent
PYTHONS = ("8.11.0", "11.6.0", "13.2.0")
"""Of stripe-python, beside the one that the project itself uses."""
NODE = "23.1.0"


class Unavailable(Exception):
    """Why something can't be installed here."""


@dataclass
class Outcome:
    """Of the checks of one program: how many there were, and which failed."""

    name: str
    count: int
    failed: list[str]


def main() -> None:
    """Install what is missing, do every check, print what came of them; exits with 1 when one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.strangers")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument(
        "--where", type=Path, default=cache / "plixo-strangers", help="where they are installed"
    )
    where: Path = parser.parse_args().where
    outcomes = []
    for name, run in _programs(where):
        try:
            outcome = run()
        except Unavailable as why:
            print(f"{name}: skipped: {why}", flush=True)
            continue
        outcomes.append(outcome)
        passed = outcome.count - len(outcome.failed)
        print(f"{outcome.name}: {passed} of {outcome.count}", flush=True)
        for failed in outcome.failed:
            print(f"    {failed}", flush=True)
    count, failed = sum(one.count for one in outcomes), sum(len(one.failed) for one in outcomes)
    print(f"strangers: {count - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def _programs(where: Path) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    for version in PYTHONS:
        yield f"stripe-python {version}", lambda version=version: _python(where, version)  # type: ignore[misc]
    yield "stripe-python of the project", lambda: _walk("stripe-python of the project", [sys.executable])
    yield f"stripe-node {NODE}", lambda: _node(where)
    yield f"stripe trigger {triggers.VERSION}", lambda: _command_line(where)


def _python(where: Path, version: str) -> Outcome:
    home = where / f"stripe-python-{version}"
    interpreter = home / "bin" / "python"
    if not (home / "installed").exists():
        _run([sys.executable, "-m", "venv", "--clear", str(home)])
        _run([str(interpreter), "-m", "pip", "install", "--quiet", f"stripe=={version}", "requests"])
        (home / "installed").touch()
    return _walk(f"stripe-python {version}", [str(interpreter)])


def _walk(name: str, command: list[str]) -> Outcome:
    with StandIn(check=True) as stand_in:
        return _checked(name, [*command, str(HERE / "sdk_walk.py"), stand_in.url], stand_in)


def _node(where: Path) -> Outcome:
    if shutil.which("node") is None:
        raise Unavailable("there is no node")
    modules = _installed(where, f"stripe@{NODE}")
    with StandIn(check=True) as stand_in:
        command = ["node", str(HERE / "node_checks.js"), stand_in.url]
        return _checked(f"stripe-node {NODE}", command, stand_in, NODE_PATH=str(modules))


def _command_line(where: Path) -> Outcome:
    command = _installed(where, f"@stripe/cli@{triggers.VERSION}") / ".bin" / "stripe"
    name, failed = f"stripe trigger {triggers.VERSION}", []
    with StandIn(check=True) as stand_in, tempfile.TemporaryDirectory() as home:
        stand_in.control("version", {"version": triggers.ACCOUNT_VERSION})
        for event in triggers.EVENTS:
            if (why := triggers.trigger(command, event, stand_in.url, Path(home))) is not None:
                failed.append(f"{event}: {why}")
        failed += [f"violation: {one}" for one in stand_in.violations()]
    return Outcome(name, len(triggers.EVENTS), failed)


def _installed(where: Path, package: str) -> Path:
    """The node_modules of a package of npm's."""
    if shutil.which("npm") is None:
        raise Unavailable("there is no npm")
    home = where / package.strip("@").replace("/", "-").replace("@", "-")
    if not (home / "installed").exists():
        home.mkdir(parents=True, exist_ok=True)
        _run(["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(home), package])
        (home / "installed").touch()
    return home / "node_modules"


def _run(command: list[str]) -> None:
    """Install something; raises Unavailable when it fails."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if ended.returncode:
        raise Unavailable(f"{' '.join(command[:3])} failed: {' '.join(ended.stderr.split())[-300:]}")


def _checked(name: str, command: list[str], stand_in: StandIn, **env: str) -> Outcome:
    """What a program's lines say; that it broke off counts as a check that failed."""
    ended = subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, text=True, timeout=600, check=False
    )
    lines = [line for line in ended.stdout.splitlines() if line.startswith(("ok ", "not ok "))]
    failed = [line.removeprefix("not ok ") for line in lines if line.startswith("not ok ")]
    if ended.returncode or not lines:
        failed.append(f"it broke off: {' '.join(ended.stderr.split())[-300:]}")
    failed += [f"violation: {one}" for one in stand_in.violations()]
    return Outcome(name, max(len(lines), len(failed)), failed)


if __name__ == "__main__":
    main()
