"""How the stand-in's engine runs handlers and timed work: each as a whole, and none stops the others."""

import pytest
from pydantic_core import from_json

from sandbox.stripe.core import kernel
from sandbox.stripe.core.kernel import Ctx, Handler, Obj, Route, card_declined
from sandbox.stripe.engine.engine import Engine, Executed


@pytest.fixture
def engine() -> Engine:
    return Engine(check=False)


def run(engine: Engine, handler: Handler) -> Executed:
    route = Route("POST", "/v1/things", handler, None, None, True)
    return engine.execute(route, Ctx(engine.store, {}, {}, 1000, request_id="req_1"), None)


def note(ctx: Ctx, id: str, **fields: object) -> Obj:
    return ctx.store.put({"id": id, "object": "note", "created": ctx.now, **fields})


def notes(engine: Engine) -> list[str]:
    return [found["id"] for found in engine.store.all("note")]


def test_a_crash_of_a_handler_is_a_500_and_leaves_nothing(engine: Engine) -> None:
    def crash(ctx: Ctx) -> Obj:
        ctx.emit("note.created", note(ctx, "n1"))
        raise KeyError("a bug")

    outcome = run(engine, crash)

    assert (outcome.status, outcome.done) == (500, False)
    assert from_json(outcome.body)["error"]["type"] == "api_error"
    assert "a bug" not in outcome.body.decode()
    assert notes(engine) == []
    assert engine.store.events == []


def test_an_error_can_keep_what_was_done(engine: Engine) -> None:
    def decline(ctx: Ctx) -> Obj:
        note(ctx, "attempt")
        raise card_declined(keep_changes=True)

    outcome = run(engine, decline)

    assert (outcome.status, outcome.done) == (402, True)
    assert notes(engine) == ["attempt"]


def test_keys_that_begin_with_an_underscore_are_not_answered(engine: Engine) -> None:
    outcome = run(engine, lambda ctx: note(ctx, "n1", _secret=1, inner={"_also": 2, "shown": [{"_x": 3}]}))

    assert from_json(outcome.body) == {
        "id": "n1",
        "object": "note",
        "created": 1000,
        "inner": {"shown": [{}]},
    }


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes with `_due` write their second down, unless they are to crash."""

    def ring(ctx: Ctx, waiting: Obj) -> None:
        if waiting.get("_crashes"):
            raise KeyError("a bug")
        waiting["rang_at"], waiting["_due"] = ctx.now, waiting.get("_next")
        waiting["_next"] = None
        ctx.store.put(waiting)

    monkeypatch.setitem(kernel.ATTENDED, "note", ring)


@pytest.mark.usefixtures("timers")
def test_timed_work_runs_in_order_at_its_own_second(engine: Engine) -> None:
    start = engine.clock.now()

    def plan(ctx: Ctx) -> Obj:
        note(ctx, "late", _due=start + 300)
        note(ctx, "twice", _due=start + 100, _next=start + 200)
        return note(ctx, "never", _due=start + 9000)

    run(engine, plan)
    ran = engine.advance(1000)

    assert ran == 3
    assert engine.store.get("note", "twice")["rang_at"] == start + 200
    assert engine.store.get("note", "late")["rang_at"] == start + 300
    assert "rang_at" not in engine.store.get("note", "never")


@pytest.mark.usefixtures("timers")
def test_timed_work_that_crashes_is_reported_and_does_not_stop_the_rest(engine: Engine) -> None:
    start = engine.clock.now()

    def plan(ctx: Ctx) -> Obj:
        note(ctx, "broken", _due=start + 100, _crashes=True)
        return note(ctx, "fine", _due=start + 200)

    run(engine, plan)
    ran = engine.advance(1000)

    assert ran == 1
    assert engine.store.get("note", "fine")["rang_at"] == start + 200
    assert engine.timed.problems == [f"timed work note broken due at {start + 100}: KeyError('a bug')"]
