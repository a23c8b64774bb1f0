from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money.notes import MAX_NOTES, NOTE_MAX, NOTE_MIN, VALUE_MAX, Note, note_metadata, with_objects

AT = datetime(2026, 3, 2, 15, 4, 5, 678, tzinfo=UTC)
PAYMENT = "pi_3MtwBwLkdIwHu7ix28a3tqPa"


def a_note(text: str = "Billed twice for March.", seq: int = 1, at: datetime = AT) -> Note:
    return Note(seq=seq, text=text, author="per_01J0000000000000000000000A", at=at)


@pytest.mark.parametrize(
    ("payments", "shown"),
    [
        ((), "Billed twice."),
        (("pi_1",), "Billed twice. (Stripe payment pi_1)"),
        (("pi_1", "pi_2"), "Billed twice. (Stripe payments pi_1, pi_2)"),
    ],
)
def test_a_note_names_the_payments_that_it_is_about(payments, shown):
    assert with_objects("Billed twice.", payments) == shown


def test_stripe_carries_each_note_with_its_author_and_time():
    berlin = datetime(2026, 3, 3, 9, 0, tzinfo=timezone(timedelta(hours=1)))
    assert note_metadata([a_note(), a_note("The bank called back.", 2, berlin)], ["pi_1"]) == {
        "plixo_note": "Billed twice for March. (Stripe payment pi_1)",
        "plixo_note_by": "per_01J0000000000000000000000A 2026-03-02T15:04:05Z",
        "plixo_note_2": "The bank called back. (Stripe payment pi_1)",
        "plixo_note_2_by": "per_01J0000000000000000000000A 2026-03-03T08:00:00Z",
    }


def test_no_notes_are_no_metadata():
    assert note_metadata([], ["pi_1"]) == {}


def test_the_longest_note_that_may_be_written_reaches_stripe_whole():
    text = "x" * NOTE_MAX
    assert note_metadata([a_note(text)], [PAYMENT])["plixo_note"] == f"{text} (Stripe payment {PAYMENT})"


def test_of_longer_words_the_end_is_left_out_and_the_payment_stays():
    shown = note_metadata([a_note("x" * 2_000)], [PAYMENT])["plixo_note"]
    suffix = f"… (Stripe payment {PAYMENT})"
    assert shown == "x" * (VALUE_MAX - len(suffix)) + suffix


def test_more_payments_than_a_value_has_room_for_are_cut():
    many = [f"pi_{number:024}" for number in range(30)]
    shown = note_metadata([a_note()], many)["plixo_note"]
    assert len(shown) == VALUE_MAX
    assert shown.startswith("… (Stripe payments pi_")


@given(
    st.lists(st.text(min_size=NOTE_MIN, max_size=3 * NOTE_MAX), min_size=1, max_size=MAX_NOTES),
    st.lists(st.text("abc123", min_size=1, max_size=24).map(lambda end: f"pi_{end}"), max_size=30),
)
def test_the_metadata_keeps_within_stripes_limits(texts, payments):
    notes = [a_note(text, seq) for seq, text in enumerate(texts, start=1)]
    metadata = note_metadata(notes, payments)
    assert len(metadata) == 2 * len(texts)
    # Beside them stand plixo_reason, plixo_payment, plixo_operation and plixo_effect; 50 keys are allowed.
    assert len(metadata) + 4 <= 50
    assert all(len(key) <= 40 for key in metadata)
    assert all(0 < len(value) <= 500 for value in metadata.values())
    for key, value in metadata.items():
        if not key.endswith("_by") and len(payments) == 1:
            assert value.endswith(f"(Stripe payment {payments[0]})")
