"""What list endpoints are asked for: whose objects, and of when."""

from typing import Any

from .kernel import Ctx
from .store import Obj


def listed(ctx: Ctx, kind: str, url: str, *related: str, also: tuple[str, ...] = ()) -> Obj:
    """A page of a kind, newest first, by `created` and any of the parameters named.

    Objects are found by what they are `related` to, and sorted out by what they `also` have to say.
    """
    asked = {name: ctx.params[name] for name in (*related, *also) if ctx.params.get(name)}
    by = next((name for name in related if name in asked), None)
    found = ctx.store.related(kind, by, asked[by]) if by else ctx.store.all(kind)
    wanted = [
        one
        for one in found
        if all(one[name] == value for name, value in asked.items())
        and within(one["created"], ctx.params.get("created"))
    ]
    return ctx.page(wanted, url)


def within(value: int | None, wanted: Any) -> bool:
    """Whether `value` meets a `created`-like filter: a number, or any of gt, gte, lt and lte. None meets no
    filter but an absent one."""
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
