"""The links of an operation's evidence: how each part of it is tied to the timeline, and the timeline to
itself. Each check raises BrokenLink for the first link that does not hold.
"""

from collections.abc import Callable, Sequence

from .errors import BrokenChain
from .evidence_document import Evidence, named_people
from .evidence_effects import check_intents, check_notes, check_notices, check_result
from .evidence_links import BrokenLink, contradicting
from .evidence_reviews import check_approvals, check_commitments
from .operations import Kind
from .policy import policy_hash
from .timeline import verify_chain


def check_chain(evidence: Evidence) -> None:
    """Every event carries the hash of the one before it, and the head is the last one's."""
    if not evidence.timeline:
        raise BrokenLink("timeline", "there are no events")
    try:
        verify_chain(evidence.operation.id, evidence.timeline)
    except BrokenChain as broken:
        raise BrokenLink(f"event {broken.seq}", broken.why) from broken
    if evidence.head != evidence.timeline[-1].hash:
        raise BrokenLink("head", "it is not the hash of the last event")


def check_request(evidence: Evidence) -> None:
    """The first event has the request as it is here, by the same person, under the same policy."""
    operation, first = evidence.operation, evidence.timeline[0]
    kind = operation.kind.replace("_", " ")
    recorded = dict(first.detail)
    hashed = recorded.pop("policy_hash", None)
    began = "noticed" if operation.kind is Kind.CASE else "requested"
    if first.event != f"{kind} {began}":
        raise BrokenLink("event 1", f"it does not say that a {kind} was {began}")
    if recorded != operation.request:
        raise BrokenLink("request", "it is not what event 1 recorded")
    if (first.actor, first.at) != (operation.requested_by, operation.created_at):
        raise BrokenLink("request", "event 1 recorded another person or time")
    if evidence.policy_hash != policy_hash(evidence.policy):
        raise BrokenLink("policy", "it does not have the hash that stands beside it")
    if hashed not in (None, evidence.policy_hash):
        raise BrokenLink("policy", "it is not the one that event 1 recorded")


def check_subject(evidence: Evidence) -> None:
    """The operation's subject is the one that was last checked, previewed or put up for review."""
    subject = evidence.operation.subject
    if evidence.operation.kind == Kind.REMINDER_RUN:
        return  # it only counts how far the run has come: nobody decides on it
    marks = {"subject_hash", "proration_date"}
    about = [event for event in evidence.timeline if marks.intersection(event.detail)]
    if subject is None:
        if about:
            raise BrokenLink("subject", f"event {about[-1].seq} is about one, and there is none")
        return
    if not about:
        raise BrokenLink("subject", "the timeline has no event on it")
    other = contradicting(evidence.operation.kind, subject, about)
    if other is not None:
        raise BrokenLink("subject", f"it is not the one that event {other.seq} is about")


def check_people(evidence: Evidence) -> None:
    """Everybody who is named is introduced."""
    unknown = named_people(evidence) - {person.id for person in evidence.people}
    if unknown:
        raise BrokenLink("people", f"who {min(unknown)} is, is not said")


CHECKS: Sequence[Callable[[Evidence], None]] = (
    check_chain,
    check_request,
    check_approvals,
    check_commitments,
    check_intents,
    check_notes,
    check_notices,
    check_result,
    check_subject,
    check_people,
)
"""In this order: what comes first is what the rest is held against."""
