"""The links of evidence about who allowed it: approvals with what people said, and money under authority."""

from collections.abc import Iterator
from typing import Any

from .events import REVIEW_REQUESTED, WITHIN_AUTHORITY
from .evidence_document import ApprovalRecord, DecisionRecord, Evidence, SignatureRecord
from .evidence_links import BrokenLink, contradicting, hash_of_subject
from .operations import SYSTEM, Kind
from .timeline import Event

VERDICTS = {"reject": "rejected", "request_changes": "changes requested"}

ENDS = {
    "approved": "approved",
    "rejected": "rejected",
    "changes requested": "changes_requested",
    "review expired": "expired",
    "review dismissed": "dismissed",
}
"""The events that end an approval, and the state that it then has."""

AUTHORITY_MARKS = {"round", "person", "customer", "amount", "limits", "used"}
"""What the detail of an event has that weighs money against authority."""


def check_approvals(evidence: Evidence) -> None:
    """Each was asked for on exactly its subject, and each yes or no has its event and the other way round."""
    for approval in evidence.approvals:
        named = f"approval {approval.id}"
        if hash_of_subject(evidence.operation.kind, approval.subject) != approval.subject_hash:
            raise BrokenLink(named, "its subject does not have its subject_hash")
        asked = [e for e in _of(evidence, approval) if e.event == REVIEW_REQUESTED]
        if [(e.detail.get("subject_hash"), e.detail.get("round"), e.at) for e in asked] != [
            (approval.subject_hash, approval.round, approval.opened_at)
        ]:
            raise BrokenLink(named, "the timeline does not ask for it, then and on this subject")
        other = contradicting(evidence.operation.kind, approval.subject, evidence.timeline[: asked[0].seq])
        if other is not None:
            raise BrokenLink(named, f"event {other.seq} is about another subject")
        _check_terms(evidence, approval)
        _check_said(evidence, approval)
        _check_end(evidence, approval)
    known = {approval.id for approval in evidence.approvals}
    for event in evidence.timeline:
        if event.event == REVIEW_REQUESTED and str(event.detail.get("approval")) not in known:
            raise BrokenLink(f"event {event.seq}", "the approval that it asks for is not there")


def _check_terms(evidence: Evidence, approval: ApprovalRecord) -> None:
    """The amount and the customer are the subject's, the authority that it takes is the policy's."""
    amount = approval.amount.model_dump() if approval.amount else None
    if evidence.operation.kind is Kind.PLAN_CHANGE:
        expected: tuple[Any, ...] = (None, None, None)  # a review confirms lines, whatever they come to
    else:
        subject, limits = approval.subject, evidence.policy.get("authority")
        allowed = limits.get(evidence.operation.kind.value, {}) if isinstance(limits, dict) else {}
        expected = (subject.get("amount"), subject.get("customer"), allowed)
    if (amount, approval.customer, approval.authority) != expected:
        raise BrokenLink(
            f"approval {approval.id}", "amount, customer and authority are not the subject's and the policy's"
        )


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
    """How it ended, by whom and when, is what the event says that ended it."""
    named = f"approval {approval.id}"
    ends = [event for event in _of(evidence, approval) if event.event in ENDS]
    if not ends:
        if approval.state != "open":
            raise BrokenLink(named, f"the timeline does not say that it is {approval.state}")
        return
    event = ends[-1]
    decider = None if event.actor == SYSTEM else event.actor
    said = (ENDS[event.event], decider, event.at)
    if (approval.state, approval.decided_by, approval.closed_at) != said:
        raise BrokenLink(named, f"event {event.seq} ended it otherwise, by another or at another time")


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
    last = weighed[-1]
    allowed = _covering(evidence, last)
    parts = []
    for held in evidence.commitments:
        named = f"commitment {held.part}"
        if held.created_at != last.at:
            if held.released_at is None:
                raise BrokenLink(named, f"it is not what event {last.seq} weighed")
            continue
        parts.append(held.amount)
        weighed_for = (last.detail["person"], last.detail["customer"])
        if (held.person, held.customer) != weighed_for:
            raise BrokenLink(named, f"event {last.seq} weighed it for others")
        if held.authority_of is not None and held.authority_of not in allowed:
            raise BrokenLink(named, f"nothing says that the authority of {held.authority_of} covers it")
    sums = {part.currency: sum(one.amount_minor for one in parts) for part in parts}
    if [{"amount_minor": total, "currency": currency} for currency, total in sums.items()] != [
        last.detail["amount"]
    ]:
        raise BrokenLink("commitments", f"event {last.seq} weighed another amount")


def _covering(evidence: Evidence, weighed: Event) -> list[object]:
    """Whose authority covers it: the requester's own, or that of the approval after it."""
    own = [weighed.detail["person"]] if weighed.event in WITHIN_AUTHORITY else []
    after = evidence.timeline[weighed.seq :]
    return own + [event.detail["authority_of"] for event in after if "authority_of" in event.detail]
