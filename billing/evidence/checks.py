"""What is checked of an operation's evidence, in this order: what comes first is what the rest is held
against, and of what does not hang together nothing more is said.
"""

from collections.abc import Callable, Iterator, Sequence

from .binding import check_chain, check_order, check_people, check_records, check_request
from .document import Evidence
from .effects import check_intents, check_result
from .links import BrokenLink, contradicting
from .reviews import check_approvals, check_authors, check_commitments


def check_subject(evidence: Evidence) -> Iterator[BrokenLink]:
    """The operation's subject is the one that was last checked, previewed or put up for review."""
    subject = evidence.operation.subject
    marks = {"subject_hash", "proration_date"}
    about = [event for event in evidence.timeline if marks.intersection(event.detail)]
    if subject is None:
        if about:
            yield BrokenLink("/operation/subject", f"event {about[-1].seq} is about one, and there is none")
        return
    if not about:
        yield BrokenLink("/operation/subject", "the timeline has no event on it")
        return
    other = contradicting(evidence.operation.kind, subject, about)
    if other is not None:
        yield BrokenLink("/operation/subject", f"it is not the one that event {other.seq} is about")


Check = Callable[[Evidence], Iterator[BrokenLink]]

STAGES: Sequence[Sequence[Check]] = (
    (check_chain,),
    (check_records, check_order, check_request, check_people),
    (check_approvals, check_authors, check_commitments, check_intents, check_result, check_subject),
)


def broken_links(evidence: Evidence) -> list[BrokenLink]:
    """Everything that does not hold; nothing is whole evidence."""
    for checks in STAGES:
        broken = [link for check in checks for link in check(evidence)]
        if broken:
            return broken
    return []
