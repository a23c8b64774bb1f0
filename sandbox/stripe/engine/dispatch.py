"""A request of the Stripe API from its arrival in the log to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pydantic_core import to_json

from ..core import forms, params
from ..core.errors import StripeError, card_declined, invalid
from ..core.faults import FaultRequest
from ..core.idempotency import Saved, fingerprint, key_in_use
from ..core.kernel import API_VERSION, ROUTES, Ctx, Obj, Route
from ..core.limits import ids_in, lock_timeout, rate_limited
from ..versions.registry import Call, downgrade, upgrade
from .engine import Engine, api_error

Line = dict[str, Any]

JSON = (b"content-type", b"application/json")
HTML = (b"content-type", b"text/html")
BAD_GATEWAY = b"<html><head><title>%d</title></head><body><h1>Bad Gateway</h1></body></html>\n"


@dataclass(slots=True)
class Request:
    """A request as it came in; `encoded` is its body or query string."""

    method: str
    path: str
    segments: tuple[str, ...]
    encoded: bytes
    idempotency_key: str | None
    version: str


@dataclass(slots=True)
class Answer:
    """Status, body and headers to send."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=lambda: [JSON])


class _Dropped(Exception):
    """The connection is to be closed without an answer."""


class Router:
    """Finds the route of a path; fixed paths win over templates."""

    def __init__(self, routes: list[Route]) -> None:
        self._fixed: dict[tuple[str, tuple[str, ...]], Route] = {}
        self._templates: dict[tuple[str, int], list[tuple[tuple[str, ...], Route]]] = {}
        for route in routes:
            segments = tuple(route.path.split("/"))
            if "{" not in route.path:
                self._fixed[route.method, segments] = route
            else:
                self._templates.setdefault((route.method, len(segments)), []).append((segments, route))

    def find(self, method: str, segments: tuple[str, ...]) -> tuple[Route, dict[str, str]] | None:
        """The route and the values of its placeholders."""
        fixed = self._fixed.get((method, segments))
        if fixed is not None:
            return fixed, {}
        for template, route in self._templates.get((method, len(segments)), ()):
            values = {}
            for wanted, given in zip(template, segments, strict=True):
                if wanted.startswith("{") and given:
                    values[wanted[1:-1]] = given
                elif wanted != given:
                    break
            else:
                return route, values
        return None


_router: list[Router] = []


def router() -> Router:
    """The router of all declared routes, made when the first request comes."""
    if not _router:
        _router.append(Router(ROUTES))
    return _router[0]


async def serve_request(engine: Engine, request: Request, refused: StripeError | None) -> Answer | None:
    """Answer a request, or None to hang up. `refused`: why it isn't let in at all."""
    line = engine.log_request(request.method, request.path, request.idempotency_key)
    try:
        if refused is not None:
            raise refused
        engine.rate.admit()
        fault = engine.faults.take(request.method, request.path)
        if fault is not None:
            line["fault"] = fault.fault
        answer = await _serve(engine, request, line, fault)
    except StripeError as error:
        answer = _refusal(engine, error, line)
    except _Dropped:
        return None
    if request.idempotency_key:
        answer.headers.append((b"idempotency-key", request.idempotency_key.encode("latin-1")))
    line["status"] = answer.status
    return answer


async def _serve(engine: Engine, request: Request, line: Line, fault: FaultRequest | None) -> Answer:
    if fault is not None and fault.fault in _BEFORE:
        if fault.delay_ms:
            await asyncio.sleep(fault.delay_ms / 1000)
        return _BEFORE[fault.fault](engine, fault, request, line)
    given, tree = _read(request)
    call = Call(engine.store, request.method, request.segments, tree)
    upgrade(call, request.version)
    found = router().find(call.method, call.segments)
    if found is None:
        raise _unknown_url(request)
    engine.rate.admit_to(call.method, found[0].path)
    route, path = _with(call, found[0]), found[1]
    key = request.idempotency_key
    if not key:
        return await _checked(engine, request, line, fault, route, path, call.params, None)
    print = fingerprint(request.method, request.path, given)
    saved = engine.idempotency.claim(key, print, engine.clock.now())
    if saved is not None:
        return _replayed(saved, line, fault)
    try:
        return await _checked(engine, request, line, fault, route, path, call.params, print)
    finally:
        engine.idempotency.release(key)


def _read(request: Request) -> tuple[forms.Pairs, forms.Tree]:
    """What was sent, as it distinguishes requests, and as a tree."""
    if request.method == "POST" and request.segments[1:2] == ("v2",):
        return [("", request.encoded.decode(errors="replace"))], forms.of_json(request.encoded)
    given = forms.pairs(request.encoded)
    return given, forms.tree(given)


async def _checked(
    engine: Engine,
    request: Request,
    line: Line,
    fault: FaultRequest | None,
    route: Route,
    path: dict[str, str],
    given: forms.Tree,
    print: str | None,
) -> Answer:
    """Check the parameters, wait for objects that are locked, hold up if asked to, execute."""
    typed = params.check(route.params, given)
    delay = fault.delay_ms / 1000 if fault is not None else 0
    if not route.writes:
        if delay:
            await asyncio.sleep(delay)
        return _execute(engine, request, line, fault, route, path, typed, None)
    ids = ids_in(path, typed)
    if not delay and not engine.locks.busy(ids):  # nothing can come between: execution is synchronous
        return _execute(engine, request, line, fault, route, path, typed, print)
    await engine.locks.acquire(ids)
    try:
        if delay:
            await asyncio.sleep(delay)
        return _execute(engine, request, line, fault, route, path, typed, print)
    finally:
        engine.locks.release(ids)


def _execute(
    engine: Engine,
    request: Request,
    line: Line,
    fault: FaultRequest | None,
    route: Route,
    path: dict[str, str],
    typed: dict[str, Any],
    print: str | None,
) -> Answer:
    ctx = Ctx(
        engine.store,
        typed,
        path,
        engine.clock.now(),
        request.idempotency_key,
        line["request_id"],
        engine.account,
    )
    if request.version != API_VERSION:
        ctx.downgrade = partial(downgrade, version=request.version)
    kind = fault.fault if fault is not None else None
    instead = api_error(fault.status or 500) if fault is not None and kind == "error_after" else None
    if kind == "decline":
        executed = engine.refuse(ctx, print, card_declined())
    else:
        executed = engine.execute(route, ctx, print, instead)
    line["executed"] = executed.done
    if kind == "drop_after":
        raise _Dropped
    headers = [JSON, (b"request-id", line["request_id"].encode())]
    if fault is not None and instead is not None:
        headers += _retry_after(fault)
    return Answer(executed.status, executed.body, headers)


def _with(call: Call, route: Route) -> Route:
    """The route with what a request of an older version does besides."""
    if not call.also and call.instead is None:
        return route

    def handler(ctx: Ctx) -> Obj:
        answer = route.handler(ctx)
        for more in call.also:
            more(ctx, answer)
        return call.instead(answer) if call.instead else answer

    return replace(route, handler=handler)


def _replayed(saved: Saved, line: Line, fault: FaultRequest | None) -> Answer:
    """The kept answer once more, under the request id of the first."""
    line["replayed"] = True
    if fault is not None and fault.fault == "drop_after":
        raise _Dropped
    if fault is not None and fault.fault == "error_after":
        raise api_error(fault.status or 500)
    line["request_id"] = saved.request_id
    original = saved.request_id.encode()
    headers = [
        JSON,
        (b"request-id", original),
        (b"original-request", original),
        (b"idempotent-replayed", b"true"),
    ]
    return Answer(saved.status, saved.body, headers)


def _refusal(engine: Engine, error: StripeError, line: Line) -> Answer:
    """A refusal that came before anything executed."""
    headers = [JSON]
    request, locked = line["request_id"].encode(), error.code == "lock_timeout"
    if not locked or engine.account.switches.lock_timeout == "with_id":
        headers += [(b"request-id", request), *([(b"original-request", request)] if locked else [])]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    return Answer(error.status, to_json(error.body()), headers)


def _unknown_url(request: Request) -> StripeError:
    return invalid(
        f"Unrecognized request URL ({request.method}: {request.path}). Please see https://stripe.com/docs "
        "or we can help at https://support.stripe.com/.",
        status=404,
    )


# -- faults that come before execution -----------------------------------------------------------------


def _refused_by(make: Callable[[FaultRequest, Request], StripeError]) -> Callable[..., Answer]:
    def answer(engine: Engine, fault: FaultRequest, request: Request, line: Line) -> Answer:
        refusal = _refusal(engine, make(fault, request), line)
        refusal.headers += _retry_after(fault)
        return refusal

    return answer


def _needs_approval(engine: Engine, fault: FaultRequest, request: Request, line: Line) -> Answer:
    """As of a key that a rule of Stripe's own approvals binds. https://docs.stripe.com/account/approvals"""
    id = engine.store.new_id("apreq_test")
    error = StripeError(
        engine.account.switches.approval_refusal,
        "invalid_request_error",
        f"This action requires approval before it can be completed. An approval request ({id}) has been "
        "automatically generated but has not been submitted. To proceed, submit the request for review via "
        f"POST /v2/core/approval_requests/{id}/submit — if approved, it will automatically execute.",
        code="approval_required",
        extra={"approval_request": {"id": id, "object": "approval_request", "status": "pending"}},
    )
    return _refusal(engine, error, line)


def _bad_gateway(engine: Engine, fault: FaultRequest, request: Request, line: Line) -> Answer:
    status = fault.status or 502
    return Answer(status, BAD_GATEWAY % status, [HTML, *_retry_after(fault)])


def _dropped(engine: Engine, fault: FaultRequest, request: Request, line: Line) -> Answer:
    raise _Dropped


def _retry_after(fault: FaultRequest) -> list[tuple[bytes, bytes]]:
    return [(b"retry-after", b"%d" % fault.retry_after)] if fault.retry_after is not None else []


REFUSED = "You may not, or there is no such thing."
"""What a scripted refusal says."""

_BEFORE: dict[str, Callable[[Engine, FaultRequest, Request, Line], Answer]] = {
    "rate_limit": _refused_by(lambda fault, request: rate_limited(fault.reason)),
    "lock_timeout": _refused_by(lambda fault, request: lock_timeout()),
    "key_in_use": _refused_by(lambda fault, request: key_in_use(request.idempotency_key)),
    "error_before": _refused_by(lambda fault, request: api_error(fault.status or 500)),
    "bad_gateway": _bad_gateway,
    "refuse": _refused_by(lambda fault, request: invalid(REFUSED, status=fault.status or 404)),
    "needs_approval": _needs_approval,
    "drop_before": _dropped,
}
