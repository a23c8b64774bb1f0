"""What daily roots show: that nothing they stand for was altered, removed, or added behind their back.

Each fault names what it is about and says in plain words what has happened.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from ..document import Evidence
from ..timeline import GENESIS, Event
from .roots import SealedHead, SignedRoot, Totals, tree_of
from .signing import PublicKey

LATE = timedelta(days=1)
"""An event is written when what it tells of happens. What was held up (the records were away) comes later,
but not by as much."""


class SealFault(NamedTuple):
    """What does not hold: what it is about, such as an operation or a root, and why."""

    about: str
    why: str

    def __str__(self) -> str:
        return f"{self.about}: {self.why}"


class SealedAt(NamedTuple):
    """An operation's head, and the root that stands for it."""

    root: SignedRoot
    head: SealedHead


def distinct(roots: Iterable[SignedRoot]) -> tuple[list[SignedRoot], list[SealFault]]:
    """Each root once, by number; and those of which there are two. The first one stands."""
    by_number: dict[int, SignedRoot] = {}
    faults = []
    for root in roots:
        stands = by_number.setdefault(root.number, root)
        if root != stands:
            why = "there are two different ones: what it stands for was replaced since it was first given out"
            faults.append(SealFault(root.called, why))
    return [by_number[number] for number in sorted(by_number)], faults


def broken_roots(roots: Sequence[SignedRoot], keys: Mapping[str, PublicKey]) -> Iterator[SealFault]:
    """What is wrong with roots themselves, in the order of their numbers: who signed them, and the chain.

    A chain that is cut off at its end is whole: only who has kept a later root notices.
    """
    for root in roots:
        key = keys.get(root.key)
        if key is None:
            yield SealFault(root.called, f"it is signed with a key that nobody knows, {root.key}")
        elif not key.signed(root.content(), root.signature):
            yield SealFault(root.called, "it was altered: its signature does not hold")
    for root in roots[:1]:
        if root.number == 1 and root.before != GENESIS:
            yield SealFault(root.called, "it is the first, and says that there was one before")
    for before, root in pairwise(roots):
        if root.number == before.number + 1 and root.before != before.hash():
            yield SealFault(root.called, f"it does not follow root {before.number}: one of them was replaced")
        if root.organization != before.organization:
            yield SealFault(root.called, f"it is of another organization than root {before.number}")


def missing_roots(roots: Sequence[SignedRoot]) -> Iterator[SealFault]:
    """Gaps among roots that are said to be all from the first to the last of them."""
    for before, root in pairwise(roots):
        for missing in range(before.number + 1, root.number):
            yield SealFault(f"root {missing}", "it is missing")


def broken_heads(root: SignedRoot, heads: Sequence[SealedHead]) -> Iterator[SealFault]:
    """Whether these are the heads that a root stands for."""
    if len(heads) != root.heads:
        number = f"{root.heads} operations had gone on, and {len(heads)} are listed"
        yield SealFault(root.called, f"its list of heads was altered: {number}")
    elif tree_of(heads) != root.merkle:
        yield SealFault(root.called, "its list of heads was altered: it does not lead to what was signed")


def broken_totals(
    roots: Sequence[SignedRoot], heads: Mapping[int, Sequence[SealedHead]]
) -> Iterator[SealFault]:
    """Whether roots count what their heads do; only of all of them, from the first."""
    totals = Totals()
    last: dict[str, SealedHead] = {}
    for root in roots:
        of_root = heads.get(root.number, ())
        totals = totals.after(of_root, last)
        last |= {one.operation: one for one in of_root}
        if totals != root.totals:
            yield SealFault(root.called, "it counts something else than its heads and those before do")
            return


def by_operation(
    roots: Sequence[SignedRoot], heads: Mapping[int, Sequence[SealedHead]]
) -> dict[str, list[SealedAt]]:
    """The heads of each operation, in the order of the roots."""
    found: dict[str, list[SealedAt]] = defaultdict(list)
    for root in roots:
        for head in heads.get(root.number, ()):
            found[head.operation].append(SealedAt(root, head))
    return dict(found)


def removed(operation: str, sealed: Sequence[SealedAt]) -> SealFault:
    """Of an operation that is not there any more."""
    root, head = sealed[-1]
    told = f"{head.events} events, {head.approvals} approvals and {head.intents} changes in Stripe"
    return SealFault(operation, f"it was removed: {root.called} stands for it, with {told}")


def broken_operation(
    evidence: Evidence, sealed: Sequence[SealedAt], roots: Sequence[SignedRoot]
) -> Iterator[SealFault]:
    """Whether an operation is what roots stand for: `sealed` has its heads, `roots` are all there are."""
    operation, timeline = evidence.operation.id, evidence.timeline
    for root, head in sealed:
        if root.organization != evidence.operation.organization:
            yield SealFault(operation, f"{root.called} is of another organization")
            return
        if len(timeline) < head.events:
            gone = f"its timeline ends with event {len(timeline)}, and {root.called} stands for {head.events}"
            yield SealFault(operation, f"the end was removed: {gone}")
            return
        if timeline[head.events - 1].hash != head.head:
            yield SealFault(
                operation,
                f"it was altered: event {head.events} or one before it is not what {root.called} stands for",
            )
            return
        if _told(timeline[: head.events]) != (head.approvals, head.decisions, head.intents):
            yield SealFault(
                operation,
                f"{root.called} counts {head.approvals} approvals, {head.decisions} decisions and "
                f"{head.intents} changes in Stripe, and its timeline told of others by then: some were added",
            )
    yield from _written_later(evidence, sealed, roots)


def unsealed(evidence: Evidence, sealed: Sequence[SealedAt]) -> int:
    """How many of an operation's events no root stands for yet."""
    return len(evidence.timeline) - (sealed[-1].head.events if sealed else 0)


def _told(events: Sequence[Event]) -> tuple[int, int, int]:
    names = {name for event in events for name in event.records}
    parts = [name.partition("/")[0] for name in names]
    return parts.count("approvals"), parts.count("decisions"), parts.count("intents")


def _written_later(
    evidence: Evidence, sealed: Sequence[SealedAt], roots: Sequence[SignedRoot]
) -> Iterator[SealFault]:
    """Events that say they are older than a root that does not have them."""
    for event in evidence.timeline:
        since = next((one.root for one in sealed if one.head.events >= event.seq), None)
        without = _should_have(event.at, since, roots)
        if without is None:
            continue
        what = "it was added later" if event.seq == 1 else f"event {event.seq} was added later"
        said = f"it says that it is of {event.at:%Y-%m-%d %H:%M} UTC, and {without.called} does not have it"
        yield SealFault(evidence.operation.id, f"{what}: {said}")
        return


def _should_have(at: datetime, since: SignedRoot | None, roots: Sequence[SignedRoot]) -> SignedRoot | None:
    """The first root that came long enough after, where it does not have the event. What is older than the
    roots that are known may stand in one before them."""
    if not roots or (roots[0].number > 1 and at < roots[0].sealed_at):
        return None
    first = next((root for root in roots if at < root.sealed_at - LATE), None)
    if first is None or (since is not None and since.number <= first.number):
        return None
    return first
