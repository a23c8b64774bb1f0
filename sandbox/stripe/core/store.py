"""The stand-in's objects in memory, under transactions that can be rolled back.

An object is a plain dict in Stripe's JSON shape, found by `(kind, id)` where kind is its `object` name.
The store hands out the live dict: change it in place, then `put` it. Keys that start with "_" are
bookkeeping: stored, never answered. An object owns everything nested in it: two stored objects must not
share a nested dict or list (they would be two after a rollback or a restart).

Undo is by the bytes of the last commit: every object that a request read or put is restored from them.
"""

from __future__ import annotations

import heapq
import secrets
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from pydantic_core import from_json, to_json

from .errors import missing
from .forms import Given
from .indexes import Indexes

Obj = dict[str, Any]
Record = tuple[str, str, bytes | None]
"""One line of the journal: section, key, JSON body (None: forgotten)."""

LABELS = {
    "payment_method": "PaymentMethod",
    "invoiceitem": "invoiceitem",
    "payment_intent": "payment_intent",
    "setup_intent": "setupintent",
    "subscription_schedule": "subscription schedule",
    "test_helpers.test_clock": "test clock",
    "billing_portal.configuration": "configuration",
    "promotion_code": "promotion code",
    "billing.meter": "meter",
    "tax_id": "tax ID",
    "tax_rate": "tax rate",
}
"""How Stripe names a kind in "No such …", where that isn't the kind itself."""


DICTS = (dict, Given)
NESTED = (*DICTS, list)


def public(value: Any) -> Any:
    """A deep copy without the bookkeeping keys; metadata is the user's and keeps all of its keys."""
    kind = type(value)  # not isinstance: this runs for every value of every answer and event
    if kind in DICTS:
        copy = {}
        for key, inner in value.items():
            kind = type(inner)
            if key == "metadata":
                copy[key] = dict(inner) if kind in DICTS else inner
            elif key[0] != "_":
                copy[key] = public(inner) if kind in NESTED else inner
        return copy
    if kind is list:
        return [public(inner) if type(inner) in NESTED else inner for inner in value]
    return value


def _second(created: int | str) -> int:
    """When an event was; those of the second version of the API write it in words."""
    return created if isinstance(created, int) else int(datetime.fromisoformat(created).timestamp())


class Entry:
    """A stored object, its committed bytes and its place in the order of creation."""

    __slots__ = ("due", "indexed", "kind", "obj", "saved", "seq")

    def __init__(self, kind: str, obj: Obj, saved: bytes | None, seq: int) -> None:
        self.kind = kind
        self.obj = obj
        self.saved = saved
        self.seq = seq
        self.due: int | None = None
        self.indexed: dict[str, Any] = {}


class EventRow:
    """An event as its bytes: events are many and never change."""

    __slots__ = ("body", "created", "id", "type")

    def __init__(self, id: str, type: str, created: int, body: bytes) -> None:
        self.id = id
        self.type = type
        self.created = created
        self.body = body


class Store:
    """All objects; reading and writing happens in one thread, a request at a time."""

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        """Whether a commit refuses objects that were changed without `put` (costs time; for tests)."""
        self.version = 0
        self.events: list[EventRow] = []
        self.undelivered: Callable[[str], int] = lambda event_id: 0
        """To how many endpoints an event still has to be delivered."""
        self._event_of: dict[str, EventRow] = {}
        self._kinds: dict[str, dict[str, Entry]] = {}
        self._tombs: dict[tuple[str, str], Obj] = {}
        self._seq = 0
        self._indexes: Indexes[Entry] = Indexes()
        self._open = False
        self._touched: dict[tuple[str, str], Entry] = {}
        self._dirty: dict[tuple[str, str], Entry] = {}
        self._deleted: dict[tuple[str, str], Entry] = {}
        self._events_at_begin = 0
        self._waiting: dict[str | None, list[tuple[int, int, str, str]]] = {}
        """What has something to do at a time: by test clock, None for what has none."""

    # -- what handlers use ------------------------------------------------------------------------

    def get(self, kind: str, id: str, *, param: str = "id", status: int = 404) -> Obj:
        """The live object; raises `resource_missing`."""
        found = self.find(kind, id)
        if found is None:
            raise missing(LABELS.get(kind, kind), id, param=param, status=status)
        return found

    def find(self, kind: str, id: str) -> Obj | None:
        """The live object, or None."""
        entry = self._kinds.get(kind, {}).get(id)
        if entry is None:
            return None
        if self._open:
            self._touched[kind, id] = entry
        return entry.obj

    def put(self, obj: Obj) -> Obj:
        """Keep a new object, or note that a live one was changed."""
        if not self._open:
            raise RuntimeError("objects change in transactions only, and a GET has none")
        kind, id = obj["object"], obj["id"]
        entries = self._kinds.setdefault(kind, {})
        entry = entries.get(id)
        if entry is None:
            self._seq += 1
            buried = self._deleted.pop((kind, id), None)
            entry = entries[id] = Entry(kind, obj, buried.saved if buried else None, self._seq)
        entry.obj = obj
        self._dirty[kind, id] = entry
        return obj

    def delete(self, kind: str, id: str, *, tombstone: bool = False) -> None:
        """Forget an object; with `tombstone`, `deleted()` still answers `{id, object, deleted: true}`."""
        entry = self._kinds.get(kind, {}).pop(id, None)
        if entry is None:
            return
        self._indexes.remove(entry)
        self._dirty.pop((kind, id), None)
        self._touched.pop((kind, id), None)
        self._deleted[kind, id] = entry
        if tombstone:
            self._tombs[kind, id] = {"id": id, "object": kind, "deleted": True}

    def deleted(self, kind: str, id: str) -> Obj | None:
        """The tombstone of a deleted object."""
        return self._tombs.get((kind, id))

    def all(self, kind: str, where: Callable[[Obj], bool] | None = None) -> list[Obj]:
        """Live objects of a kind, newest first (`created`, then insertion)."""
        entries: Iterable[Entry] = reversed(list(self._kinds.get(kind, {}).values()))
        return self._hand_out(e for e in entries if where is None or where(e.obj))

    def related(self, kind: str, path: str, value: Any) -> list[Obj]:
        """Live objects of a kind whose field at the dotted `path` equals `value`, newest first.

        An index is built at first use and kept from then on: prefer this over `all` with a filter
        for what grows, e.g. `related("invoice", "parent.subscription_details.subscription", id)`.
        """
        for (dirty_kind, _), entry in self._dirty.items():
            if dirty_kind == kind:
                self._indexes.file(entry)
        found = self._indexes.find(kind, path, value, self._kinds.get(kind, {}).values())
        return self._hand_out(sorted(found, key=lambda e: e.seq, reverse=True))

    def next_due(self, clock: str | None = None) -> tuple[int, Obj] | None:
        """The committed object with the earliest `_due` (Unix seconds), and that time; None: nothing waits.

        An object with something to do at a time carries it as `_due`; this finds it without looking at
        the others. Those of a test clock are found by its id only.
        """
        waiting = self._waiting.get(clock, [])
        while waiting:
            due, _, kind, id = waiting[0]
            entry = self._kinds.get(kind, {}).get(id)
            if entry is not None and entry.obj.get("_due") == due:
                return due, entry.obj
            heapq.heappop(waiting)
        return None

    def is_empty(self) -> bool:
        """Whether nothing was ever stored."""
        return self._seq == 0 and not self.events

    def forget_due(self, due: int) -> None:
        """Let the object that waits for this time wait no longer, so that those after it are found."""
        waiting = self._waiting.get(None)
        if waiting and waiting[0][0] == due:
            heapq.heappop(waiting)

    def event(self, id: str) -> EventRow | None:
        """A committed event."""
        return self._event_of.get(id)

    def new_id(self, prefix: str) -> str:
        """A fresh id: "in" gives "in_" and 24 characters."""
        return f"{prefix}_{secrets.token_hex(12)}"

    # -- transactions: one request, or one piece of timed work -------------------------------------

    def begin(self) -> None:
        """Start a unit that is committed or rolled back as a whole."""
        if self._open:
            raise RuntimeError("a transaction is open already")
        self._open = True
        self._events_at_begin = len(self.events)

    def commit(self) -> tuple[list[Record], list[EventRow]]:
        """Make it lasting: the journal's records and the new events, in the order they happened."""
        records: list[Record] = []
        if self.strict:
            self._refuse_forgotten_puts()
        for (kind, id), entry in self._dirty.items():
            self._indexes.file(entry)
            self._await(entry)
            entry.saved = to_json(entry.obj)
            records.append((f"object:{kind}", id, entry.saved))
        for kind, id in self._deleted:
            records.append((f"object:{kind}", id, None))
            if (kind, id) in self._tombs:
                records.append((f"tomb:{kind}", id, b"true"))
        fresh = self.new_events()
        self._event_of.update((row.id, row) for row in fresh)
        records.extend(("event", row.id, row.body) for row in fresh)
        if records:
            self.version += 1
        self._close()
        return records, fresh

    def rollback(self) -> None:
        """Put everything back as it was at `begin`."""
        out_of_order = set()
        for (kind, id), entry in self._deleted.items():
            self._tombs.pop((kind, id), None)
            if entry.saved is not None:
                entry.obj = from_json(entry.saved)
                self._kinds[kind][id] = entry
                self._indexes.file(entry)
                out_of_order.add(kind)
        for (kind, id), entry in {**self._touched, **self._dirty}.items():
            if entry.saved is not None:
                entry.obj = from_json(entry.saved)
                self._indexes.file(entry)
            elif self._kinds[kind].pop(id, None) is not None:
                self._indexes.remove(entry)
        for kind in out_of_order:
            entries = sorted(self._kinds[kind].items(), key=lambda item: item[1].seq)
            self._kinds[kind] = dict(entries)
        del self.events[self._events_at_begin :]
        self._close()

    def undo(self) -> None:
        """Put everything back as it was at `begin`, and go on; live objects have to be read anew."""
        self.rollback()
        self.begin()

    def load(self, section: str, key: str, body: bytes | None) -> None:
        """Take one record of a journal; the later record of a key wins."""
        what, _, kind = section.partition(":")
        if what == "event" and body is not None:
            event = from_json(body)
            row = self._event_of[key] = EventRow(key, event["type"], _second(event["created"]), body)
            self.events.append(row)
        elif what == "tomb":
            self._tombs[kind, key] = {"id": key, "object": kind, "deleted": True}
        elif what == "object" and body is None:
            self._kinds.get(kind, {}).pop(key, None)
        elif what == "object" and body is not None:
            entry = self._kinds.setdefault(kind, {}).get(key)
            if entry is None:
                self._seq += 1
                entry = self._kinds[kind][key] = Entry(kind, {}, None, self._seq)
            entry.saved, entry.obj = body, from_json(body)
            self._await(entry)

    def dump(self) -> Iterator[Record]:
        """Every record needed to load this store again, oldest first."""
        for kind, entries in self._kinds.items():
            yield from ((f"object:{kind}", id, entry.saved) for id, entry in entries.items())
        yield from ((f"tomb:{kind}", id, b"true") for kind, id in self._tombs)
        yield from (("event", row.id, row.body) for row in self.events)

    def clear(self) -> None:
        """Forget everything."""
        undelivered = self.undelivered
        self.__init__(strict=self.strict)  # type: ignore[misc]
        self.undelivered = undelivered

    def changed(self) -> bool:
        """Whether the open transaction has done anything."""
        return bool(self._dirty or self._deleted or self.new_events())

    def new_events(self) -> list[EventRow]:
        """The events of the open transaction."""
        return self.events[self._events_at_begin :]

    # -- inside ------------------------------------------------------------------------------------

    def _await(self, entry: Entry) -> None:
        due = entry.obj.get("_due")
        if due == entry.due:
            return
        entry.due = due
        if due is not None:
            clock = entry.obj.get("test_clock") or entry.obj.get("_clock")
            waiting = self._waiting.setdefault(clock, [])
            heapq.heappush(waiting, (due, entry.seq, entry.kind, entry.obj["id"]))

    def _close(self) -> None:
        self._open = False
        self._touched, self._dirty, self._deleted = {}, {}, {}

    def _hand_out(self, entries: Iterable[Entry]) -> list[Obj]:
        found = list(entries)
        if self._open:
            self._touched.update({(e.kind, e.obj["id"]): e for e in found})
        objects = [e.obj for e in found]
        objects.sort(key=lambda obj: obj.get("created") or 0, reverse=True)
        return objects

    def _refuse_forgotten_puts(self) -> None:
        for key, entry in self._touched.items():
            if key not in self._dirty and key not in self._deleted and to_json(entry.obj) != entry.saved:
                raise RuntimeError(f"{key[0]} {key[1]} was changed without put()")
