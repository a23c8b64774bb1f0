"""The shape of an operation's evidence: everything that our records know of it, in one JSON document.

`document_hash` is the hash of everything else in it; the timeline's chain and the hashes on it tie the parts
to each other, so that one who alters a part has to alter all of it.
"""

from typing import Any, Literal

from pydantic import AwareDatetime

from .hashing import digest, exact
from .money import Money
from .operations import CUSTOMER, SYSTEM, Kind, Message, Problem, State
from .timeline import Event

FORMAT: Literal["plixo.evidence/1"] = "plixo.evidence/1"

Json = dict[str, Any]


class OrganizationRecord(Message):
    id: str
    name: str


class OperationRecord(Message):
    id: str
    kind: Kind
    state: State
    stage: str
    request: Json
    subject: Json | None
    requested_by: str
    created_at: AwareDatetime
    updated_at: AwareDatetime
    closed_at: AwareDatetime | None
    result: Json | None
    error: Json | None
    workflow_id: str


class SignatureRecord(Message):
    person: str
    role: str
    at: AwareDatetime
    for_person: str | None = None


class DecisionRecord(Message):
    id: str
    person: str
    for_person: str | None
    decision: str
    comment: str | None
    subject_hash: str
    state: Literal["pending", "accepted", "refused"]
    refusal: Problem | None
    created_at: AwareDatetime
    settled_at: AwareDatetime | None


class ApprovalRecord(Message):
    """One round: what was put before whom, by which ladder and authority, and what they made of it."""

    id: str
    round: int
    state: str
    subject: Json
    subject_hash: str
    reason: str | None
    rule: str | None
    amount: Money | None
    customer: str | None
    authority: Json | None
    counted: list[str]
    ladder: list[Json]
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    decided_by: str | None
    signatures: list[SignatureRecord]
    decisions: list[DecisionRecord]


class CommitmentRecord(Message):
    """Money set aside, of one payment where it is of one, and whose authority it counts in."""

    part: int
    payment_intent: str | None
    customer: str | None
    amount: Money
    person: str | None
    """None for what was made in Stripe itself."""
    authority_of: str | None
    decided_at: AwareDatetime | None
    released_at: AwareDatetime | None
    created_at: AwareDatetime


class IntentRecord(Message):
    """One thing that was asked of Stripe, under its idempotency key, and how it ended."""

    idempotency_key: str
    step: str
    version: int
    effect: str
    params_hash: str
    state: Literal["open", "done", "refused"]
    attempts: int
    stripe_id: str | None
    stripe_request: str | None
    result: Json | None
    error: Json | None
    read_back: bool
    created_at: AwareDatetime
    closed_at: AwareDatetime | None


class NoteRecord(Message):
    id: str
    seq: int
    text: str
    author: str
    at: AwareDatetime


class NoticeRecord(Message):
    id: str
    kind: str
    state: str
    subject: Json
    deadline: AwareDatetime
    created_at: AwareDatetime
    acknowledged_at: AwareDatetime | None
    acknowledged_by: str | None


class MailRecord(Message):
    """A mail that the mail server took; its recipient by person, without the address."""

    message_id: str
    template: str
    recipient: str
    sent_at: AwareDatetime


class PersonRecord(Message):
    """Somebody who is named in the document, as they are now."""

    id: str
    name: str
    roles: list[str]


class StripeRecords(Message):
    """Our mirror of what Stripe holds, each with the time at which it was read."""

    payments: list[Json]
    refunds: list[Json]
    credit_notes: list[Json]
    balance_transactions: list[Json]


class Evidence(Message):
    """All of it but for the document's own hash."""

    format: Literal["plixo.evidence/1"] = FORMAT
    read_at: AwareDatetime
    organization: OrganizationRecord
    operation: OperationRecord
    policy: Json
    policy_hash: str
    approvals: list[ApprovalRecord]
    commitments: list[CommitmentRecord]
    intents: list[IntentRecord]
    notes: list[NoteRecord]
    notices: list[NoticeRecord]
    mails: list[MailRecord]
    people: list[PersonRecord]
    stripe: StripeRecords
    timeline: list[Event]
    head: str
    """The hash of the last event."""


class Sealed(Evidence):
    """The whole document."""

    document_hash: str


def sealed(evidence: Evidence) -> Json:
    """The document as JSON with its `document_hash`. Floats, of which a policy has a few, are text in it."""
    content: Json = exact(evidence.model_dump(mode="json"))
    return content | {"document_hash": digest(content)}


def named_people(evidence: Evidence) -> set[str]:
    """The ids of everybody whom the document names as having done, decided or got something."""
    operation, people = evidence.operation, set[str | None]()
    people.add(operation.requested_by)
    for approval in evidence.approvals:
        people.add(approval.decided_by)
        people |= {who for said in approval.signatures for who in (said.person, said.for_person)}
        people |= {who for said in approval.decisions for who in (said.person, said.for_person)}
    for commitment in evidence.commitments:
        people |= {commitment.person, commitment.authority_of}
    people |= {note.author for note in evidence.notes}
    people |= {notice.acknowledged_by for notice in evidence.notices}
    people |= {mail.recipient for mail in evidence.mails}
    people |= {event.actor for event in evidence.timeline if event.actor.startswith("per_")}
    return {person for person in people - {SYSTEM, CUSTOMER} if person is not None}
