"""What updates have in common: copying fields, telling what changed, refusing what isn't built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .errors import invalid
from .kernel import Ctx, Obj
from .store import public


def copy_fields(ctx: Ctx, obj: Obj, names: Iterable[str]) -> None:
    """Set the fields that the request gives; "" makes a field null."""
    for name in names:
        if name in ctx.params:
            value = ctx.params[name]
            obj[name] = None if value == "" else public(value)


def differences(before: Obj, after: Obj) -> dict[str, Any]:
    """`previous_attributes`: the former values of what changed, nested objects by their changed fields."""
    found: dict[str, Any] = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if name.startswith("_") or old == new:
            continue
        both = isinstance(old, dict) and isinstance(new, dict)
        found[name] = differences(old, new) if both else old  # type: ignore[arg-type]
    return found


def changed(ctx: Ctx, obj: Obj, before: Obj, event: str) -> Obj:
    """Keep a changed object and tell of it; a request that changes nothing tells nothing."""
    ctx.store.put(obj)
    previous = differences(before, obj)
    if previous:
        ctx.emit(event, obj, previous)
    return obj


def without_effect(ctx: Ctx, *names: str) -> None:
    """Accept parameters of which nothing could be seen here, such as whether a mail is sent."""
    for name in names:
        ctx.params.get(name)


def require_own(party: dict[str, Any] | None, param: str) -> None:
    """Refuse another account than the own one as who issues an invoice or owes its taxes."""
    if party and (party["type"] != "self" or party.get("account")):
        raise invalid("This stand-in has no connected accounts.", param=f"{param}[type]")


def not_built(ctx: Ctx, *names: str) -> None:
    """Refuse parameters that Stripe has and this stand-in doesn't act on, rather than ignore them."""
    for name in names:
        if name in ctx.params:
            raise invalid(f"This stand-in does not support the parameter {name}.", param=name)
