"""`python -m worker`: hosts the workflows and what they ask of the world, until SIGTERM."""

import asyncio
import logging
import signal
import sys
from contextlib import AsyncExitStack, suppress

from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from billing.policy.policy import Policy
from db import migrate
from db.core.session import AWAY, Database
from settings import logs, process, tracing
from settings.settings import InvalidSettings, Settings, load
from workflows.client import registration
from workflows.client.connection import Connection, InvalidConnection, connection

from . import composition, schedules
from .health import Health

log = logging.getLogger("worker")

RETRY_CONNECT = 1.0
RETRY_MIGRATED = 5.0
"""Seconds."""


async def run(settings: Settings, policy: Policy, to: Connection, looking: Database) -> None:
    """Connects, hosts and waits for SIGTERM or SIGINT. `looking` only sees whether the database is fit."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(looking.dispose)
        health = Health(looking)
        if settings.health_port is not None:
            await stack.enter_async_context(health.served(settings.health_port))
        temporal = await _connected(to, _runtime(settings), stop)
        if temporal is None or not await _migrated(looking, stop):
            return
        hosted = await composition.hosted(stack, settings, policy, temporal)
        await registration.register(temporal)
        await schedules.ensure(temporal)
        process.settle()
        beside = hosted.beside(settings.queues)
        stack.push_async_callback(_end, {asyncio.create_task(one.run()) for one in beside})
        health.ready(temporal)
        log.info("worker ready on %s", to.address)
        await stop.wait()


async def _end(beside: set[asyncio.Task[None]]) -> None:
    for task in beside:
        task.cancel()
    await asyncio.wait(beside)


async def _connected(to: Connection, runtime: Runtime | None, stop: asyncio.Event) -> Client | None:
    """Waits for Temporal, which may start later than the worker."""
    while not stop.is_set():
        try:
            return await to.client(runtime)
        except RuntimeError as error:
            log.warning("waiting for Temporal at %s, which can't be reached: %s", to.address, error)
            await asyncio.sleep(RETRY_CONNECT)
    return None


async def _migrated(database: Database, stop: asyncio.Event) -> bool:
    """Waits until this release can work on the database. One that is away is waited for by each activity."""
    while not stop.is_set():
        try:
            complaint = await migrate.complaint(database)
        except AWAY as error:
            log.warning("waiting for the database, which can't be reached: %s", type(error).__name__)
            return True
        if complaint is None:
            return True
        log.error("waiting for the database to be migrated. %s", complaint)
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_MIGRATED):
                await stop.wait()
    return False


def _runtime(settings: Settings) -> Runtime | None:
    """With the SDK's own metrics for Prometheus where a port is given."""
    if settings.metrics_port is None:
        return None
    metrics = PrometheusConfig(bind_address=f"{settings.metrics_host}:{settings.metrics_port}")
    return Runtime(telemetry=TelemetryConfig(metrics=metrics))


def main() -> int:
    try:
        settings, policy = load()
    except InvalidSettings as error:
        print("The worker can't start. Fix these settings:", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        return 2
    try:
        temporal = connection(settings)
        looking = Database(settings.database_url)
    except InvalidConnection as error:
        print(error, file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"PLIXO_DATABASE_URL: {error}", file=sys.stderr)
        return 2
    logs.configure(settings.log_format)
    tracing.configure(settings.otlp_endpoint, "plixo-worker")
    for warning in settings.warnings:
        log.warning("%s", warning)
    asyncio.run(run(settings, policy, temporal, looking))
    return 0


if __name__ == "__main__":
    sys.exit(main())
