"""The root of a day: one signed line that stands for all of an organization's operations.

Each operation's timeline has a head, the hash that stands for everything recorded of it. A day's root is the
root of the tree over the heads that have moved since the root before, names that one by its hash, and is
signed. So who keeps the last root holds all that was ever recorded until then: whatever is altered or removed
later, by whoever, no longer fits.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

from pydantic import AwareDatetime

from ...core.hashing import canonical_json, digest
from ...core.operations import Message
from ..timeline import GENESIS
from .merkle import merkle_path, merkle_root, root_by_path
from .signing import Signer

ROOT_FORMAT: Literal["plixo.root/1"] = "plixo.root/1"
SEAL_FORMAT: Literal["plixo.seal/1"] = "plixo.seal/1"


class SealedHead(Message):
    """How far an operation had come when a root was made: the tree's leaf."""

    operation: str
    events: int
    """How many its timeline had; `head` is the hash of the last of them."""
    head: str
    approvals: int
    decisions: int
    intents: int
    """How many records of each the timeline had told of by then."""

    def leaf(self) -> bytes:
        return canonical_json(self.model_dump(mode="json"))


class Totals(Message):
    """All that was ever recorded for an organization."""

    operations: int = 0
    events: int = 0
    approvals: int = 0
    decisions: int = 0
    intents: int = 0

    def after(self, heads: Sequence[SealedHead], last: Mapping[str, SealedHead]) -> "Totals":
        """With what these heads have more than the last ones of the same operations had."""
        grown = {
            part: getattr(self, part)
            + sum(getattr(one, part) for one in heads)
            - sum(getattr(last[one.operation], part) for one in heads if one.operation in last)
            for part in ("events", "approvals", "decisions", "intents")
        }
        new = sum(one.operation not in last for one in heads)
        return Totals(operations=self.operations + new, **grown)


class Root(Message):
    """What is signed of a day."""

    format: Literal["plixo.root/1"] = ROOT_FORMAT
    organization: str
    number: int
    """From 1 without gaps."""
    day: date
    """The UTC day that it closes. Days on which no worker ran have none: the next root has their heads."""
    sealed_at: AwareDatetime
    """All that was recorded before is in it."""
    heads: int
    """How many operations have gone on since the root before."""
    merkle: str
    """The root of the tree over their heads, by the operations' ids."""
    totals: Totals
    before: str
    """The hash of the root before."""
    key: str
    """The id of the key that it is signed with."""

    def content(self) -> bytes:
        """What the signature is of."""
        return canonical_json(self.model_dump(mode="json", exclude={"signature"}))

    def hash(self) -> str:
        """What the next root has of it."""
        return digest(self.model_dump(mode="json", exclude={"signature"}))

    @property
    def called(self) -> str:
        """What people call it."""
        return f"root {self.number} of {self.day}"


class SignedRoot(Root):
    signature: str


class Seal(Message):
    """What shows that an operation's head is in a root, without the heads of all others."""

    format: Literal["plixo.seal/1"] = SEAL_FORMAT
    root: SignedRoot
    head: SealedHead
    place: int
    """Of the head among the root's, from 0."""
    path: list[str]
    """The hashes beside the way from the head to the root of the tree."""

    def holds(self) -> bool:
        try:
            found = root_by_path(self.head.leaf(), self.place, self.root.heads, self.path)
        except ValueError:
            return False
        return found == self.root.merkle


async def seal(
    organization: str,
    day: date,
    sealed_at: AwareDatetime,
    before: SignedRoot | None,
    heads: Sequence[SealedHead],
    last: Mapping[str, SealedHead],
    signer: Signer,
) -> SignedRoot:
    """The root over these heads. `last` has the heads of the same operations in earlier roots.

    Raises SigningFailed.
    """
    totals = before.totals if before is not None else Totals()
    root = Root(
        organization=organization,
        number=before.number + 1 if before is not None else 1,
        day=day,
        sealed_at=sealed_at,
        heads=len(heads),
        merkle=tree_of(heads),
        totals=totals.after(heads, last),
        before=before.hash() if before is not None else GENESIS,
        key=signer.public_key.kid,
    )
    return SignedRoot(**dict(root), signature=await signer.sign(root.content()))


def tree_of(heads: Sequence[SealedHead]) -> str:
    """The root of the tree over the heads, in the order of the operations' ids."""
    return merkle_root([one.leaf() for one in in_order(heads)])


def seal_of(operation: str, root: SignedRoot, heads: Sequence[SealedHead]) -> Seal:
    """That of one operation, of all heads of a root. Raises StopIteration where it is none of them."""
    ordered = in_order(heads)
    place = next(place for place, one in enumerate(ordered) if one.operation == operation)
    path = merkle_path([one.leaf() for one in ordered], place)
    return Seal(root=root, head=ordered[place], place=place, path=path)


def in_order(heads: Sequence[SealedHead]) -> list[SealedHead]:
    """As the tree has them."""
    return sorted(heads, key=lambda one: one.operation)
