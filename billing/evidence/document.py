"""The shape of an operation's evidence: everything that our records know of it, in one JSON document.

Each record in it is bound to the timeline: the event that was written with it, in the same transaction,
carries its hash under its name. Who keeps the head, the hash of the last event, holds all of it.
"""

from collections.abc import Iterator
from typing import Literal

from ..core.hashing import digest, exact
from ..core.operations import CUSTOMER, SYSTEM, Message
from .records import (
    ApprovalRecord,
    CommentRecord,
    CommitmentRecord,
    DecisionRecord,
    DelegationRecord,
    IntentRecord,
    Json,
    MailRecord,
    NoteRecord,
    NoticeRecord,
    OperationRecord,
    Record,
)
from .timeline import Event

FORMAT: Literal["plixo.evidence/2"] = "plixo.evidence/2"

PEOPLE_IN_DETAIL = ("person", "for_person", "authority_of", "owner", "done_by", "by", "to")
"""Where the detail of an event has the id of a person."""


class Evidence(Message):
    """The whole document. Each part lists its records in the order in which the timeline first has them."""

    format: Literal["plixo.evidence/2"] = FORMAT
    operation: OperationRecord
    policy: Json
    """What event 1 has the hash of."""
    approvals: list[ApprovalRecord]
    decisions: list[DecisionRecord]
    delegations: list[DelegationRecord]
    """Those by which somebody decided in another's place."""
    commitments: list[CommitmentRecord]
    intents: list[IntentRecord]
    notes: list[NoteRecord]
    comments: list[CommentRecord]
    notices: list[NoticeRecord]
    mails: list[MailRecord]
    timeline: list[Event]
    head: str
    """The hash of the last event."""

    def records(self) -> Iterator[tuple[str, Record]]:
        """Every record with its JSON pointer."""
        yield "/operation", self.operation
        for part in PARTS:
            for place, record in enumerate(getattr(self, part)):
                yield f"/{part}/{place}", record


PARTS = tuple(
    kind.part
    for kind in (
        ApprovalRecord,
        DecisionRecord,
        DelegationRecord,
        CommitmentRecord,
        IntentRecord,
        NoteRecord,
        CommentRecord,
        NoticeRecord,
        MailRecord,
    )
)


def as_json(message: Message) -> Json:
    """As the document has it. Floats, of which a policy has a few, are text in it."""
    shown: Json = exact(message.model_dump(mode="json"))
    return shown


def record_hash(record: Record) -> str:
    """What an event carries of a record."""
    return digest(as_json(record))


def people_in_event(actor: str, detail: Json) -> set[str]:
    """The ids of people whom an event names."""
    named = {actor} | {detail[key] for key in PEOPLE_IN_DETAIL if isinstance(detail.get(key), str)}
    return named - {SYSTEM, CUSTOMER}
