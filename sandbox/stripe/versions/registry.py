"""What changed between versions, so that a client of an older one is understood and understands.

As Stripe does it (https://stripe.com/blog/api-versioning): the code knows the current version only. Each
module beside this one is one change. A request goes through the changes that are newer than its version,
the oldest first; an answer goes back through them, the newest first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..core.forms import Tree
from ..core.kernel import API_VERSION, Ctx, Obj, Store
from .releases import before


@dataclass
class Call:
    """A request on its way to the current version; changes write into it."""

    store: Store
    method: str
    segments: tuple[str, ...]
    params: Tree
    """As they were sent: everything is a string, arrays are dicts by position."""
    also: list[Callable[[Ctx, Obj], None]] = field(default_factory=list)
    """What the request does besides, after its handler and in the same transaction."""
    instead: Callable[[Obj], Obj] | None = None
    """What of the answer is given out, where that isn't all of it."""


Upgrade = Callable[[Call], None]
Downgrade = Callable[[Ctx, Obj], None]


@dataclass(frozen=True)
class _Request:
    version: str
    method: str
    path: tuple[str, ...]
    upgrade: Upgrade


@dataclass(frozen=True)
class _Answer:
    version: str
    kind: str
    downgrade: Downgrade


_REQUESTS: list[_Request] = []
_ANSWERS: list[_Answer] = []


def requests(version: str, *endpoints: str) -> Callable[[Upgrade], Upgrade]:
    """Declare how requests from before `version` are put; an endpoint is such as "POST /v1/invoices/{id}"."""

    def declare(upgrade: Upgrade) -> Upgrade:
        for endpoint in endpoints:
            method, path = endpoint.split(" ")
            _REQUESTS.append(_Request(version, method, tuple(path.split("/")), upgrade))
        return upgrade

    return declare


def answers(version: str, *kinds: str) -> Callable[[Downgrade], Downgrade]:
    """Declare how objects of these kinds looked before `version`. It changes a copy, which may be only the
    former values of an event: fields that aren't there stay so."""

    def declare(downgrade: Downgrade) -> Downgrade:
        _ANSWERS.extend(_Answer(version, kind, downgrade) for kind in kinds)
        return downgrade

    return declare


def differences() -> list[str]:
    """Every change in a sentence that begins with its version, the newest first."""
    modules = {change.upgrade.__module__ for change in _REQUESTS}
    modules |= {change.downgrade.__module__ for change in _ANSWERS}
    docs = (sys.modules[name].__doc__ or "" for name in modules)
    return sorted((" ".join(doc.split("\n\n")[0].split()) for doc in docs), reverse=True)


def upgrade(call: Call, version: str) -> None:
    """Put a request of this version as one of the current."""
    if version == API_VERSION:
        return
    for change in sorted(_REQUESTS, key=lambda one: one.version):
        fits = change.method == call.method and _fits(change.path, call.segments)
        if fits and before(version, change.version):
            change.upgrade(call)


def downgrade(ctx: Ctx, value: Any, version: str) -> None:
    """Show everything in a copy of the current version as this one had it. Events keep theirs."""
    if version == API_VERSION:
        return
    if isinstance(value, list):
        for element in value:
            downgrade(ctx, element, version)
    elif isinstance(value, dict) and value.get("object") != "event":
        for name, inner in value.items():
            if name != "metadata" and isinstance(inner, dict | list):
                downgrade(ctx, inner, version)
        if not value.get("deleted"):
            _downgrade(ctx, value, str(value.get("object")), version)


def downgrade_event(ctx: Ctx, event: Obj, version: str) -> None:
    """Show an event as one of this version: its object, and what of that was different before."""
    event["api_version"] = version
    if version == API_VERSION:
        return
    about, former = event["data"]["object"], event["data"].get("previous_attributes")
    kind = about["object"]
    downgrade(ctx, about, version)
    if former is not None:
        downgrade(ctx, former, version)
        _downgrade(ctx, former, kind, version)
        for name in [name for name in former if former[name] == about.get(name)]:
            del former[name]


def _downgrade(ctx: Ctx, obj: Obj, kind: str, version: str) -> None:
    for change in sorted(_ANSWERS, key=lambda one: one.version, reverse=True):
        if change.kind == kind and before(version, change.version):
            change.downgrade(ctx, obj)


def _fits(template: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    return len(template) == len(segments) and all(
        wanted == given or (wanted.startswith("{") and given)
        for wanted, given in zip(template, segments, strict=True)
    )
