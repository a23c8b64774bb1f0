"""The mark that a decision carries: nobody can make one who has only the database.

An approval in the records lets money move, and whoever can write there could approve anything by two rows. So
the API marks a decision as it takes it, with a key that the database doesn't hold, and the worker acts on no
other.
"""

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from ..core.keys import Keys

FORGED = "decision_forged"
FORGED_MESSAGE = (
    "The records say that this was approved, but Plixo Billing has taken no such decision. Nothing was done: "
    "tell whoever runs Plixo Billing, and ask again."
)


class MarkedDecision(Protocol):
    """What of a decision its mark is of."""

    @property
    def approval_id(self) -> str: ...
    @property
    def organization_id(self) -> str: ...
    @property
    def person_id(self) -> str: ...
    @property
    def decision(self) -> str: ...
    @property
    def comment(self) -> str | None: ...
    @property
    def subject_hash(self) -> str: ...
    @property
    def decided_at(self) -> datetime: ...
    @property
    def for_person(self) -> str | None: ...


class DecisionMarks(NamedTuple):
    """Makes marks and knows those that were made, by keys of their own. Without keys there are none."""

    keys: Keys | None

    @classmethod
    def of(cls, keys: Keys | None) -> "DecisionMarks":
        """By the keys of the process."""
        return cls(keys.derived("decisions") if keys is not None else None)

    def mark(self, decision: MarkedDecision) -> str:
        """`keyid:hex`; empty without keys."""
        if self.keys is None:
            return ""
        id_ = self.keys.current
        return f"{id_}:{_digest(self.keys.by_id, id_, decision)}"

    def knows(self, mark: str) -> bool:
        """Whether the mark can be judged: it was made with one of these keys, or there is none."""
        return self.keys is not None and (not mark or mark.partition(":")[0] in self.keys.by_id)

    def holds(self, decision: MarkedDecision, mark: str) -> bool:
        """Whether the decision was made where the keys are; any is, without keys."""
        if self.keys is None or (self.keys.plain and not mark):
            return True
        id_, _, digest = mark.partition(":")
        if id_ not in self.keys.by_id:
            return False
        return hmac.compare_digest(digest, _digest(self.keys.by_id, id_, decision))


UNMARKED = DecisionMarks(None)
"""Where there are no keys."""


def _digest(keys: Mapping[str, bytes], id_: str, decision: MarkedDecision) -> str:
    said = [
        decision.approval_id,
        decision.organization_id,
        decision.person_id,
        decision.decision,
        decision.comment,
        decision.subject_hash,
        decision.decided_at.isoformat(),
        decision.for_person,
    ]
    return hmac.new(keys[id_], json.dumps(said).encode(), "sha256").hexdigest()
