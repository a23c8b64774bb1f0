"""Verifies evidence offline: `python -m billing.evidence FILE…`, or `-` for standard input.

Files are operations' evidence and their seals, auditors' exports, and what was kept of roots and keys: all of
them are checked together. Exit status 0: intact. 1: not intact; each line names what was altered, removed or
added. 2: something can't be read, or is none of these.
"""

import argparse
import sys
from pathlib import Path

from .seals.files import File, read_file
from .seals.judgment import judge
from .verify import NotEvidence, NotWhole, verify

WHOLE, BROKEN, NO_EVIDENCE = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m billing.evidence", description="Verifies evidence, offline."
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="an operation's evidence, its seal, an auditor's export, roots or keys; - reads standard input",
    )
    files = []
    for name in parser.parse_args(arguments).files:
        try:
            content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
            files.append(read_file(name, content))
        except OSError as unreadable:
            return _unread(f"{name} can't be read: {unreadable.strerror or unreadable}")
        except NotEvidence as other:
            return _unread(f"{name} is not evidence: {other}")
    [first, *others] = files
    if not others and first.document is not None:
        return _of_one(first.name, first.document)
    return _of_all(files)


def _of_one(name: str, document: bytes) -> int:
    """An operation's evidence alone: its own hashes."""
    try:
        whole = verify(document)
    except NotEvidence as other:
        return _unread(f"{name} is not evidence: {other}")
    except NotWhole as altered:
        return _broken([str(link) for link in altered.broken])
    print(f"intact: {whole.events} events, head {whole.head}")
    return WHOLE


def _of_all(files: list[File]) -> int:
    found = judge(files)
    if found.faults:
        return _broken([str(fault) for fault in found.faults])
    print("intact")
    for remark in found.remarks:
        print(remark)
    return WHOLE


def _broken(faults: list[str]) -> int:
    print(f"not intact: {'1 place' if len(faults) == 1 else f'{len(faults)} places'} with errors")
    for fault in faults:
        print(fault)
    return BROKEN


def _unread(why: str) -> int:
    print(why, file=sys.stderr)
    return NO_EVIDENCE
