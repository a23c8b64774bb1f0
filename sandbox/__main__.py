"""The embedded stack from the command line: `python -m sandbox up` and `python -m sandbox demo`."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.table import Table

from . import running
from .places import DataDirectoryInUse, Part, write_whole
from .processes import StackFailed
from .stack import Stack

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
words = Console(stderr=True, highlight=False)


def parts(text: str) -> set[Part]:
    """The parts of a comma-separated list."""
    names = {name.strip() for name in text.split(",") if name.strip()}
    known: tuple[Part, ...] = get_args(Part)
    if unknown := names.difference(known):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: the parts are {', '.join(known)}")
    return {part for part in known if part in names}


@app.command()
def up(
    data_dir: Annotated[Path | None, typer.Option(help="kept over restarts; else temporary")] = None,
    info: Annotated[Path | None, typer.Option(help="gets the addresses and keys as JSON when ready")] = None,
    without: Annotated[str, typer.Option(help="parts that you start yourself, such as worker,api")] = "",
) -> None:
    """Start the whole product on this machine with an example organization, until told to stop."""
    began = time.monotonic()
    left_out = parts(without)

    async def work(stack: Stack) -> None:
        told = stack.info()
        if info is not None:
            write_whole(info, json.dumps(told, indent=2))
        _show(told, time.monotonic() - began)
        await asyncio.Event().wait()

    try:
        with running.places(data_dir) as places:
            asyncio.run(running.run(places, left_out, work))
    except (StackFailed, DataDirectoryInUse) as error:
        words.print(f"[bold red]The stack has ended:[/] {error}", markup=True, soft_wrap=True)
        sys.exit(1)
    words.print("The stack has stopped.")


def _show(info: dict[str, object], seconds: float) -> None:
    places = Table(show_header=False, box=None, padding=(0, 2))
    for name, what in (
        ("api", "API, with its documentation at /docs"),
        ("temporal_ui", "Temporal's pages: every operation as a workflow"),
        ("mail", "the mails that were sent"),
        ("stripe", "the stand-in for Stripe; its requests at /_sandbox/requests"),
        ("data_dir", "everything that is kept, and the logs"),
    ):
        places.add_row(str(info[name]), what)
    keys = Table("role", "API key", box=None, padding=(0, 2))
    people = info["people"]
    assert isinstance(people, dict)
    for role, person in people.items():
        keys.add_row(role, person["api_key"])
    words.print(f"\nReady in {seconds:.1f} s. Stop with Ctrl-C.\n")
    words.print(places, soft_wrap=True)
    words.print(f"\nPeople of {info['organization']}:\n")
    words.print(keys, soft_wrap=True)


if __name__ == "__main__":
    app()
