"""Range filters of list endpoints: a number, or any of gt, gte, lt and lte."""

from typing import Any


def within(value: int | None, wanted: Any) -> bool:
    """Whether `value` meets a `created`-like filter; None meets no filter but an absent one."""
    if wanted is None:
        return True
    if value is None:
        return False
    if not isinstance(wanted, dict):
        return bool(value == wanted)
    return (
        ("gt" not in wanted or value > wanted["gt"])
        and ("gte" not in wanted or value >= wanted["gte"])
        and ("lt" not in wanted or value < wanted["lt"])
        and ("lte" not in wanted or value <= wanted["lte"])
    )
