"""What the checks of evidence have in common: the link that does not hold, and what a subject hashes to."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from ..core.hashing import digest
from ..core.operations import Kind
from ..money.credit import bound_of_credit
from ..plan_changes.report import preview_detail
from ..plan_changes.subject import PlanChangeSubject, subject_hash
from .records import Json
from .timeline import Event


class BrokenLink(NamedTuple):
    """What does not hold: where it is in the document, as a JSON pointer (RFC 6901), and why."""

    pointer: str
    why: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.why}"


def pointer_to(*steps: str | int) -> str:
    """A JSON pointer."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def pointer_to_event(event: Event) -> str:
    return pointer_to("timeline", event.seq - 1)


def as_object(value: Any) -> Json:
    """A JSON object; anything else is an empty one to whoever looks for something in it."""
    return value if isinstance(value, dict) else {}


def contradicting(kind: Kind, subject: Json, told: Sequence[Event]) -> Event | None:
    """Of the events that were told so far, the one that is about another subject; None if none is.

    Checks and reviews carry the subject's hash. The previews of a plan change, which come before them, carry
    the lines themselves: the hash leaves their wording out.
    """
    hashes = [event for event in told if "subject_hash" in event.detail]
    previews = [event for event in told if "proration_date" in event.detail]
    if previews and previews[-1].detail != _preview(subject):
        return previews[-1]
    if not hashes or (previews and previews[-1].seq > hashes[-1].seq):
        return None
    return hashes[-1] if hash_of_subject(kind, subject) != hashes[-1].detail["subject_hash"] else None


def hash_of_subject(kind: Kind, subject: Json) -> str | None:
    """What an approval of this subject binds to; None when it is none."""
    if kind is Kind.CREDIT:
        return digest(bound_of_credit(subject))
    if kind is not Kind.PLAN_CHANGE:
        return digest(subject)
    read = _plan_change(subject)
    return subject_hash(read) if read else None


def _preview(subject: Json) -> Json | None:
    read = _plan_change(subject)
    return preview_detail(read) if read else None


def _plan_change(subject: Json) -> PlanChangeSubject | None:
    try:
        return PlanChangeSubject.model_validate(subject)
    except ValidationError:
        return None
