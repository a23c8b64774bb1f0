"""The stand-in in a thread of the running process: for tests and for the embedded stack."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic_core import from_json, to_json

from ..core.store import Record
from ..engine.dispatch import Answer
from ..engine.engine import Engine
from . import control
from .server import Server, point_webhooks

START_SECONDS = 15.0
WAIT_SECONDS = 30.0

T = TypeVar("T")


class StandIn:
    """A running stand-in on a free loopback port, in a thread with its own event loop.

    `check` (the default) compares every answer with the SDK's annotations; see `violations()`.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        webhook_url: str | None = None,
        webhook_secret: str | None = None,
        data: Path | None = None,
        check: bool = True,
    ) -> None:
        self.webhook_secret = webhook_secret or "whsec_sandbox"
        self._engine = Engine(data=data, check=check)
        point_webhooks(self._engine, webhook_url, self.webhook_secret)
        self._server = Server(self._engine, port=port)
        self._thread = threading.Thread(target=self._run, name="stripe-stand-in", daemon=True)
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()

    @property
    def url(self) -> str:
        """Its address: the SDK's `base_addresses={"api": url}`."""
        return self._server.url

    def start(self) -> Self:
        """Start serving; returns when it answers. Raises RuntimeError when it doesn't come up."""
        self._thread.start()
        if not self._started.wait(START_SECONDS) or not self._server.started:
            raise RuntimeError("the Stripe stand-in did not start")
        return self

    def stop(self) -> None:
        """End it and wait until it has ended."""
        self._server.end()
        self._thread.join(START_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- its own endpoints -----------------------------------------------------------------------------

    def control(self, path: str, json: Any = None, *, method: str | None = None) -> Any:
        """As `/_sandbox/{path}` answers a POST when `json` is given, else a GET; raises for a refusal.

        It is asked in the thread itself, so that no test waits for a request over HTTP.
        """
        verb = method or ("GET" if json is None else "POST")
        name, _, query = path.partition("?")
        body = b"" if json is None else to_json(json)

        async def answered() -> Answer:
            return await control.answer(self._engine, verb, f"/_sandbox/{name}", query.encode(), body)

        answer = self._do(answered)
        if answer.status >= 400:
            raise ValueError(f"{verb} /_sandbox/{path}: {answer.status} {answer.body.decode()}")
        return from_json(answer.body)

    def fault(self, fault: str, **more: Any) -> None:
        """Arm a fault: `fault("drop_after", method="POST", path="/v1/refunds$", times=1)`."""
        self.control("faults", {"fault": fault, **more})

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self.control("faults", method="DELETE")

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """The request log after the line numbered `since`."""
        lines: list[dict[str, Any]] = self.control(f"requests?since={since}")
        return lines

    def wait_for_request(self, since: int, *, path: str = "", method: str = "") -> dict[str, Any]:
        """The first request after line `since`, of this `method`, whose path has `path` in it, once it came.

        It may still be held up. Raises TimeoutError when none comes.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            for line in self.requests(since):
                if path in line["path"] and method in ("", line["method"]):
                    return line
            time.sleep(0.005)
        raise TimeoutError(f"no request of {path or 'anything'} came")

    def last_request(self) -> int:
        """The number of the newest line of the request log; 0 when there is none."""
        lines = self.requests()
        return int(lines[-1]["seq"]) if lines else 0

    def advance(self, seconds: int) -> int:
        """Move the clock forward, running what falls due; gives the new second."""
        return int(self.control("clock", {"advance_seconds": seconds})["now"])

    def now(self) -> int:
        """Its clock's second."""
        return int(self.control("clock")["now"])

    def webhooks(self, **changes: Any) -> dict[str, Any]:
        """Change mode, url, secret or events; gives the state of the deliveries."""
        state: dict[str, Any] = self.control("webhooks", changes or None)
        return state

    def wait_until_delivered(self) -> dict[str, Any]:
        """The state of the deliveries once none is pending. Raises TimeoutError when some stay."""
        deadline = time.monotonic() + WAIT_SECONDS
        while (state := self.webhooks())["pending"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"webhooks are still pending: {state}")
            time.sleep(0.005)
        return state

    def violations(self) -> list[dict[str, Any]]:
        """What was found wrong in its answers: [] when all is well."""
        found: list[dict[str, Any]] = self.control("violations")
        return found

    def reset(self) -> None:
        """Empty it."""
        self.control("reset", {})

    def objects(self) -> list[Record]:
        """All that it holds, for `hold` of another one."""

        async def dumped() -> list[Record]:
            return list(self._engine.store.dump())

        return self._do(dumped)

    def hold(self, objects: Iterable[Record]) -> None:
        """Hold what another one held; this one is empty."""

        async def held() -> None:
            self._engine.hold(objects)

        self._do(held)

    # -- the thread --------------------------------------------------------------------------------------

    def _do(self, what: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(what(), self._loop).result(WAIT_SECONDS)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._server.on_started = self._started.set
        await self._server.serve_until_stopped()
