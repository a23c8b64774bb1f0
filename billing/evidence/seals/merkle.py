"""The tree of hashes (RFC 6962, 2.1) whose root stands for a list: nobody can change, add, leave out or move
one of the list and keep the root, and a few hashes show that one is in it.
"""

import hashlib
from collections.abc import Sequence

LEAF, NODE = b"\x00", b"\x01"
"""What is hashed before each, so that a node can't pass for a leaf."""


def merkle_root(leaves: Sequence[bytes]) -> str:
    """The root over the leaves in their order, in hex; of no leaves the hash of nothing."""
    return _root(leaves).hex()


def merkle_path(leaves: Sequence[bytes], place: int) -> list[str]:
    """What shows that the leaf at `place` (from 0) is one of these: the hashes beside its way up, in hex."""
    if len(leaves) == 1:
        return []
    half = _half(len(leaves))
    if place < half:
        return [*merkle_path(leaves[:half], place), merkle_root(leaves[half:])]
    return [*merkle_path(leaves[half:], place - half), merkle_root(leaves[:half])]


def root_by_path(leaf: bytes, place: int, leaves: int, path: Sequence[str]) -> str | None:
    """The root that the path leads to from a leaf; None where it can't be one of so many leaves.

    Raises ValueError for what is not hex.
    """
    if not 0 <= place < leaves:
        return None
    if leaves == 1:
        return None if path else _leaf(leaf).hex()
    if not path:
        return None
    half = _half(leaves)
    left = place < half
    below = root_by_path(leaf, place if left else place - half, half if left else leaves - half, path[:-1])
    if below is None:
        return None
    one, other = bytes.fromhex(below), bytes.fromhex(path[-1])
    return _node(one, other).hex() if left else _node(other, one).hex()


def _root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return _leaf(leaves[0])
    half = _half(len(leaves))
    return _node(_root(leaves[:half]), _root(leaves[half:]))


def _half(leaves: int) -> int:
    """The largest power of two that is smaller."""
    return 1 << ((leaves - 1).bit_length() - 1)


def _leaf(leaf: bytes) -> bytes:
    return hashlib.sha256(LEAF + leaf).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(NODE + left + right).digest()
