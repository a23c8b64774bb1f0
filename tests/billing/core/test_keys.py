"""Secret keys: the first is used, all are accepted, and none is ever repeated to anybody."""

import base64

import pytest

from billing.core.errors import InvalidRequest
from billing.core.keys import Keys

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def test_the_first_is_used_and_every_one_accepted() -> None:
    keys = Keys.parse(f"2026-12={NEW}, 2026-09={OLD},")
    assert (keys.current, list(keys.by_id), keys.plain) == ("2026-12", ["2026-12", "2026-09"], False)
    assert keys.by_id["2026-09"] == bytes([1]) * 32
    assert Keys.parse(f"a={NEW},plain").plain


def test_keys_for_another_purpose_are_others_and_say_nothing_of_each_other() -> None:
    keys = Keys.parse(f"a={NEW}")
    one, other = keys.derived("one"), keys.derived("other")
    assert len({keys.by_id["a"], one.by_id["a"], other.by_id["a"]}) == 3
    assert one == Keys.parse(f"a={NEW}").derived("one")
    assert {len(one.by_id["a"]), len(other.by_id["a"])} == {32}


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("plain", "must have a key to begin with"),
        (f"{NEW}", "must be id=key"),
        (f"a={NEW[:-8]}", "a: must be 32 bytes in base64"),
        ("a=not base64", "a: must be 32 bytes in base64"),
        (f"a={NEW},a={OLD}", "must have each id once"),
    ],
)
def test_keys_that_are_none_are_named_and_not_repeated(value: str, wrong: str) -> None:
    with pytest.raises(InvalidRequest, match=wrong) as refused:
        Keys.parse(value)
    assert NEW[:8] not in str(refused.value)
