import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core import strict_json
from billing.core.strict_json import RepeatedKey

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(documents)
def test_what_says_everything_once_is_read_as_it_is(document):
    assert strict_json.read(json.dumps(document).encode()) == document


@given(st.dictionaries(st.text(), st.integers(), min_size=1), st.data())
def test_a_name_that_is_there_twice_is_found_whatever_stands_between(members, data):
    name = data.draw(st.sampled_from(sorted(members)))
    pairs = data.draw(st.permutations([*members.items(), (name, 0)]))
    text = "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in pairs) + "}"
    with pytest.raises(RepeatedKey) as repeated:
        strict_json.read(f'[{{"outer": {text}}}]')
    assert repeated.value.path == ("0", "outer", name)


def test_a_name_twice_in_a_value_that_is_itself_replaced_is_named_all_the_same():
    with pytest.raises(RepeatedKey) as repeated:
        strict_json.read('{"a": {"b": 1, "b": 2}, "a": 3}')
    assert repeated.value.path == ("b",)


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"n": NaN}', b"-Infinity", b"\xff", b"[" * 100_000, b"9" * 5_000]
)
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011
        strict_json.read(text)
