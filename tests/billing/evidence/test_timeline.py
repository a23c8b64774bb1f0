from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.errors import BrokenChain
from billing.evidence.timeline import GENESIS, Event, event_hash, verify_chain

OPERATION = "op_1"
NOON = datetime(2026, 4, 16, 12, tzinfo=UTC)


def a_chain(length: int = 3, operation: str = OPERATION) -> list[Event]:
    events: list[Event] = []
    prev_hash = GENESIS
    for seq in range(1, length + 1):
        content = {
            "seq": seq,
            "at": NOON + timedelta(minutes=seq),
            "actor": "person_ada",
            "code": "plan_change_requested",
            "detail": {"plan": ["starter", "growth"], "seats": seq},
            "names": {"person_ada": {"name": "Ada", "roles": ["billing_admin"]}},
            "records": {"operation/op_1": "a" * 64},
            "prev_hash": prev_hash,
        }
        event = Event.model_validate(content | {"hash": event_hash(operation, **content)})
        events.append(event)
        prev_hash = event.hash
    return events


def test_an_untouched_chain_verifies():
    verify_chain(OPERATION, a_chain())
    verify_chain(OPERATION, [])


def test_a_chain_read_back_from_json_verifies():
    verify_chain(OPERATION, [Event.model_validate_json(event.model_dump_json()) for event in a_chain()])


def test_the_same_instant_in_another_zone_has_the_same_hash():
    berlin = timezone(timedelta(hours=2))
    one, other = (
        event_hash(OPERATION, 1, at, "a", "e", {}, GENESIS, {}, {}) for at in (NOON, NOON.astimezone(berlin))
    )
    assert one == other


def test_the_hash_is_the_same_on_every_machine():
    known = event_hash(OPERATION, 1, NOON, "person_ada", "approved", {"rung": 0}, GENESIS, {}, {})
    assert known == ("77cd1cbb42bd39a1ffd9ff0fe7a2944cfdc778e7f0ffec86adb91948e02e11b8")


def test_a_time_without_a_zone_is_not_hashed():
    with pytest.raises(ValueError, match="without a zone"):
        event_hash(OPERATION, 1, NOON.replace(tzinfo=None), "a", "e", {}, GENESIS, {}, {})


@pytest.mark.parametrize("seq", [1, 2, 3])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at", NOON + timedelta(microseconds=1)),
        ("actor", "person_eve"),
        ("code", "approved"),
        ("detail", {"plan": ["starter", "growth"], "seats": 99}),
        ("detail", {"plan": ["starter", "growth"]}),
        ("detail", {"plan": ["starter", "growth"], "seats": 1.0}),
        ("names", {"person_ada": {"name": "Eve", "roles": ["billing_admin"]}}),
        ("names", {}),
        ("records", {"operation/op_1": "b" * 64}),
        ("records", {}),
        ("prev_hash", "f" * 64),
        ("hash", "f" * 64),
        ("seq", 7),
    ],
)
def test_any_altered_field_is_found_at_its_event(seq, field, value):
    events = a_chain()
    events[seq - 1] = events[seq - 1].model_copy(update={field: value})
    with pytest.raises(BrokenChain) as broken:
        verify_chain(OPERATION, events)
    assert (broken.value.operation, broken.value.seq) == (OPERATION, seq)


def test_the_reason_is_named():
    events = a_chain()
    events[1] = events[1].model_copy(update={"actor": "person_eve"})
    with pytest.raises(BrokenChain) as broken:
        verify_chain(OPERATION, events)
    assert broken.value.message == (
        "op_1: the timeline breaks at event 2: its content does not match its hash"
    )


def test_an_event_rewritten_with_a_matching_hash_breaks_the_next_one():
    events = a_chain()
    forged = events[1].model_copy(update={"actor": "person_eve"})
    content = forged.model_dump(exclude={"hash"})
    events[1] = forged.model_copy(update={"hash": event_hash(OPERATION, **content)})
    with pytest.raises(BrokenChain, match="does not follow the event before it") as broken:
        verify_chain(OPERATION, events)
    assert broken.value.seq == 3


@pytest.mark.parametrize(
    ("rearrange", "seq"),
    [
        (lambda events: events[1:], 1),
        (lambda events: [events[0], events[2]], 2),
        (lambda events: [events[1], events[0], events[2]], 1),
        (lambda events: [events[0], events[0], events[1]], 2),
    ],
    ids=["first removed", "one removed", "two swapped", "one repeated"],
)
def test_removed_moved_and_repeated_events_are_found(rearrange, seq):
    with pytest.raises(BrokenChain) as broken:
        verify_chain(OPERATION, rearrange(a_chain()))
    assert broken.value.seq == seq


def test_the_chain_of_another_operation_does_not_verify():
    with pytest.raises(BrokenChain):
        verify_chain("op_2", a_chain())


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    length=st.integers(1, 5),
    data=st.data(),
    actor=texts,
    code=texts,
    detail=st.dictionaries(texts, st.integers() | texts | st.none(), max_size=3),
    minutes=st.integers(-(10**6), 10**6),
    hexes=st.text("0123456789abcdef", min_size=64, max_size=64),
)
def test_no_single_change_of_any_field_goes_unnoticed(length, data, actor, code, detail, minutes, hexes):
    events = a_chain(length)
    index = data.draw(st.integers(0, length - 1))
    changes = {
        "seq": data.draw(st.integers()),
        "at": NOON + timedelta(minutes=minutes),
        "actor": actor,
        "code": code,
        "detail": detail,
        "names": {actor: detail},
        "records": {code: hexes},
        "prev_hash": hexes,
        "hash": hexes,
    }
    field = data.draw(st.sampled_from(sorted(changes)))
    altered = events[index].model_copy(update={field: changes[field]})
    if altered == events[index]:
        return
    events[index] = altered
    with pytest.raises(BrokenChain) as broken:
        verify_chain(OPERATION, events)
    assert broken.value.seq in (index + 1, altered.seq)
