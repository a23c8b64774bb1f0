"""How evidence hangs together: the timeline's chain, every record's hash in it, and who is who.

What is altered, added, left out or moved in a document does not fit its timeline any more; an altered
timeline does not fit its own hashes; and whoever rewrites all of it cannot keep the head.
"""

from collections import Counter
from collections.abc import Iterator

from ..core.errors import BrokenChain
from ..core.operations import CUSTOMER, SYSTEM
from ..operations.kinds import KINDS
from ..policy.policy import policy_hash
from .document import PARTS, Evidence, people_in_event, record_hash
from .links import BrokenLink, pointer_to, pointer_to_event
from .records import Record
from .timeline import Event, verify_chain


def check_chain(evidence: Evidence) -> Iterator[BrokenLink]:
    """Every event carries the hash of the one before it, and the head is the last one's."""
    if not evidence.timeline:
        yield BrokenLink("/timeline", "there are no events")
        return
    recorded = {name for event in evidence.timeline for name in event.records}
    if evidence.operation.record_name not in recorded:
        yield BrokenLink("/operation/id", "the timeline is not that of this operation")
        return
    try:
        verify_chain(evidence.operation.id, evidence.timeline)
    except BrokenChain as broken:
        yield BrokenLink(pointer_to("timeline", broken.seq - 1), f"event {broken.seq}: {broken.why}")
    if evidence.head != evidence.timeline[-1].hash:
        yield BrokenLink("/head", "it is not the hash of the last event, or the end is missing")


def check_records(evidence: Evidence) -> Iterator[BrokenLink]:
    """Every record is as the last event that was written with it left it, and none is missing."""
    last = {name: event for event in evidence.timeline for name in event.records}
    shown = Counter(record.record_name for _, record in evidence.records())
    for pointer, record in evidence.records():
        name = record.record_name
        event = last.get(name)
        if event is None:
            yield BrokenLink(pointer, f"no event of the timeline recorded {name}")
        elif shown[name] > 1:
            yield BrokenLink(pointer, f"{name} is there {shown[name]} times")
        elif event.records[name] != record_hash(record):
            yield BrokenLink(pointer, f"{name} was altered: event {event.seq} recorded something else")
    for name, event in last.items():
        if name not in shown:
            part = name.partition("/")[0]
            missing = pointer_to(part) if part in PARTS else "/operation"
            yield BrokenLink(missing, f"{name} is missing: event {event.seq} recorded it")


def check_order(evidence: Evidence) -> Iterator[BrokenLink]:
    """Each part lists its records as the timeline came to have them."""
    places = places_in(evidence.timeline)
    for part in PARTS:
        names = [record.record_name for record in _part(evidence, part)]
        known = [name for name in names if name in places]
        if known != sorted(known, key=places.__getitem__):
            yield BrokenLink(pointer_to(part), "it is not in the order in which the timeline recorded it")


def places_in(timeline: list[Event]) -> dict[str, tuple[int, str]]:
    """Where each record first stands in the timeline, for the order in the document."""
    places: dict[str, tuple[int, str]] = {}
    for event in timeline:
        for name in event.records:
            places.setdefault(name, (event.seq, name))
    return places


def check_request(evidence: Evidence) -> Iterator[BrokenLink]:
    """The first event has the request as it is here, by the same person, under the same policy."""
    if not evidence.timeline:
        return
    operation, first = evidence.operation, evidence.timeline[0]
    recorded = dict(first.detail)
    hashed = recorded.pop("policy_hash", None)
    expected = KINDS[operation.kind].begins_with
    if first.code != expected:
        yield BrokenLink("/timeline/0/code", f"it does not begin with {expected}")
    if recorded != operation.request:
        yield BrokenLink("/operation/request", "it is not what event 1 recorded")
    if (first.actor, first.at) != (operation.requested_by, operation.created_at):
        yield BrokenLink("/operation", "event 1 was recorded by another person or at another time")
    if operation.organization not in first.names:
        yield BrokenLink("/operation/organization", "event 1 does not say whose operation it is")
    if hashed != policy_hash(evidence.policy):
        yield BrokenLink("/policy", "it is not the policy of which event 1 recorded the hash")


def check_people(evidence: Evidence) -> Iterator[BrokenLink]:
    """Everybody who is named is introduced by an event."""
    known: set[str] = set()
    for event in evidence.timeline:
        known.update(event.names)
        for person in sorted(people_in_event(event.actor, event.detail) - event.names.keys()):
            yield BrokenLink(pointer_to_event(event), f"event {event.seq} does not say who {person} is")
    for pointer, record in evidence.records():
        named = {one for one in record.people() if one is not None} - {SYSTEM, CUSTOMER}
        for person in sorted(named - known):
            yield BrokenLink(pointer, f"no event says who {person} is")


def _part(evidence: Evidence, part: str) -> list[Record]:
    records: list[Record] = getattr(evidence, part)
    return records
