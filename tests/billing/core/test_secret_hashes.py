"""Hashes of secrets: who has only the database can't make one, and keys are rotated."""

import hashlib

from billing.core.keys import UNPEPPERED, Keys, SecretHashes

OLD, NEW = b"o" * 32, b"n" * 32
SECRET = "3f" * 32


def of(*ids: str, plain: bool = False) -> SecretHashes:
    by_id = {"old": OLD, "new": NEW}
    return SecretHashes.of(Keys(ids[0], {id_: by_id[id_] for id_ in ids}, plain))


def test_without_keys_it_is_the_plain_hash() -> None:
    kept = UNPEPPERED.hash(SECRET, "per_1")
    assert kept == hashlib.sha256(SECRET.encode()).hexdigest()
    assert UNPEPPERED.match(kept, SECRET)
    assert not UNPEPPERED.match(kept, SECRET + "0")


def test_with_keys_it_names_its_key_and_nobody_makes_it_without() -> None:
    kept = of("new").hash(SECRET)
    assert kept.startswith("new:")
    assert len(kept) == len("new:") + 64
    assert of("new").match(kept, SECRET)
    assert not of("new").match(UNPEPPERED.hash(SECRET), SECRET)
    assert not of("new").match(of("old").hash(SECRET), SECRET)
    assert not of("new").match("new:" + of("old").hash(SECRET).partition(":")[2], SECRET)
    assert not UNPEPPERED.match(kept, SECRET)


def test_what_an_older_key_made_is_known_as_long_as_that_is_among_them() -> None:
    kept = of("old").hash(SECRET)
    assert of("new", "old").match(kept, SECRET)
    assert of("new", "old").hash(SECRET) != kept
    assert of("new", "old").every(SECRET) == (of("new").hash(SECRET), kept)


def test_what_was_kept_without_keys_is_known_while_plain_is_among_them() -> None:
    kept = UNPEPPERED.hash(SECRET)
    assert of("new", plain=True).match(kept, SECRET)
    assert of("new", plain=True).hash(SECRET).startswith("new:")


def test_whose_it_is_can_not_be_changed() -> None:
    kept = of("new").hash(SECRET, "per_1")
    assert of("new").match(kept, SECRET, "per_1")
    assert not of("new").match(kept, SECRET, "per_2")


def test_the_keys_are_not_those_of_other_purposes() -> None:
    by_the_first = SecretHashes(Keys("new", {"new": NEW}))
    assert not of("new").match(by_the_first.hash(SECRET), SECRET)
