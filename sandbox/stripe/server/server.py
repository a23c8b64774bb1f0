"""The stand-in as a server: uvicorn on one loopback port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..core.kernel import API_VERSION
from ..engine.engine import Engine
from .app import create_app


class Protocol(H11Protocol):
    """HTTP/1.1 whose transport is in the scope's state, so that a fault can close the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Server(uvicorn.Server):
    """A uvicorn server of an engine on a port that is bound when it is made; `url` is its address."""

    def __init__(self, engine: Engine, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(engine),
                http=Protocol,
                ws="none",
                lifespan="on",
                access_log=False,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=1,
                timeout_keep_alive=75,  # longer than clients keep theirs: who closes first loses a request
            )
        )
        self.on_started: Callable[[], None] = lambda: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        # The protocol is named because asyncio sets TCP_NODELAY only on sockets that say they are TCP;
        # without it every answer waits 40 ms for a delayed acknowledgement.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        bound = cast("tuple[str, int]", self._socket.getsockname())
        self.url = f"http://{bound[0]}:{bound[1]}"
        engine.account = replace(engine.account, base_url=self.url)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell `on_started`."""
        await super().startup(sockets)
        if not self.should_exit:
            self.on_started()

    async def serve_until_stopped(self) -> None:
        """Serve until `end` or a signal."""
        self._loop = asyncio.get_running_loop()
        await self.serve(sockets=[self._socket])

    def end(self) -> None:
        """Stop serving; of any thread."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._ended.set)

    async def main_loop(self) -> None:
        """As uvicorn's, which looks ten times a second whether it shall end; this one is told as well."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks = (ticks + 1) % 864_000
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which waits a while for what is under way; where nothing is, at once."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)  # in which those close on which nothing is asked
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        else:
            await self.lifespan.shutdown()


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    webhook_url: str | None = None,
    webhook_secret: str | None = None,
    data: Path | None = None,
    check: bool = False,
    api_keys: frozenset[str] = frozenset(),
    api_version: str = API_VERSION,
) -> None:
    """Run the stand-in until a signal, printing its address in one line when it is ready."""
    engine = Engine(data=data, check=check, api_keys=api_keys)
    engine.account = replace(engine.account, api_version=api_version)
    point_webhooks(engine, webhook_url, webhook_secret)
    server = Server(engine, host=host, port=port)
    server.on_started = lambda: print(f"Stripe stand-in ready at {server.url}", flush=True)
    asyncio.run(server.serve_until_stopped())


def point_webhooks(engine: Engine, url: str | None, secret: str | None) -> None:
    """Send webhooks to this address, signed with this secret; None leaves what was set before."""
    changes = {"url": url, "secret": secret}
    given = {name: value for name, value in changes.items() if value is not None}
    if given:
        engine.webhooks.configure(given)
