"""What an API key may be used for, within what its person may do: to read, to ask for things, to decide."""

import re
from collections.abc import Collection, Iterable
from enum import StrEnum

from starlette.types import Scope


class KeyScope(StrEnum):
    """`read` what there is, quotes included; `write` whatever changes something; `decide` on approvals,
    delegations, mail templates and what doesn't match."""

    READ = "read"
    WRITE = "write"
    DECIDE = "decide"


EVERY_SCOPE = frozenset(KeyScope)

_READING = re.compile(r".*/(quote|preview|access-diagnosis)")
"""POSTs that leave everything as it is."""
_DECIDING = re.compile(
    r"/v1/(approvals/\{id\}/.*|delegations(/.*)?|mail-templates/.*/approve|.*/\{id\}/resolution)"
)


def scope_of(method: str, route: str) -> KeyScope:
    """What a key needs for a route, by the template of its path."""
    if method in ("GET", "HEAD") or _READING.fullmatch(route):
        return KeyScope.READ
    return KeyScope.DECIDE if _DECIDING.fullmatch(route) else KeyScope.WRITE


def scope_of_request(scope: Scope) -> KeyScope:
    """As `scope_of`, of a request that has found its route."""
    return scope_of(scope["method"], scope["route"].path)


def in_order(scopes: Iterable[str]) -> list[KeyScope]:
    """From the least to the most."""
    return sorted(map(KeyScope, set(scopes)), key=list(KeyScope).index)


def words(scopes: Collection[KeyScope]) -> str:
    """Such as `read, write`."""
    return ", ".join(in_order(scopes))
