"""Who would be asked, if it were asked for now: the ladder as it would open, with those who can answer."""

from collections.abc import Sequence

from ..core.operations import Message, Role
from .deciders import Deciders
from .ladder import Opening, Refusal, Rung
from .progress import ApprovalProgress, Authority, evaluate_approval


class PossibleApprover(Message):
    """Somebody whom a rung asks, in which role, and for whom where they act for somebody else.

    `why_not` is why their yes would not count, such as an authority that is too small.
    """

    person: str
    role: Role
    for_person: str | None = None
    why_not: str | None = None


class RungPreview(Message):
    """A rung with whoever could answer it now; a `vacant` one says why nobody could."""

    rung: Rung
    people: tuple[PossibleApprover, ...]
    vacant: str | None = None


class ReviewPreview(Message):
    """The ladder as it would open now, and the index of the rung that would be asked first."""

    rungs: tuple[RungPreview, ...]
    first: int


def preview_review(opening: Opening, deciders: Deciders, authority: Authority | None) -> ReviewPreview:
    """With an `authority`, that of one of those who say yes must cover the amount."""
    return ReviewPreview(
        rungs=tuple(
            RungPreview(
                rung=rung,
                people=_approvers(opening.ladder, number, deciders, authority),
                vacant=deciders.why_vacant(rung),
            )
            for number, rung in enumerate(opening.ladder)
        ),
        first=opening.rung,
    )


def _approvers(
    ladder: Sequence[Rung], number: int, deciders: Deciders, authority: Authority | None
) -> tuple[PossibleApprover, ...]:
    """Each person once, as what they would decide when the rung is open."""
    progress = ApprovalProgress(deciders, ladder, number)
    found = []
    for person in sorted(deciders.pool.roles):
        asked = [one for one in deciders.capacities(person) if one.role in ladder[number].roles]
        if not asked:
            continue
        verdict = evaluate_approval(progress, person, authority)
        capacity, why_not = asked[0], None
        if isinstance(verdict, Refusal):
            why_not = verdict.message
        elif verdict.capacity in asked:
            capacity = verdict.capacity
        found.append(
            PossibleApprover(
                person=person, role=capacity.role, for_person=capacity.for_person, why_not=why_not
            )
        )
    return tuple(found)
