import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.hashing import canonical_json, digest, exact

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef", max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_keys_are_sorted_and_nothing_is_spaced():
    assert canonical_json({"b": [1, {"d": None, "c": True}], "a": "é"}) == (
        '{"a":"é","b":[1,{"c":true,"d":null}]}'.encode()
    )


def test_the_hash_is_the_sha_256_of_the_canonical_json():
    assert digest({"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()


@pytest.mark.parametrize("value", [1.5, {"a": [1, 2.0]}, [float("nan")], {"a": {"b": float("inf")}}])
def test_floats_are_refused_at_any_depth(value):
    with pytest.raises(TypeError, match="float"):
        canonical_json(value)


def test_floats_can_be_hashed_as_their_text_at_any_depth():
    made = exact({"a": [1, 20.0, {"b": 0.1}], "c": (1e21, True, None, "2.5")})
    assert made == {"a": [1, "20.0", {"b": "0.1"}], "c": ["1e+21", True, None, "2.5"]}
    assert canonical_json(made)


@given(json_values)
def test_what_has_no_floats_stays_as_it_is(value):
    assert exact(value) == value


def test_keys_that_are_not_strings_are_refused():
    with pytest.raises(TypeError, match="key"):
        canonical_json({"a": {1: "x"}})


def test_what_json_does_not_have_is_refused():
    with pytest.raises(TypeError):
        canonical_json({"a": {1, 2}})


@given(json_values)
def test_reading_it_back_gives_the_same_content_and_the_same_bytes(value):
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text("abc", max_size=3), json_values, max_size=5))
def test_the_order_of_keys_does_not_matter(content):
    assert canonical_json(dict(reversed(content.items()))) == canonical_json(content)
