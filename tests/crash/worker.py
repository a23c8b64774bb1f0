"""The production worker, composed with a wire around its Stripe client and its commits that can kill it.

The kill is SIGKILL of its own process: nothing gets to clean up.
"""

import asyncio
import logging
import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from typing import Any

import stripe
from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import Pool
from temporalio.common import RetryPolicy

from activities.mail import customer_claims
from activities.stripe.gate import StripeGate
from activities.stripe.permissions import KeyPermissions
from billing.stripe.events import STRIPE_CHANGED
from db.core.session import Database
from db.incidents.health_meter import HealthMeter
from db.stripe import event_turns
from settings.settings import load
from worker import composition, late_notices, queues, stripe_events
from workflows.client.connection import connection
from workflows.core import options

from .plan import Kill

HASTE = "PLIXO_TEST_HASTE"
"""In a worker's settings: it is killed so often that nothing may wait for long."""

SLOW_ANSWER = 4.0
"""Seconds after which the client gives up: the stand-in's late answers come later."""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Fuse:
    """Burns down with every occurrence of the planned point; then the process dies."""

    def __init__(self, plan: str | None) -> None:
        self.plan(plan)

    def plan(self, plan: str | None) -> None:
        """A kill as JSON, or none."""
        self._kill = Kill.model_validate_json(plan) if plan else None
        self._left = self._kill.nth if self._kill else 0

    def obey(self, orders: "Pipe[str, str | None]") -> None:
        """Takes a new plan, and says so; without anybody to give one there is nothing to live for."""
        try:
            self.plan(orders.recv())
            orders.send("understood")
        except (EOFError, ConnectionError):
            die()

    def at(self, point: str, what: str) -> bool:
        """Whether this is the very point to die at."""
        kill = self._kill
        if kill is None or kill.point != point or not re.search(kill.match, what):
            return False
        self._left -= 1
        return self._left == 0


class FusedClient(stripe.HTTPXClient):
    """Dies before a request, while it is under way, or with the answer in hand."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__(timeout=SLOW_ANSWER)
        self._fuse = fuse

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        what = f"{method.upper()} {url}"
        if self._fuse.at("before request", what):
            die()
        sending = asyncio.ensure_future(super().request_async(method, url, headers, post_data))
        if self._fuse.at("during request", what):
            await asyncio.sleep(0.15)
            die()
        answer = await sending
        if self._fuse.at("after request", what):
            die()
        return answer


def watch_commits(fuse: Fuse) -> None:
    """Dies before or after the commit that writes a given timeline event, opens an intent, claims an object
    of which Stripe has told, or stores it and notes whom to wake."""

    @event.listens_for(Engine, "before_cursor_execute")
    def note(connection: Connection, _: Any, statement: str, parameters: Any, *__: Any) -> None:
        if "INSERT INTO timeline" in statement:
            values = parameters.values() if isinstance(parameters, dict) else parameters
            connection.info.setdefault("written", []).extend(v for v in values if isinstance(v, str))
        if statement.startswith("INSERT INTO intents"):
            connection.info.setdefault("written", []).append("intent")
        if statement.startswith("UPDATE stripe_events SET claimed_until"):
            connection.info.setdefault("written", []).append("claim")
        if statement.startswith("INSERT INTO outbox") and STRIPE_CHANGED in str(parameters):
            connection.info.setdefault("written", []).append("wake")

    @event.listens_for(Engine, "commit")
    def before(connection: Connection) -> None:
        if any(fuse.at("before commit", key) for key in connection.info.get("written", ())):
            die()

    @event.listens_for(Pool, "checkin")
    def after(_: Any, record: Any) -> None:
        if any(fuse.at("after commit", key) for key in record.info.pop("written", ())):
            die()


async def run(plan: str | None, orders: "Pipe[str, str | None]") -> None:
    settings, policy = load()
    fuse = Fuse(plan)
    asyncio.get_running_loop().add_reader(orders.fileno(), fuse.obey, orders)
    watch_commits(fuse)
    temporal = await connection(settings).client()
    database = Database(settings.database_url)
    client = stripe.StripeClient(
        settings.stripe_api_key.get_secret_value(),
        base_addresses={"api": settings.stripe_api_base},
        max_network_retries=0,
        http_client=FusedClient(fuse),
    )
    async with AsyncExitStack() as stack:
        gate = StripeGate(database, policy.stripe.requests_per_second)  # nothing of the client's waits there
        meter, permissions = HealthMeter(), KeyPermissions()
        activities = composition.build_activities(
            settings, database, temporal, client, gate, policy, meter, permissions
        )
        for worker in queues.build_workers(temporal, activities, policy, settings.release):
            await stack.enter_async_context(worker)
        async with asyncio.TaskGroup() as beside:
            beside.create_task(activities.outbox.run())
            beside.create_task(activities.mails.run())
            beside.create_task(activities.events.run())
            beside.create_task(activities.late_notices.run())


def claim_briefly() -> None:
    """For shorter than in production: what a dead worker leaves behind is waited for again and again here."""
    queues.STICKY = timedelta(seconds=1.5)
    vars(late_notices)["LOOK_EVERY"] = 2.0
    vars(composition)["MAILS"] = composition.MAILS._replace(claim=timedelta(seconds=2))
    vars(event_turns)["CLAIM"] = timedelta(seconds=2)
    vars(stripe_events)["RENEW_EVERY"] = timedelta(seconds=0.5)


def make_haste() -> None:
    """Where a worker dies again and again, what it leaves behind is picked up within about a second."""
    queues.STICKY = timedelta(seconds=0.5)
    again = RetryPolicy(initial_interval=timedelta(seconds=0.1), backoff_coefficient=1.0)
    for chosen in (options.REMINDER_PAGE, options.REMINDER_MAILS):
        chosen.update(heartbeat_timeout=timedelta(seconds=1), retry_policy=again)
    vars(options)["SEND_LATER"] = (timedelta(seconds=1),) * 60
    vars(customer_claims)["CLAIM"] = timedelta(seconds=1)


def live(settings: dict[str, str], plan: str | None, log: str, orders: "Pipe[str, str | None]") -> None:
    """One life of the worker, as a forked process: ends by SIGKILL, its own or somebody's."""
    os.environ.update(settings)
    claim_briefly()
    if HASTE in settings:
        make_haste()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, sys.stdout.fileno())
    os.dup2(descriptor, sys.stderr.fileno())
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    asyncio.run(run(plan, orders))
