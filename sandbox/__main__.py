"""The embedded stack from the command line: `python -m sandbox up` and `python -m sandbox demo`."""

import asyncio
import json
import os
import shlex
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console

from .demo.story import Demo, DemoFailed
from .demo.telling import Teller
from .stack import running
from .stack.places import DataDirectoryInUse, Part, write_whole
from .stack.policies import restated
from .stack.processes import StackFailed
from .stack.stack import Stack

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
KEPT_INFO = Path(".sandbox/info.json")
"""Where `make up` keeps the addresses and keys."""

HURRIED = {"window_seconds": 6, "faults": 3, "probe_every_seconds": 1, "healthy_seconds": 2}
"""In the demonstration nobody waits a minute until Stripe counts as degraded, or as recovered."""

words = Console(stderr=True, highlight=False)


def parts(text: str) -> set[Part]:
    """The parts of a comma-separated list."""
    names = {name.strip() for name in text.split(",") if name.strip()}
    known: tuple[Part, ...] = get_args(Part)
    if unknown := names.difference(known):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: the parts are {', '.join(known)}")
    return {part for part in known if part in names}


@app.callback()
def main() -> None:
    """The embedded stack: the whole product on this machine, with stand-ins for the world around it."""


@app.command()
def up(
    data_dir: Annotated[Path | None, typer.Option(help="kept over restarts; else temporary")] = None,
    info: Annotated[Path | None, typer.Option(help="gets the addresses and keys as JSON when ready")] = None,
    without: Annotated[str, typer.Option(help="parts that you start yourself, such as worker,api")] = "",
) -> None:
    """Start the whole product on this machine with an example organization, until told to stop."""
    began = time.monotonic()

    async def work(stack: Stack) -> None:
        told = stack.info()
        if info is not None:
            write_whole(info, json.dumps(told, indent=2))
        _show(told, time.monotonic() - began)
        await asyncio.Event().wait()

    _run(data_dir, parts(without), work)


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="leave everything running at the end")] = False,
) -> None:
    """Play the main job from end to end on a stack of its own, and tell it."""
    began = time.monotonic()
    teller = Teller()

    async def work(stack: Stack) -> None:
        told = stack.info()
        teller.say(
            f"The whole product is up after {time.monotonic() - began:.1f} s, in an empty place. Watch it:"
        )
        for name, address in (
            ("console, as Cora", told["people"]["controller"]["sign_in"]),
            ("API documentation", f"{told['api']}/docs"),
            ("Temporal's pages", told["temporal_ui"]),
            ("mails", told["mail"]),
        ):
            teller.item(f"{name:<18} {address}")
        story = Demo(stack, teller)
        try:
            await story.play()
        except DemoFailed:
            # The logs are gone with the temporary place, so their ends are shown now.
            for child in stack.processes.running:
                if child.name in ("api", "worker"):
                    words.print(child.tail(), markup=False, soft_wrap=True)
            raise
        teller.chapter("Summary")
        for sentence in story.done:
            teller.item(sentence)
        teller.say(f"Done in {time.monotonic() - began:.1f} s, start of the product included.")
        if not keep:
            teller.say(
                "Look around yourself: `make up` keeps a stack running at an address that it names, with a "
                "sign-in link to the console for each of its five people."
            )
        if keep:
            _show(told, time.monotonic() - began)
            await asyncio.Event().wait()

    _run(None, (), work, HURRIED)


@app.command()
def shell(
    info: Annotated[Path, typer.Option(envvar="SANDBOX_INFO", help="what `up --info` wrote")] = KEPT_INFO,
) -> None:
    """Print the addresses and keys of a running stack as shell variables, for `eval`."""
    try:
        told = json.loads(info.read_bytes())
    except OSError as error:
        words.print(f"{info} can't be read ({error.strerror}): start the stack with `make up` first.")
        sys.exit(1)
    values = {"API": told["api"], "STRIPE": told["stripe"], "MAIL": told["mail"]}
    values |= {role.upper(): person["api_key"] for role, person in told["people"].items()}
    values |= {name.upper(): id for name, id in told["example"].items()}
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")


def _run(
    data_dir: Path | None,
    without: Collection[Part],
    work: running.Work,
    figures: Mapping[str, float] | None = None,
) -> None:
    """`figures` are other ones than the policy states."""
    before = os.umask(0o077)  # whatever the parts write is for whoever started them
    try:
        with running.places(data_dir) as places:
            for name, port in places.taken.items():
                words.print(
                    f"Port {port} ({name}) is taken by another program: this time it is {places.ports[name]}."
                    f" What leads to {port}, as links in earlier mails do, works again when you stop that "
                    "program and start this one anew.",
                    style="yellow",
                    soft_wrap=True,
                )
            policy = places.file("policy.toml") if figures else None
            if policy and figures:
                policy.write_text(restated(figures), encoding="utf-8")
            asyncio.run(running.run(places, without, work, policy))
    except (StackFailed, DataDirectoryInUse, DemoFailed) as error:
        words.print(f"\nIt has ended: {error}", style="bold red", markup=False, soft_wrap=True)
        sys.exit(1)
    finally:
        os.umask(before)
    words.print("Everything has stopped.")


def _show(info: dict[str, Any], seconds: float) -> None:
    """For people, on stderr; long lines are left whole, so that keys can be copied."""
    lines = [f"\nRunning since {seconds:.1f} s after the start. Stop with Ctrl-C.\n"]
    for name, what in (
        ("api", "the API; its documentation is at /docs"),
        ("temporal_ui", "Temporal's pages: every operation as a workflow"),
        ("mail", "the mails that were sent"),
        ("stripe", "the stand-in for Stripe; its request log is at /_sandbox/requests"),
        ("data_dir", "everything that is kept, and the logs"),
    ):
        lines.append(f"  {info[name]:<26} {what}")
    lines.append(f"\nPeople of {info['organization']}, with their API keys:\n")
    lines += [f"  {role:<14} {person['api_key']}" for role, person in info["people"].items()]
    lines.append("\nTo sign in to the console in a browser, once with each link, within a day:\n")
    lines += [f"  {person['name']:<16} {person['sign_in']}" for person in info["people"].values()]
    words.print("\n".join(lines), soft_wrap=True, markup=False)


if __name__ == "__main__":
    app()
