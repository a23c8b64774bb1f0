"""The timeline of an operation: append-only events, each carrying the hash of the one before it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime

from ..core.errors import BrokenChain
from ..core.hashing import digest
from ..core.operations import Message

GENESIS = "0" * 64
"""The `prev_hash` of an operation's first event."""


class Event(Message):
    """What happened: `seq` counts from 1 without gaps, `at` is UTC."""

    seq: int
    at: AwareDatetime
    actor: str
    code: str
    """An `EventCode`; a later release may have written one that this one does not know."""
    detail: dict[str, Any]
    names: dict[str, dict[str, Any]]
    """Who and what the ids in it stood for at that moment: a person's name and roles, for example."""
    records: dict[str, str]
    """The operation's records as this event left them: the hash of each by its name, `notes/note_01J…`."""
    prev_hash: str
    hash: str


def event_hash(
    operation: str,
    seq: int,
    at: datetime,
    actor: str,
    code: str,
    detail: dict[str, Any],
    prev_hash: str,
    names: dict[str, dict[str, Any]],
    records: dict[str, str],
) -> str:
    """The hash of an event, over everything in it and the operation that it belongs to.

    Raises ValueError for a time without a zone and TypeError for a detail that holds a float.
    """
    if at.tzinfo is None:
        raise ValueError("a time without a zone cannot be hashed")
    return digest(
        {
            "operation": operation,
            "seq": seq,
            "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor": actor,
            "code": code,
            "detail": detail,
            "names": names,
            "records": records,
            "prev_hash": prev_hash,
        }
    )


def verify_chain(operation: str, events: Iterable[Event]) -> None:
    """Raises BrokenChain, naming the first event that does not fit and why.

    A cut-off end leaves a whole chain: whoever keeps the last hash elsewhere notices that too.
    """
    prev_hash = GENESIS
    for expected_seq, event in enumerate(events, start=1):
        if event.seq != expected_seq:
            raise BrokenChain(operation, expected_seq, f"event {event.seq} stands in its place")
        if event.prev_hash != prev_hash:
            raise BrokenChain(operation, event.seq, "it does not follow the event before it")
        try:
            content = event.model_dump(exclude={"hash"})
            actual = event_hash(operation, **content)
        except TypeError as unhashable:
            raise BrokenChain(operation, event.seq, str(unhashable)) from unhashable
        if actual != event.hash:
            raise BrokenChain(operation, event.seq, "its content does not match its hash")
        prev_hash = event.hash
