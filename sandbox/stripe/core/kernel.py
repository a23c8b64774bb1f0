"""What the stand-in's resources are written against: store, request, routes, timed work, expansion.

A resource module imports this one, declares handlers with `route`, background work with `timed` and
fields that appear only on request with `expandable`; `sandbox/stripe/server/resources.py` imports the
resource modules.

A handler runs to completion in the event loop's thread as one transaction: a `StripeError` (or a crash,
answered as a 500) rolls the store back to the state before the request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from ..settings.account import API_VERSION, Account
from ..settings.switches import Switches
from .errors import StripeError, card_declined, invalid, missing
from .store import EventRow, Obj, Store, public

__all__ = [
    "API_VERSION",
    "ATTENDED",
    "BROKEN_OFF",
    "EXPANDABLE",
    "PRESENTED",
    "ROUTES",
    "Account",
    "Ctx",
    "Handler",
    "Obj",
    "Route",
    "Store",
    "StripeError",
    "attends",
    "breaks_off",
    "card_declined",
    "expandable",
    "given_out",
    "invalid",
    "list_object",
    "merge_metadata",
    "missing",
    "presented",
    "public",
    "route",
]

METADATA_KEYS = 50
"""The most keys of an object's metadata."""


@dataclass(slots=True)
class Ctx:
    """One request, or one piece of timed work.

    `params` are decoded, nested and typed by the SDK's annotations; "" stands for "unset this field".
    `now` is the stand-in's clock in Unix seconds (UTC); while timed work runs, the second it was due.
    """

    store: Store
    params: dict[str, Any]
    path: dict[str, str]
    now: int
    idempotency_key: str | None = None
    request_id: str = ""
    account: Account = field(default_factory=Account)
    previewing: bool = False
    """Whether nothing may be stored that comes of it."""
    unsaved: dict[str, Obj] = field(default_factory=dict)
    """What a preview made for itself, by id: its discounts."""
    outside: int | None = None
    """The stand-in's own time, where `now` is that of a test clock."""
    clock: str | None = None
    """The test clock by which what it works on lives."""
    downgrade: Callable[[Ctx, Any], None] | None = None
    """Shows a copy of what is given out as the version of the request has it; None: that is the current."""

    @property
    def switches(self) -> Switches:
        """How this Stripe behaves where sources disagree."""
        return self.account.switches

    def emit(self, type: str, obj: Obj, previous: dict[str, Any] | None = None) -> None:
        """Record an event with a snapshot of `obj` as it is now; webhooks go out after the commit.

        `previous` holds the former values of changed fields (`previous_attributes`).
        """
        # serialised at once, so that the snapshot needs no deep copy; bookkeeping keys are at the top only
        snapshot = {name: value for name, value in obj.items() if name[0] != "_"}
        if present := PRESENTED.get(obj["object"]):
            present(self, snapshot)
        data: dict[str, Any] = {"object": snapshot}
        if previous is not None:
            data["previous_attributes"] = previous
        by_request = bool(self.request_id)
        at = self.now if self.outside is None else self.outside
        event = {
            "id": self.store.new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": at,
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": self.request_id or None, "idempotency_key": self.idempotency_key}
            if by_request
            else {"id": None, "idempotency_key": None},
            "type": type,
        }
        self.store.events.append(EventRow(str(event["id"]), type, at, to_json(event)))

    def page(self, items: list[Obj], url: str) -> Obj:
        """The list object that `limit`, `starting_after` and `ending_before` ask for, of items newest first.

        Raises 400 for a limit outside 1..100 and for a cursor that is none of the items.
        """
        limit = self.params.get("limit", 10)
        if not 1 <= limit <= 100:
            bound = "greater than or equal to 1" if limit < 1 else "less than or equal to 100"
            message = f"This value must be {bound}."
            raise invalid(message, code="parameter_invalid_integer", param="limit")
        after, before = self.params.get("starting_after"), self.params.get("ending_before")
        if after and before:
            raise invalid("You may only specify one of these parameters: ending_before, starting_after.")
        if before:
            stop = _position(items, before, "ending_before")
            start = max(0, stop - limit)
            return list_object(items[start:stop], url, has_more=start > 0)
        start = _position(items, after, "starting_after") + 1 if after else 0
        return list_object(items[start : start + limit], url, has_more=start + limit < len(items))


def _position(items: list[Obj], id: str, param: str) -> int:
    for position, item in enumerate(items):
        if item["id"] == id:
            return position
    raise missing("object", id, param=param, status=400)


def list_object(data: list[Obj], url: str, *, has_more: bool = False) -> Obj:
    """Stripe's list object, as answered by list endpoints and nested in other objects."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def merge_metadata(current: dict[str, str] | None, given: Any) -> dict[str, str]:
    """Metadata after an update: keys merge, a key set to "" goes, "" for the whole empties it.

    Raises 400 when there come to be more than 50 keys (https://docs.stripe.com/api/metadata).
    """
    if given is None:
        return dict(current or {})
    if given == "":
        return {}
    merged = {key: value for key, value in {**(current or {}), **given}.items() if value != ""}
    if len(merged) > METADATA_KEYS:
        raise invalid(f"You can have at most {METADATA_KEYS} metadata keys.", param="metadata")
    return merged


Handler = Callable[[Ctx], Obj]


@dataclass(frozen=True)
class Route:
    """One endpoint: the verb and URL template, its handler and the SDK's TypedDict of its parameters."""

    method: str
    path: str
    handler: Handler
    params: type | None
    kind: str | None
    writes: bool


ROUTES: list[Route] = []


def route(
    method: str, path: str, *, params: type | None, kind: str | None = None, writes: bool | None = None
) -> Callable[[Handler], Handler]:
    """Declare a handler of `method` on a path such as "/v1/subscriptions/{id}".

    `params` is the SDK's TypedDict (`stripe.params.…`): it drives decoding and the refusals of unknown,
    missing and wrong parameters. None: no parameters but `expand`. `writes` (default: not a GET) says
    whether the request locks the objects it names; pass False for a POST that only computes, like a preview.
    """

    def declare(handler: Handler) -> Handler:
        changes = method != "GET" if writes is None else writes
        ROUTES.append(Route(method, path, handler, params, kind, changes))
        return handler

    return declare


Attendance = Callable[[Ctx, Obj], None]

ATTENDED: dict[str, Attendance] = {}


def attends(kind: str) -> Callable[[Attendance], Attendance]:
    """Declare what happens to an object of a kind at the second that it carries as `_due`.

    The clock attends to what is due in the order of time, each a transaction of its own with `ctx.now` the
    due second, and asks again after each. It must change the object so that it isn't due again then.
    """

    def declare(attend: Attendance) -> Attendance:
        ATTENDED[kind] = attend
        return attend

    return declare


BROKEN_OFF: dict[str, Attendance] = {}


def breaks_off(kind: str) -> Callable[[Attendance], Attendance]:
    """Declare what becomes of an object of a kind whose work at its `_due` failed and was rolled back.

    Without, the object only waits no longer. It must change the object so that it isn't due again.
    """

    def declare(end: Attendance) -> Attendance:
        BROKEN_OFF[kind] = end
        return end

    return declare


Expansion = Callable[[Ctx, Obj], Any]

EXPANDABLE: dict[tuple[str, str], Expansion] = {}


def expandable(kind: str, field: str, fn: Expansion) -> None:
    """Declare a field that is answered only when `expand[]` names it, e.g. an invoice's `payments`.

    `fn(ctx, obj)` gets the stored object and gives the value; ids within it can be expanded further.
    """
    EXPANDABLE[kind, field] = fn


Presentation = Callable[[Ctx, Obj], None]

PRESENTED: dict[str, Presentation] = {}


def presented(kind: str, fn: Presentation) -> None:
    """Declare what an object shows only at the moment it is given out, e.g. an invoice's addresses.

    `fn(ctx, copy)` sets fields at the top of the copy that goes into an answer or event.
    """
    PRESENTED[kind] = fn


def given_out(ctx: Ctx, answer: Obj) -> Obj:
    """A public copy of an answer, with what its objects show only at this moment."""
    copy: Obj = public(answer)
    for one in copy["data"] if copy.get("object") in ("list", "search_result") else (copy,):
        if (present := PRESENTED.get(str(one.get("object")))) and not one.get("deleted"):
            present(ctx, one)
    if ctx.downgrade is not None:
        ctx.downgrade(ctx, copy)
    return copy
