"""Where events go: webhook endpoints and event destinations, and the address of the stand-in's settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic_core import from_json, to_json

from ..core.kernel import API_VERSION, Account, Ctx
from ..core.store import EventRow, Store
from ..versions.registry import downgrade_event
from . import thin
from .event_destinations import KIND as DESTINATION
from .event_destinations import PING
from .webhook_endpoints import KIND as ENDPOINT


@dataclass(frozen=True)
class Target:
    """Who is told of events, and in which form."""

    id: str
    url: str
    secret: str
    events: frozenset[str] | None
    """The types that it wants; None: all."""
    version: str = API_VERSION
    thin: bool = False

    def wants(self, row: EventRow) -> bool:
        """Whether the event is sent there."""
        if row.type == PING:
            return bool(from_json(row.body)["related_object"]["id"] == self.id)
        type = thin.type_of(row) if self.thin else row.type
        if type is None or (row.type.startswith(thin.NATIVE) and not self.thin):
            return False
        return self.events is None or type in self.events


def targets(store: Store, account: Account) -> Iterator[Target]:
    """Every endpoint and destination that is on."""
    for one in store.all(ENDPOINT):
        if one["status"] == "enabled":
            version = one["api_version"] or account.api_version
            yield Target(one["id"], one["url"], one["_secret"], _types(one["enabled_events"]), version)
    for one in store.all(DESTINATION):
        if one["status"] == "enabled":
            yield Target(
                one["id"],
                one["_url"],
                one["_secret"],
                _types(one["enabled_events"]),
                one["snapshot_api_version"] or account.api_version,
                one["event_payload"] == "thin",
            )


def body_for(row: EventRow, target: Target, pending: int, store: Store) -> bytes:
    """What is posted: the thin form, or the event in the target's version."""
    if target.thin or row.type.startswith(thin.NATIVE):
        return to_json(thin.thin(row))
    if target.version == API_VERSION:
        return row.body.replace(b'"pending_webhooks":0', b'"pending_webhooks":%d' % pending, 1)
    event = from_json(row.body)
    event["pending_webhooks"] = pending
    downgrade_event(Ctx(store, {}, {}, row.created), event, target.version)
    return to_json(event)


def _types(enabled: list[str]) -> frozenset[str] | None:
    return None if "*" in enabled else frozenset(enabled)
