"""The records of an operation's evidence: what an operation is, who allowed it, what was done and told.

The event that is written with a record carries its hash; every field of it is covered.
"""

from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime

from ..approvals.authorship import Author, people
from ..core.money import Money
from ..core.operations import Kind, Message, State

Json = dict[str, Any]


class Record(Message):
    """A part of the document, as its hash in the timeline covers it."""

    part: ClassVar[str]
    """Where the document lists it."""

    @property
    def id_in_part(self) -> str:
        """What tells it from the others of its part."""
        raise NotImplementedError

    @property
    def record_name(self) -> str:
        """What events call it."""
        return f"{self.part}/{self.id_in_part}"

    def people(self) -> set[str | None]:
        """The ids of those whom it names."""
        return set()


class OperationRecord(Record):
    part: ClassVar[str] = "operation"

    id: str
    organization: str
    kind: Kind
    state: State
    stage: str
    request: Json
    subject: Json | None
    requested_by: str
    authors: list[Author]
    """Who asked for it, revised it or had it tried again, in order."""
    created_at: AwareDatetime
    updated_at: AwareDatetime
    closed_at: AwareDatetime | None
    result: Json | None
    error: Json | None
    allowed_actions: list[str]
    """What could be asked of it, by whoever may."""
    approval: str | None
    """The last one that was asked for."""
    workflow_id: str

    @property
    def id_in_part(self) -> str:
        return self.id

    def people(self) -> set[str | None]:
        return {self.requested_by, *people(self.authors)}


class SignatureRecord(Message):
    person: str
    role: str
    at: AwareDatetime
    for_person: str | None = None


class ApprovalRecord(Record):
    """One round: what was put before whom, by which ladder and authority, and how it ended."""

    part: ClassVar[str] = "approvals"

    id: str
    round: int
    state: str
    subject: Json
    subject_hash: str
    requested_by: str
    authors: list[Author]
    """Who had shaped the subject by then: none of them decides on it."""
    revised: Json | None
    reason: str | None
    rule: str | None
    amount: Money | None
    customer: str | None
    authority: Json | None
    counted: list[str]
    rung: int
    ladder: list[Json]
    deadline: AwareDatetime | None
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    decided_by: str | None
    signatures: list[SignatureRecord]

    @property
    def id_in_part(self) -> str:
        return self.id

    def people(self) -> set[str | None]:
        signed = {person for one in self.signatures for person in (one.person, one.for_person)}
        return {self.requested_by, self.decided_by, *people(self.authors)} | signed


class DecisionRecord(Record):
    """What somebody decided on an approval."""

    part: ClassVar[str] = "decisions"

    id: str
    approval: str
    person: str
    for_person: str | None
    decision: str
    comment: str | None
    subject_hash: str
    decided_at: AwareDatetime

    @property
    def id_in_part(self) -> str:
        return self.id

    def people(self) -> set[str | None]:
        return {self.person, self.for_person}


class DelegationRecord(Record):
    """By which somebody decided in another's place, as it was agreed."""

    part: ClassVar[str] = "delegations"

    id: str
    from_person: str
    to_person: str
    role: str | None
    """None for all that the delegator has."""
    approval: str | None
    """The only approval that it is for; None for every one."""
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    accepted_at: AwareDatetime
    reason: str
    created_by: str
    created_at: AwareDatetime

    @property
    def id_in_part(self) -> str:
        return self.id

    def people(self) -> set[str | None]:
        return {self.from_person, self.to_person, self.created_by}


class CommitmentRecord(Record):
    """Money set aside, of one payment where it is of one, and whose authority it counts in."""

    part: ClassVar[str] = "commitments"

    number: int
    payment_intent: str | None
    customer: str | None
    amount: Money
    person: str | None
    """None for what was made in Stripe itself."""
    authority_of: str | None
    decided_at: AwareDatetime | None
    released_at: AwareDatetime | None
    created_at: AwareDatetime

    @property
    def id_in_part(self) -> str:
        return str(self.number)

    def people(self) -> set[str | None]:
        return {self.person, self.authority_of}


class IntentRecord(Record):
    """One thing that was asked of Stripe, under its idempotency key, and what Stripe answered."""

    part: ClassVar[str] = "intents"

    idempotency_key: str
    step: str
    version: int
    effect: str
    target: str
    """The Stripe id that the call went to."""
    params: Json
    params_hash: str
    """Of the target and the parameters: what a later attempt had to match."""
    state: Literal["open", "done", "refused"]
    stripe_id: str | None
    stripe_request: str | None
    result: Json | None
    """The object as Stripe answered."""
    error: Json | None
    read_back: bool
    created_at: AwareDatetime
    closed_at: AwareDatetime | None

    @property
    def id_in_part(self) -> str:
        return self.idempotency_key


class NoteRecord(Record):
    part: ClassVar[str] = "notes"

    id: str
    seq: int
    text: str
    author: str
    at: AwareDatetime

    @property
    def id_in_part(self) -> str:
        return self.id

    def people(self) -> set[str | None]:
        return {self.author}


class CommentRecord(Record):
    """What somebody said to the others about it."""

    part: ClassVar[str] = "comments"

    id: str
    seq: int
    text: str
    author: str
    at: AwareDatetime

    @property
    def id_in_part(self) -> str:
        return self.id

    def people(self) -> set[str | None]:
        return {self.author}


class NoticeRecord(Record):
    """What Finance was told and has to acknowledge."""

    part: ClassVar[str] = "notices"

    id: str
    kind: str
    state: str
    subject: Json
    deadline: AwareDatetime
    created_at: AwareDatetime
    acknowledged_at: AwareDatetime | None
    acknowledged_by: str | None
    superseded_at: AwareDatetime | None
    superseded_because: str | None
    superseded_by: str | None
    """The notice that replaces it; None where the operation has ended."""

    @property
    def id_in_part(self) -> str:
        return self.id

    def people(self) -> set[str | None]:
        return {self.acknowledged_by}


class MailRecord(Record):
    """A mail that the mail server took; its recipient by person, without the address."""

    part: ClassVar[str] = "mails"

    message_id: str
    template: str
    recipient: str
    sent_at: AwareDatetime

    @property
    def id_in_part(self) -> str:
        return self.message_id

    def people(self) -> set[str | None]:
        return {self.recipient}
