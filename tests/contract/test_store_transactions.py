"""The store's transactions: a request's changes are kept as a whole or not at all."""

import pytest

from sandbox.stripe.core.store import Obj, Store


def thing(id: str, **fields: object) -> Obj:
    return {"id": id, "object": "thing", "created": 1, "owner": None, "nested": {"n": 1}, **fields}


@pytest.fixture
def store() -> Store:
    """A store that holds three committed things."""
    made = Store(strict=True)
    made.begin()
    for id in ("a", "b", "c"):
        made.put(thing(id, owner="x"))
    made.commit()
    return made


def test_a_rollback_undoes_changes_of_nested_values(store: Store) -> None:
    store.begin()
    changed = store.get("thing", "a")
    changed["nested"]["n"] = 2
    changed["owner"] = "y"
    store.put(changed)
    store.rollback()

    assert store.get("thing", "a") == thing("a", owner="x")


def test_a_rollback_undoes_changes_that_were_not_put_yet(store: Store) -> None:
    store.begin()
    store.get("thing", "a")["nested"]["n"] = 2
    store.all("thing")[0]["nested"]["n"] = 3
    store.rollback()

    assert [found["nested"]["n"] for found in store.all("thing")] == [1, 1, 1]


def test_a_rollback_undoes_creation_and_deletion(store: Store) -> None:
    store.begin()
    store.put(thing("d"))
    store.delete("thing", "b", tombstone=True)
    store.rollback()

    assert [found["id"] for found in store.all("thing")] == ["c", "b", "a"]
    assert store.deleted("thing", "b") is None


def test_a_rollback_undoes_a_deletion_that_was_followed_by_a_creation(store: Store) -> None:
    store.begin()
    store.delete("thing", "b")
    store.put(thing("b", owner="new"))
    store.rollback()

    assert store.get("thing", "b")["owner"] == "x"


def test_indexes_follow_changes_commits_and_rollbacks(store: Store) -> None:
    def owned(owner: str) -> list[str]:
        return [found["id"] for found in store.related("thing", "owner", owner)]

    assert owned("x") == ["c", "b", "a"]
    store.begin()
    moved = store.get("thing", "b")
    moved["owner"] = "y"
    store.put(moved)
    assert (owned("x"), owned("y")) == (["c", "a"], ["b"])
    store.rollback()
    assert (owned("x"), owned("y")) == (["c", "b", "a"], [])

    store.begin()
    store.delete("thing", "a")
    store.commit()
    assert owned("x") == ["c", "b"]


def test_a_change_without_put_is_refused_when_strict(store: Store) -> None:
    store.begin()
    store.get("thing", "a")["owner"] = "forgotten"
    with pytest.raises(RuntimeError, match="thing a was changed without put"):
        store.commit()
    store.rollback()


def test_newest_come_first_and_later_insertions_before_earlier_ones(store: Store) -> None:
    store.begin()
    store.put(thing("old", created=0))
    store.put(thing("new", created=2))
    store.commit()

    assert [found["id"] for found in store.all("thing")] == ["new", "c", "b", "a", "old"]


def test_a_commit_gives_the_records_that_load_it_again(store: Store) -> None:
    store.begin()
    store.put(thing("d", owner="z", _hidden=7))
    store.delete("thing", "a", tombstone=True)
    records, _ = store.commit()
    copy = Store()
    for record in [*store.dump(), *records]:
        copy.load(*record)

    assert copy.get("thing", "d")["_hidden"] == 7
    assert copy.find("thing", "a") is None
    assert copy.deleted("thing", "a") == {"id": "a", "object": "thing", "deleted": True}
    assert [found["id"] for found in copy.all("thing")] == ["d", "c", "b"]
