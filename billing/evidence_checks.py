"""The links of an operation's evidence: how each part of it is tied to the timeline, and the timeline to
itself. Each check raises BrokenLink for the first link that does not hold.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from .errors import BrokenChain
from .events import (
    CHANGED_IN_STRIPE,
    FINANCE_TOLD,
    NOTE_ADDED,
    REFUSED_BY_STRIPE,
    REVIEW_REQUESTED,
    WITHIN_AUTHORITY,
)
from .evidence_document import (
    ApprovalRecord,
    DecisionRecord,
    Evidence,
    IntentRecord,
    Json,
    SignatureRecord,
    named_people,
)
from .hashing import digest
from .operations import SYSTEM, Kind
from .plan_change import Subject as PlanChangeSubject
from .plan_change import subject_hash
from .plan_change_report import preview_detail
from .policy import policy_hash
from .timeline import Event, verify_chain

MADE_BY_US = re.compile(r"(re|pyr|cn|cbtxn|sub_sched)_\w+")
"""Ids of what only our effects put into a result: refunds (of cards and others), credit notes, balance
transactions and schedules."""

VERDICTS = {"reject": "rejected", "request_changes": "changes requested"}

AUTHORITY_MARKS = {"round", "person", "customer", "amount", "limits", "used"}
"""What the detail of an event has that weighs money against authority."""

ENDS = {
    "approved": "approved",
    "rejected": "rejected",
    "changes requested": "changes_requested",
    "review expired": "expired",
    "review dismissed": "dismissed",
}
"""The events that end an approval, and the state that it then has."""


class BrokenLink(Exception):
    """What does not hold: the part of the evidence, and why."""

    def __init__(self, link: str, why: str) -> None:
        super().__init__(f"{link}: {why}")
        self.link, self.why = link, why


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
    recorded = dict(first.detail)
    hashed = recorded.pop("policy_hash", None)
    if first.event != f"{operation.kind.replace('_', ' ')} requested":
        raise BrokenLink("event 1", f"it does not say that a {operation.kind} was requested")
    if recorded != operation.request:
        raise BrokenLink("request", "it is not what event 1 recorded")
    if (first.actor, first.at) != (operation.requested_by, operation.created_at):
        raise BrokenLink("request", "event 1 recorded another person or time")
    if evidence.policy_hash != policy_hash(evidence.policy):
        raise BrokenLink("policy", "it does not have the hash that stands beside it")
    if hashed not in (None, evidence.policy_hash):
        raise BrokenLink("policy", "it is not the one that event 1 recorded")


def check_approvals(evidence: Evidence) -> None:
    """Each was asked for on exactly its subject, and each yes or no has its event and the other way round."""
    for approval in evidence.approvals:
        named = f"approval {approval.id}"
        if hash_of_subject(evidence.operation.kind, approval.subject) != approval.subject_hash:
            raise BrokenLink(named, "its subject does not have its subject_hash")
        asked = [e for e in _of(evidence, approval) if e.event == REVIEW_REQUESTED]
        if [(e.detail.get("subject_hash"), e.detail.get("round")) for e in asked] != [
            (approval.subject_hash, approval.round)
        ]:
            raise BrokenLink(named, "the timeline does not ask for it on this subject")
        if asked[0].at != approval.opened_at:
            raise BrokenLink(named, f"event {asked[0].seq} asked for it at another time")
        _check_said(evidence, approval)
        _check_end(evidence, approval)
    known = {approval.id for approval in evidence.approvals}
    for event in evidence.timeline:
        if event.event == REVIEW_REQUESTED and event.detail.get("approval") not in known:
            raise BrokenLink(f"event {event.seq}", "the approval that it asks for is not there")


def _check_said(evidence: Evidence, approval: ApprovalRecord) -> None:
    accepted = {said.person: said for said in approval.decisions if said.state == "accepted"}
    spoken = {event.actor: event for event in _spoken(evidence, approval)}
    for person, decision in accepted.items():
        _check_spoken(approval, decision, spoken.get(person))
    for signature in approval.signatures:
        event = _check_spoken(approval, signature, spoken.get(signature.person))
        if (signature.role, signature.at) != (event.detail.get("role"), event.at):
            raise BrokenLink(
                f"approval {approval.id}, {signature.person}", f"event {event.seq} has another role or time"
            )
    for person, event in spoken.items():
        if person not in accepted:
            raise BrokenLink(f"event {event.seq}", "the decision that it tells of is not there")


def _check_spoken(
    approval: ApprovalRecord, said: DecisionRecord | SignatureRecord, event: Event | None
) -> Event:
    named = f"approval {approval.id}, {said.person}"
    if event is None:
        raise BrokenLink(named, "the timeline has no decision of theirs")
    if event.detail.get("subject_hash") != approval.subject_hash:
        raise BrokenLink(named, f"event {event.seq} decides on another subject")
    if event.detail.get("for_person") != said.for_person:
        raise BrokenLink(named, f"event {event.seq} names another for whom they decided")
    if isinstance(said, DecisionRecord):
        if said.subject_hash != approval.subject_hash:
            raise BrokenLink(f"decision {said.id}", "it is on another subject than the approval's")
        if said.comment != event.detail.get("comment") or not _verdict_fits(said.decision, event):
            raise BrokenLink(f"decision {said.id}", f"event {event.seq} says something else")
    return event


def _check_end(evidence: Evidence, approval: ApprovalRecord) -> None:
    """How it ended, who ended it and when, are those of the event that ended it."""
    ends = {event.event: event for event in _of(evidence, approval) if event.event in ENDS}
    named = f"approval {approval.id}"
    if approval.state == "open":
        if ends:
            raise BrokenLink(named, f"event {min(end.seq for end in ends.values())} ended it")
        return
    event = next(
        (ends[name] for name, state in ENDS.items() if state == approval.state and name in ends), None
    )
    if event is None:
        raise BrokenLink(named, f"the timeline does not say that it is {approval.state}")
    decider = None if event.actor == SYSTEM else event.actor
    if (approval.decided_by, approval.closed_at) != (decider, event.at):
        raise BrokenLink(named, f"event {event.seq} ended it by another or at another time")


def _of(evidence: Evidence, approval: ApprovalRecord) -> Iterator[Event]:
    return (event for event in evidence.timeline if event.detail.get("approval") == approval.id)


def _spoken(evidence: Evidence, approval: ApprovalRecord) -> Iterator[Event]:
    """The events by which people had their say: only those name what it was about."""
    return (
        event
        for event in _of(evidence, approval)
        if "subject_hash" in event.detail and event.event != REVIEW_REQUESTED
    )


def _verdict_fits(verdict: str, event: Event) -> bool:
    if verdict == "approve":
        return event.event.startswith("approved")
    return event.event == VERDICTS.get(verdict)


def check_commitments(evidence: Evidence) -> None:
    """What is set aside is what was weighed against authority, and counts in that which covered it."""
    weighed = [event for event in evidence.timeline if event.detail.keys() >= AUTHORITY_MARKS]
    if not weighed:
        if evidence.commitments:
            raise BrokenLink("commitments", "the timeline does not weigh them against any authority")
        return
    last, allowed = weighed[-1], _covering(evidence, weighed[-1])
    total = 0
    for held in evidence.commitments:
        named = f"commitment {held.part}"
        if held.created_at != last.at:
            if held.released_at is None:
                raise BrokenLink(named, f"it is not of event {last.seq}, which weighed what is set aside")
            continue
        total += held.amount.amount_minor
        if (held.person, held.customer) != (last.detail["person"], last.detail["customer"]):
            raise BrokenLink(named, f"event {last.seq} weighed it for others")
        if held.authority_of is not None and held.authority_of not in allowed:
            raise BrokenLink(named, f"nothing says that the authority of {held.authority_of} covers it")
    if total != last.detail["amount"].get("amount_minor"):
        raise BrokenLink("commitments", f"event {last.seq} weighed another amount")


def _covering(evidence: Evidence, weighed: Event) -> set[str]:
    """Whose authority covers it: the requester's own, or that of the approval after it."""
    own = {weighed.detail["person"]} if weighed.event == WITHIN_AUTHORITY else set()
    return own | {
        event.detail["authority_of"]
        for event in evidence.timeline[weighed.seq :]
        if "authority_of" in event.detail
    }


def check_intents(evidence: Evidence) -> None:
    """Each effect on Stripe has the event that tells of its end, and the other way round."""
    told = {
        event.detail.get("idempotency_key"): event
        for event in evidence.timeline
        if event.event in (CHANGED_IN_STRIPE, REFUSED_BY_STRIPE)
    }
    closed = {intent.idempotency_key: intent for intent in evidence.intents if intent.state != "open"}
    for key, intent in closed.items():
        event = told.get(key)
        if event is None:
            raise BrokenLink(f"intent {key}", "the timeline has no event with its key")
        _check_told(intent, event)
    for told_key, event in told.items():
        if told_key not in closed:
            raise BrokenLink(f"event {event.seq}", "the intent that it tells of is not there")
    operation = evidence.operation
    for intent in evidence.intents:
        whole = f"{evidence.organization.id}:{operation.id}:{intent.step}:{intent.version}"
        if intent.idempotency_key != whole:
            raise BrokenLink(
                f"intent {intent.idempotency_key}", "its key is not that of its step and version"
            )


def _check_told(intent: IntentRecord, event: Event) -> None:
    expected: Json = {
        "step": intent.step,
        "kind": intent.effect,
        "stripe_request": intent.stripe_request,
        "read_back": intent.read_back,
    }
    if intent.state == "done":
        expected["object"] = intent.stripe_id
        name = CHANGED_IN_STRIPE
    else:
        error = intent.error or {}
        expected |= {"code": error.get("code"), "message": error.get("message")}
        name = REFUSED_BY_STRIPE
    if event.event != name:
        raise BrokenLink(f"intent {intent.idempotency_key}", f"event {event.seq} says that it was otherwise")
    for field, value in expected.items():
        if event.detail.get(field) != value:
            raise BrokenLink(
                f"intent {intent.idempotency_key}", f"event {event.seq} has another {field.replace('_', ' ')}"
            )


def check_notes(evidence: Evidence) -> None:
    """Each note has its event with the same words, and the other way round."""
    told = {event.detail.get("seq"): event for event in evidence.timeline if event.event == NOTE_ADDED}
    for place, note in enumerate(evidence.notes, start=1):
        event = told.get(note.seq)
        if note.seq != place:
            raise BrokenLink(f"note {place}", f"note {note.seq} stands in its place")
        if event is None:
            raise BrokenLink(f"note {note.seq}", "the timeline has no event of it")
        if (note.id, note.text, note.author, note.at) != (
            event.detail.get("note"),
            event.detail.get("text"),
            event.actor,
            event.at,
        ):
            raise BrokenLink(f"note {note.seq}", f"event {event.seq} says something else")
    for seq, event in told.items():
        if not any(note.seq == seq for note in evidence.notes):
            raise BrokenLink(f"event {event.seq}", "the note that it tells of is not there")


def check_notices(evidence: Evidence) -> None:
    """Each notice to Finance has its event, and the other way round."""
    told = {event.detail.get("notice"): event for event in evidence.timeline if event.event == FINANCE_TOLD}
    for notice in evidence.notices:
        if notice.id not in told or told[notice.id].detail.get("kind") != notice.kind:
            raise BrokenLink(f"notice {notice.id}", "the timeline has no event of it")
    for id_, event in told.items():
        if not any(notice.id == id_ for notice in evidence.notices):
            raise BrokenLink(f"event {event.seq}", "the notice that it tells of is not there")


def check_result(evidence: Evidence) -> None:
    """What the result names in Stripe is what the operation's own effects made."""
    made = {intent.stripe_id for intent in evidence.intents if intent.state == "done"}
    for found in _texts(evidence.operation.result):
        if MADE_BY_US.fullmatch(found) and found not in made:
            raise BrokenLink("result", f"no intent of this operation made {found}")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def check_subject(evidence: Evidence) -> None:
    """The operation's subject is the one that was last checked or put up for review."""
    subject = evidence.operation.subject
    last = _last_on_subject(evidence.timeline)
    if subject is None:
        if last is not None:
            raise BrokenLink("subject", f"event {last.seq} is about one, and there is none")
        return
    if last is None:
        raise BrokenLink("subject", "the timeline has no event on it")
    if "subject_hash" in last.detail:
        same = hash_of_subject(evidence.operation.kind, subject) == last.detail["subject_hash"]
    else:
        same = _preview(subject) == last.detail
    if not same:
        raise BrokenLink("subject", f"it is not the one that event {last.seq} is about")


def _last_on_subject(timeline: Sequence[Event]) -> Event | None:
    """Checks and reviews carry the subject's hash, a plan change's previews the lines themselves."""
    marks = {"subject_hash", "proration_date"}
    return next((event for event in reversed(timeline) if marks.intersection(event.detail)), None)


def _preview(subject: Json) -> Json | None:
    try:
        return preview_detail(PlanChangeSubject.model_validate(subject))
    except ValidationError:
        return None


def hash_of_subject(kind: Kind, subject: Json) -> str | None:
    """What an approval of this subject binds to; None when it is none."""
    if kind is not Kind.PLAN_CHANGE:
        return digest(subject)
    try:
        return subject_hash(PlanChangeSubject.model_validate(subject))
    except ValidationError:
        return None


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
