"""Checks files together: what one has, another has kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..document import Evidence
from .checks import (
    SealedAt,
    SealFault,
    broken_heads,
    broken_operation,
    broken_roots,
    broken_totals,
    by_operation,
    distinct,
    missing_roots,
    removed,
    unsealed,
)
from .files import File, kept_and_own
from .roots import SealedHead, SignedRoot
from .signing import PublicKey

Heads = Mapping[int, Sequence[SealedHead]]


class Judgment(NamedTuple):
    """What was found: nothing is wrong without `faults`; `remarks` say what was checked, and what was not."""

    faults: list[SealFault]
    remarks: list[str]


def judge(files: Sequence[File]) -> Judgment:
    """Checks all of them."""
    roots, faults = distinct(root for file in files for root in file.roots)
    keys, kept = kept_and_own(files)
    given = [root for file in files for root in file.roots if root not in roots]
    faults += broken_roots(roots, keys)
    faults += [fault for root in given for fault in broken_roots([root], keys)]
    heads, broken = _heads(files, roots)
    faults += broken
    if [root.number for root in roots] == [*range(1, len(roots) + 1)] == sorted(heads):
        faults += broken_totals(roots, heads)
    sealed, broken = _sealed(files, roots, heads)
    faults += broken
    read = _Operations(roots, sealed)
    for file in files:
        faults += read.of(file)
        faults += file.faults
    return Judgment(list(dict.fromkeys(faults)), [*_told(roots, keys, kept), *read.remarks()])


def _heads(files: Sequence[File], roots: Sequence[SignedRoot]) -> tuple[Heads, list[SealFault]]:
    """The heads of each root, from whichever export has them as they were; and what is wrong in others."""
    right: dict[int, list[SealedHead]] = {}
    wrong: list[tuple[SignedRoot, Sequence[SealedHead], list[SealFault]]] = []
    faults: list[SealFault] = []
    by_number = {root.number: root for root in roots}
    for file in (file for file in files if file.export is not None):
        faults += missing_roots(sorted(file.roots, key=lambda root: root.number))
        own = {root.number: root for root in file.roots}
        faults += [
            SealFault(f"the heads of root {number}", "they were added: that root is not there")
            for number in sorted(file.heads.keys() - own.keys())
        ]
        for number in sorted(own):
            root, listed = by_number[number], file.heads.get(number, [])
            broken = list(broken_heads(root, listed))
            if broken:
                wrong.append((root, listed, broken))
            else:
                right[number] = listed
    for root, altered, broken in wrong:
        faults += broken
        if root.number in right:
            faults += _differences(root, altered, right[root.number])
    return right, faults


def _differences(
    root: SignedRoot, listed: Sequence[SealedHead], right: Sequence[SealedHead]
) -> Iterator[SealFault]:
    """By name, what somebody did to a list of heads of which another file has the right one."""
    now = {one.operation: one for one in listed}
    was = {one.operation: one for one in right}
    for operation in sorted(was.keys() - now.keys()):
        yield removed(operation, [SealedAt(root, was[operation])])
    for operation in sorted(now.keys() - was.keys()):
        yield SealFault(operation, f"it was added to the heads of {root.called}")
    for operation in sorted(now.keys() & was.keys()):
        if now[operation] != was[operation]:
            yield SealFault(operation, f"its head was altered among those of {root.called}")


def _sealed(
    files: Sequence[File], roots: Sequence[SignedRoot], heads: Heads
) -> tuple[dict[str, list[SealedAt]], list[SealFault]]:
    """The heads of each operation, of exports and of seals; and the seals that do not hold."""
    found = by_operation(roots, heads)
    faults = []
    for seal in (seal for file in files for seal in file.seals):
        if not seal.holds():
            why = f"its seal does not lead to {seal.root.called}: one of the two was altered"
            faults.append(SealFault(seal.head.operation, why))
        elif seal.root in roots:
            of = found.setdefault(seal.head.operation, [])
            if SealedAt(seal.root, seal.head) not in of:
                of.append(SealedAt(seal.root, seal.head))
                of.sort(key=lambda one: one.root.number)
    return found, faults


@dataclass
class _Operations:
    """The operations of all files, as they are read."""

    roots: Sequence[SignedRoot]
    sealed: Mapping[str, Sequence[SealedAt]]
    timelines: dict[str, list[str]] = field(default_factory=dict)
    """Of each operation the hashes of its events, of the document that has most."""
    events: int = 0
    open: int = 0
    """Events that no root stands for yet."""

    def of(self, file: File) -> Iterator[SealFault]:
        """What is wrong in a file."""
        there: set[str] = set()
        broken: set[str] = set()
        for one in file.evidence():
            yield from one.faults
            if one.evidence is None:
                broken |= {fault.about for fault in one.faults}
                continue
            operation = one.evidence.operation.id
            if operation in there:
                yield SealFault(operation, "it is there twice")
            there.add(operation)
            yield from self._one(one.evidence)
        if file.export is not None:
            for operation in sorted({head.operation for of in file.heads.values() for head in of}):
                if operation not in there | broken and operation in self.sealed:
                    yield removed(operation, self.sealed[operation])

    def _one(self, evidence: Evidence) -> Iterator[SealFault]:
        operation, hashes = evidence.operation.id, [event.hash for event in evidence.timeline]
        sealed = self.sealed.get(operation, ())
        yield from broken_operation(evidence, sealed, self.roots)
        known = self.timelines.setdefault(operation, hashes)
        shorter, longer = sorted((known, hashes), key=len)
        if longer[: len(shorter)] != shorter:
            yield SealFault(operation, "two files have different timelines of it: one was rewritten")
        self.timelines[operation] = longer
        self.events += len(hashes)
        self.open += max(0, unsealed(evidence, sealed))

    def remarks(self) -> Iterator[str]:
        if self.timelines:
            yield f"operations: {len(self.timelines)}, events: {self.events}"
        if self.open:
            yield f"events that no root given here has: {self.open}"


def _told(roots: Sequence[SignedRoot], keys: Mapping[str, PublicKey], kept: bool) -> Iterator[str]:
    if not roots:
        return
    first, last = roots[0], roots[-1]
    days = f"roots {first.number} to {last.number}, of {first.day} to {last.day}"
    yield f"{days}, hash of the last {last.hash()}"
    if keys and not kept:
        own = ", ".join(sorted(keys))
        yield f"the keys are the export's own: compare them with those that you kept: {own}"
