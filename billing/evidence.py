"""Checks an operation's evidence, offline: `python -m billing.evidence FILE`, or `-` for standard input.

Prints `whole: …` and ends with 0, or names the first broken link and ends with 1; with 2 when it can't be
read or is no evidence. Everything is held against the timeline, and the timeline against itself. Whoever
writes a whole new document can make it whole: keep the head that is printed elsewhere, and compare.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from . import strict_json
from .evidence_checks import CHECKS
from .evidence_document import FORMAT, Evidence
from .evidence_links import BrokenLink
from .hashing import canonical_json, digest

WHOLE, BROKEN, NO_EVIDENCE = 0, 1, 2


class NotEvidence(Exception):
    """It can't be read, or is something else."""


class Whole(NamedTuple):
    """What was checked; `without_policy` is an operation from before the policy's hash was recorded."""

    operation: str
    events: int
    head: str
    without_policy: bool


def verify(text: str | bytes) -> Whole:
    """Checks a document. Raises NotEvidence, and BrokenLink for the first link that does not hold."""
    document = _read(text)
    content = {name: value for name, value in document.items() if name != "document_hash"}
    try:
        hashed = digest(content)
    except (TypeError, ValueError) as unhashable:
        raise BrokenLink("document", str(unhashable)) from unhashable
    if hashed != document["document_hash"]:
        raise BrokenLink("document", "it was altered: it does not have its document_hash")
    try:
        evidence = Evidence.model_validate_json(canonical_json(content), strict=True)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        raise NotEvidence(f"it is not in the format {FORMAT}: {path}: {first['msg']}") from invalid
    for check in CHECKS:
        check(evidence)
    return Whole(
        operation=evidence.operation.id,
        events=len(evidence.timeline),
        head=evidence.head,
        without_policy="policy_hash" not in evidence.timeline[0].detail,
    )


def _read(text: str | bytes) -> dict[str, Any]:
    try:
        document = strict_json.read(text)
    except ValueError as unreadable:  # of which JSONDecodeError and UnicodeDecodeError are some
        raise NotEvidence(f"it is not JSON in UTF-8: {unreadable}") from unreadable
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NotEvidence(f"it is not a document of the format {FORMAT}")
    if not isinstance(document.get("document_hash"), str):
        raise NotEvidence("it has no document_hash")
    return document


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m billing.evidence", description="Checks the evidence of an operation, offline."
    )
    parser.add_argument("file", help="what GET /v1/operations/{id}/evidence answered; - is standard input")
    file: str = parser.parse_args(arguments).file
    try:
        whole = verify(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except OSError as unreadable:
        print(f"{file} can't be read: {unreadable.strerror or unreadable}", file=sys.stderr)
        return NO_EVIDENCE
    except NotEvidence as other:
        print(f"{file} is no evidence: {other}", file=sys.stderr)
        return NO_EVIDENCE
    except BrokenLink as broken:
        print(f"broken: {broken}")
        return BROKEN
    print(f"whole: {whole.events} events, head {whole.head}")
    if whole.without_policy:
        print(f"{whole.operation} is from before the policy's hash was recorded: the policy is not proven")
    return WHOLE


if __name__ == "__main__":
    sys.exit(main())
