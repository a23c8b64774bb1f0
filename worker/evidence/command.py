"""Compares the database with its daily roots: `python -m worker.evidence [FILE…]`.

Files are roots and keys that were kept elsewhere. Exit status 0: intact. 1: not intact; each line names what
was altered, removed or added. 2: the settings or a file are wrong. 3: the database can't be reached.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from billing.approvals.marks import DecisionMarks
from billing.evidence.seals.files import File, read_file
from billing.evidence.verify import NotEvidence
from db.core.session import AWAY, Database
from settings.settings import InvalidSettings, load

from .check import CheckReport, RecordCheck

WHOLE, BROKEN, WRONG, UNREACHABLE = 0, 1, 2, 3


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m worker.evidence", description="Compares the database with its daily roots."
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="roots and keys that were kept elsewhere")
    try:
        kept = [_read(name) for name in parser.parse_args(arguments).files]
        settings, _ = load()
    except (NotEvidence, InvalidSettings) as wrong:
        print(wrong, file=sys.stderr)
        return WRONG
    try:
        checked = asyncio.run(_checked(settings.database_url, DecisionMarks.of(settings.keys), kept))
    except AWAY as error:
        print(f"The database can't be reached: {type(error).__name__}", file=sys.stderr)
        return UNREACHABLE
    return say(checked)


def say(checked: CheckReport) -> int:
    """Prints what was found; returns the exit status."""
    if checked.faults:
        places = "1 place" if len(checked.faults) == 1 else f"{len(checked.faults)} places"
        print(f"not intact: {places} with errors")
        for fault in checked.faults:
            print(fault)
    else:
        print("intact")
    print(
        f"organizations: {checked.organizations}, roots: {checked.roots}, operations: {checked.operations}, "
        f"events that no root has yet: {checked.unsealed}"
    )
    return BROKEN if checked.faults else WHOLE


def _read(name: str) -> File:
    try:
        return read_file(name, Path(name).read_bytes())
    except OSError as unreadable:
        raise NotEvidence(f"{name} can't be read: {unreadable.strerror or unreadable}") from unreadable
    except NotEvidence as other:
        raise NotEvidence(f"{name} is not evidence: {other}") from other


async def _checked(url: str, marks: DecisionMarks, kept: list[File]) -> CheckReport:
    database = Database(url)
    try:
        return await RecordCheck(database, marks, kept).run()
    finally:
        await database.dispose()
