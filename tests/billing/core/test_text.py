"""What people write is printed as they wrote it; only what breaks out of its place or reorders it goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.text import has_controls, one_line, printable

KEPT = {
    "a family": "👨‍👩‍👧‍👦 GmbH",
    "a joiner in Hindi": "क्‍ष",
    "a non-joiner in Persian": "می‌خواهم",
    "Hebrew with a mark": "חשבון‏ 12",
    "Arabic": "شركة الأمل",
    "composed": "Müller",
    "decomposed": "Müller",
    "a flag of tags": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "a letter newer than our tables": "\U0002ebf0",
}
GONE = [
    *map(chr, range(0x202A, 0x202F)),
    *map(chr, range(0x2066, 0x206A)),
    "\x00",
    "\x1b",
    "\x7f",
    "\x9f",
    "\ud800",
]


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_what_scripts_and_emoji_are_made_of_is_kept(text):
    assert one_line(text) == printable(text) == text
    assert not has_controls(text)


@pytest.mark.parametrize("letter", GONE, ids=lambda letter: f"{ord(letter):04x}")
def test_what_reorders_or_breaks_out_goes(letter):
    assert one_line(f"a{letter}b") == printable(f"a{letter}b") == "ab"


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_no_line_break_of_any_kind_gets_into_a_line(end):
    assert one_line(f"a{end}Bcc: b") == "a Bcc: b"
    assert printable(f"a{end}b") == "a\nb"


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="".join(GONE) + "\u2028\u2029"))
)
def test_any_other_text_is_kept_to_the_letter(text):
    assert printable(text) == text
    assert one_line(text) == " ".join(text.split())


@given(st.text())
def test_once_is_enough(text):
    assert printable(printable(text)) == printable(text)
    assert one_line(one_line(text)) == one_line(text)
    assert len(one_line(text).splitlines()) <= 1
