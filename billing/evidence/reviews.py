"""The links of evidence about who allowed it: approvals with what people said, and money under authority."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..approvals.authorship import people
from ..core.events import WITHIN_AUTHORITY, EventCode
from ..core.operations import SYSTEM, Kind
from ..operations.kinds import KINDS
from .document import Evidence
from .links import BrokenLink, as_object, contradicting, hash_of_subject, pointer_to, pointer_to_event
from .records import ApprovalRecord, DecisionRecord, Json, SignatureRecord
from .timeline import Event

VERDICTS = {
    "approve": (EventCode.APPROVED, EventCode.PARTLY_APPROVED),
    "reject": (EventCode.REJECTED,),
    "request_changes": (EventCode.CHANGES_REQUESTED,),
}
"""The events of a decision, by what was decided."""

ENDS: Mapping[str, str] = {
    EventCode.APPROVED: "approved",
    EventCode.REJECTED: "rejected",
    EventCode.CHANGES_REQUESTED: "changes_requested",
    EventCode.REVIEW_EXPIRED: "expired",
    EventCode.REVIEW_DISMISSED: "dismissed",
    EventCode.REVIEW_SUPERSEDED: "superseded",
}
"""The events that end an approval, and the state that it then has."""

AUTHORITY_MARKS = {"round", "person", "customer", "amount", "limits", "used"}
"""What the detail of an event has that weighs money against authority."""


def check_approvals(evidence: Evidence) -> Iterator[BrokenLink]:
    """Each was asked for on exactly its subject, and each yes or no has its event and the other way round."""
    for place, approval in enumerate(evidence.approvals):
        pointer = pointer_to("approvals", place)
        for why in _faults(evidence, approval):
            yield BrokenLink(pointer, why)
        yield from _faults_of_decisions(evidence, approval)
    known = {approval.id for approval in evidence.approvals}
    for event in evidence.timeline:
        if event.code == EventCode.REVIEW_REQUESTED and str(event.detail.get("approval")) not in known:
            yield BrokenLink(pointer_to_event(event), "the approval that it asks for is not there")
    for place, decision in enumerate(evidence.decisions):
        if decision.approval not in known:
            yield BrokenLink(pointer_to("decisions", place), "the approval that it is on is not there")


def _faults(evidence: Evidence, approval: ApprovalRecord) -> Iterator[str]:
    if hash_of_subject(evidence.operation.kind, approval.subject) != approval.subject_hash:
        yield "its subject does not have its subject_hash"
    asked = [event for event in _of(evidence, approval) if event.code == EventCode.REVIEW_REQUESTED]
    wanted = (approval.subject_hash, approval.round, approval.opened_at)
    if [(one.detail.get("subject_hash"), one.detail.get("round"), one.at) for one in asked] != [wanted]:
        yield "the timeline does not ask for it, then and on this subject"
        return
    other = contradicting(evidence.operation.kind, approval.subject, evidence.timeline[: asked[0].seq])
    if other is not None:
        yield f"event {other.seq} is about another subject"
    if approval.authors != evidence.operation.authors[: len(approval.authors)] or not approval.authors:
        yield "its authors are not those of the operation"
    if _terms(approval) != _expected_terms(evidence, approval):
        yield "amount, customer and authority are not the subject's and the policy's"
    yield from _unlike_its_end(evidence, approval)
    spoken = _spoken(evidence, approval)
    for signature in approval.signatures:
        event = spoken.get(signature.person)
        if event is None:
            yield f"the timeline has no approval by {signature.person}"
        elif (signature.role, signature.at) != (event.detail.get("role"), event.at):
            yield f"event {event.seq} has another role or time than the signature of {signature.person}"
        elif not _holds_role(signature, event):
            yield f"who approved as {signature.role} in event {event.seq} did not hold that role"


def _terms(approval: ApprovalRecord) -> tuple[Any, ...]:
    amount = approval.amount.model_dump() if approval.amount else None
    return amount, approval.customer, approval.authority


def _expected_terms(evidence: Evidence, approval: ApprovalRecord) -> tuple[Any, ...]:
    """The amount and the customer are the subject's, the authority that it takes is the policy's."""
    kind, subject = evidence.operation.kind, approval.subject
    amount, customer = subject.get("amount"), subject.get("customer")
    if kind is Kind.CANCELLATION and as_object(amount).get("amount_minor"):
        customer = None  # it is the organization's own money
    elif not KINDS[kind].gives_money:
        return None, None, None  # a review confirms lines, whatever they come to
    limits = as_object(evidence.policy.get("authority"))
    return amount, customer, limits.get(kind.value, {})


def _holds_role(signature: SignatureRecord, event: Event) -> bool:
    """As the event introduced them; a delegate has it of whom they decide for."""
    holder = event.names.get(signature.for_person or signature.person, {})
    roles = holder.get("roles")
    return isinstance(roles, list) and signature.role in roles


def _unlike_its_end(evidence: Evidence, approval: ApprovalRecord) -> Iterator[str]:
    """How it ended, by whom and when, is what the event says that ended it."""
    ends = [event for event in _of(evidence, approval) if event.code in ENDS]
    if not ends:
        if approval.state != "open":
            yield f"the timeline does not say that it is {approval.state}"
        return
    event = ends[-1]
    decider = None if event.actor == SYSTEM else event.actor
    said = (ENDS[event.code], decider, event.at)
    if (approval.state, approval.decided_by, approval.closed_at) != said:
        yield f"event {event.seq} ended it otherwise, by another or at another time"


def _faults_of_decisions(evidence: Evidence, approval: ApprovalRecord) -> Iterator[BrokenLink]:
    spoken = _spoken(evidence, approval)
    decided: set[str] = set()
    for place, decision in enumerate(evidence.decisions):
        if decision.approval != approval.id:
            continue
        decided.add(decision.person)
        for why in _unlike_its_event(approval, decision, spoken.get(decision.person)):
            yield BrokenLink(pointer_to("decisions", place), why)
        if decision.for_person is not None and not _lent(evidence, decision):
            why = f"no delegation lets {decision.person} decide for {decision.for_person}"
            yield BrokenLink(pointer_to("decisions", place), why)
        for author in people(approval.authors):
            if author in (decision.person, decision.for_person):
                yield BrokenLink(pointer_to("decisions", place), f"{author} shaped what this decides on")
    for person, event in spoken.items():
        if person not in decided:
            yield BrokenLink(pointer_to_event(event), "the decision that it tells of is not there")


def _lent(evidence: Evidence, decision: DecisionRecord) -> bool:
    """Whether a delegation of that moment lets them decide in the other's place."""
    return any(
        (one.from_person, one.to_person) == (decision.for_person, decision.person)
        and one.approval in (None, decision.approval)
        and max(one.starts_at, one.accepted_at) <= decision.decided_at < one.ends_at
        for one in evidence.delegations
    )


def _unlike_its_event(
    approval: ApprovalRecord, decision: DecisionRecord, event: Event | None
) -> Iterator[str]:
    if event is None:
        yield f"the timeline has no decision of {decision.person}"
        return
    if any(of != approval.subject_hash for of in (decision.subject_hash, event.detail.get("subject_hash"))):
        yield "it is on another subject than the approval's"
    if event.detail.get("for_person") != decision.for_person:
        yield f"event {event.seq} names another for whom they decided"
    if decision.comment != event.detail.get("comment") or not _verdict_fits(decision.decision, event):
        yield f"event {event.seq} says something else"


def _of(evidence: Evidence, approval: ApprovalRecord) -> Iterator[Event]:
    return (event for event in evidence.timeline if event.detail.get("approval") == approval.id)


def _spoken(evidence: Evidence, approval: ApprovalRecord) -> dict[str, Event]:
    """The events by which people had their say: only those name what it was about."""
    return {
        event.actor: event
        for event in _of(evidence, approval)
        if "subject_hash" in event.detail and event.code != EventCode.REVIEW_REQUESTED
    }


def _verdict_fits(verdict: str, event: Event) -> bool:
    return event.code in VERDICTS.get(verdict, ())


def check_authors(evidence: Evidence) -> Iterator[BrokenLink]:
    """Whoever shaped the operation has the event that says so, and the other way round.

    None of them accepted what came of it, nobody's authority but theirs was asked before an approval, and
    nobody had tried again what they had approved.
    """
    by_actor = {(event.actor, event.at): event for event in evidence.timeline}
    for place, author in enumerate(evidence.operation.authors):
        if (author.person, author.at) not in by_actor:
            yield BrokenLink(pointer_to("operation", "authors", place), "no event of theirs is of that time")
    authors = {(author.person, author.at) for author in evidence.operation.authors}
    for actor, event in by_actor.items():
        if event.code == EventCode.REVISION_REQUESTED and actor not in authors:
            yield BrokenLink(pointer_to_event(event), "whoever revised it is not among its authors")
    shapers = [author.person for author in evidence.operation.authors]  # a forged id need not be hashable
    for event in evidence.timeline:
        if event.code == EventCode.ACCEPTED_AS_IN_STRIPE and event.actor in shapers:
            yield BrokenLink(pointer_to_event(event), f"{event.actor} accepts what came of their own request")
        asked = event.detail["person"] if event.detail.keys() >= AUTHORITY_MARKS else None
        if asked is not None and asked not in shapers:
            yield BrokenLink(pointer_to_event(event), "it is weighed against somebody who did not shape it")
    spent = {held.authority_of for held in evidence.commitments}
    yeses = _last_yeses(evidence)
    for place, author in enumerate(evidence.operation.authors):
        if author.how == "retried" and author.person in yeses and yeses & spent:
            yield BrokenLink(
                pointer_to("operation", "authors", place), "they had tried again what they approved"
            )


def _last_yeses(evidence: Evidence) -> set[str | None]:
    approved = [one for one in evidence.approvals if one.state == "approved"]
    signatures = approved[-1].signatures if approved else []
    return {person for one in signatures for person in (one.person, one.for_person)}


def check_commitments(evidence: Evidence) -> Iterator[BrokenLink]:
    """What is set aside is what was weighed against authority, and counts in that which covered it."""
    weighed = [event for event in evidence.timeline if event.detail.keys() >= AUTHORITY_MARKS]
    if KINDS[evidence.operation.kind].gives_money:
        rounds = [event.detail["round"] for event in weighed]  # a forged one need not be hashable
        for place, approval in enumerate(evidence.approvals):
            if approval.round not in rounds:
                yield BrokenLink(pointer_to("approvals", place), "no event weighs its amount")
    if not weighed:
        if evidence.commitments:
            yield BrokenLink("/commitments", "the timeline does not weigh them against any authority")
        return
    last = weighed[-1]
    allowed = _covering(evidence, last)
    sums: dict[str, int] = {}
    for place, held in enumerate(evidence.commitments):
        pointer = pointer_to("commitments", place)
        if held.created_at != last.at:
            if held.released_at is None:
                yield BrokenLink(pointer, f"it is not what event {last.seq} weighed")
            continue
        amount = held.amount
        sums[amount.currency] = sums.get(amount.currency, 0) + amount.amount_minor
        if (held.person, held.customer) != (last.detail["person"], last.detail["customer"]):
            yield BrokenLink(pointer, f"event {last.seq} weighed it for others")
        if held.authority_of is not None and held.authority_of not in allowed:
            yield BrokenLink(pointer, f"nothing says that the authority of {held.authority_of} covers it")
    totals: list[Json] = [{"amount_minor": sums[currency], "currency": currency} for currency in sums]
    if totals != [last.detail["amount"]]:
        yield BrokenLink("/commitments", f"event {last.seq} weighed another amount")


def _covering(evidence: Evidence, weighed: Event) -> list[object]:
    """Whose authority covers it: the requester's own, or that of the approval after it."""
    own = [weighed.detail["person"]] if weighed.code in WITHIN_AUTHORITY else []
    after = evidence.timeline[weighed.seq :]
    return own + [event.detail["authority_of"] for event in after if "authority_of" in event.detail]
