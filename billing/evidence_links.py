"""What the checks of evidence have in common: the link that does not hold, and what a subject hashes to."""

from collections.abc import Sequence

from pydantic import ValidationError

from .evidence_document import Json
from .hashing import digest
from .operations import Kind
from .plan_change import Subject as PlanChangeSubject
from .plan_change import subject_hash
from .plan_change_report import preview_detail
from .timeline import Event


class BrokenLink(Exception):
    """What does not hold: the part of the evidence, and why."""

    def __init__(self, link: str, why: str) -> None:
        super().__init__(f"{link}: {why}")
        self.link, self.why = link, why


def contradicting(kind: Kind, subject: Json, told: Sequence[Event]) -> Event | None:
    """Of the events that were told so far, the one that is about another subject; None if none is.

    Checks and reviews carry the subject's hash. The previews of a plan change, which come before them, carry
    the lines themselves: the hash leaves their wording out.
    """
    hashes = [event for event in told if "subject_hash" in event.detail]
    previews = [event for event in told if "proration_date" in event.detail]
    if previews and _without_moves(previews[-1].detail) != _preview(subject):
        return previews[-1]
    if not hashes or (previews and previews[-1].seq > hashes[-1].seq):
        return None
    return hashes[-1] if hash_of_subject(kind, subject) != hashes[-1].detail["subject_hash"] else None


def hash_of_subject(kind: Kind, subject: Json) -> str | None:
    """What an approval of this subject binds to; None when it is none."""
    if kind is not Kind.PLAN_CHANGE:
        return digest(subject)
    read = _plan_change(subject)
    return subject_hash(read) if read else None


def _without_moves(detail: Json) -> Json:
    return {name: said for name, said in detail.items() if name != "became"}


def _preview(subject: Json) -> Json | None:
    read = _plan_change(subject)
    return preview_detail(read) if read else None


def _plan_change(subject: Json) -> PlanChangeSubject | None:
    try:
        return PlanChangeSubject.model_validate(subject)
    except ValidationError:
        return None
