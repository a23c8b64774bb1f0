"""A small HTTP server beside a process' own work: for health checks and for Prometheus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import uvicorn
from starlette.types import ASGIApp

MAX_AT_A_TIME = 32
"""Connections: only what watches this process asks here."""


class _Server(uvicorn.Server):
    """Leaves the signals to the process, which has another use for them."""

    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def served(app: ASGIApp, host: str, port: int) -> AsyncIterator[None]:
    """Answers on the port while the block runs."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        limit_concurrency=MAX_AT_A_TIME,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await task
