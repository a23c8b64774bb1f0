"""The whole house for a test: API, workers, records, mail sink, Stripe stand-in and a Temporal server.

People act through the HTTP API, as in production; nothing of ours is patched.
"""

import asyncio
import json
import socket
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Self

import uvicorn
from aiosmtpd.smtp import SMTP
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from pydantic import SecretStr
from sqlmodel import select
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.testservice.v1 import UnlockTimeSkippingRequest
from temporalio.api.workflowservice.v1 import ListOpenWorkflowExecutionsRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.stripe.gate import StripeGate
from activities.stripe.permissions import KeyPermissions
from api.app import create_app
from api.http.context import Context, StripeAccount
from billing.approvals.marks import DecisionMarks
from billing.core.keys import SecretHashes
from billing.policy.policy import Policy, policy_from_toml
from billing.stripe.events import CatchUpPage
from db.core.session import Database
from db.incidents.health_meter import HealthMeter
from db.tables import Operation, Person, StripeEvent
from sandbox.stack.mail import LOOPBACK, Mailbox
from sandbox.stripe.server.inprocess import StandIn
from settings.settings import DEFAULT_POLICY, Settings
from worker import composition, queues
from worker.late_notices import LateNotices
from worker.outbox import OutboxSweep
from worker.stripe_events import EventSweep
from worker.watch.watch import Watch
from workflows.client import registration
from workflows.core import ids

from .builders import Member, Tenant
from .shop import APRIL, PLANS, Plans, Shop, open_shop
from .told import mail_name

BIN = Path(sys.executable).parent
SECRET = "whsec_house"
"""Seconds between two looks at the outbox."""
PATIENCE = 30.0
"""Seconds until a test gives up waiting for a state."""

LOOKS = 500
"""How often is looked before it is given up."""

LOOK_EVERY = 3.0
"""Seconds between two looks whether anything still runs while time is skipped."""

HELD_LOOKS = 2
"""So many looks in a row at which time passed as for a real clock, and nobody was at work."""

_keys = count(1)

BESIDE = ("mail_sent", "asked_of_stripe")
"""Events that say no more of a workflow than the one beside them: mails go out at their own time."""


def default_policy(**stripe: float) -> Policy:
    """The policy that the project ships, but for the pace of calls to Stripe."""
    policy = policy_from_toml(DEFAULT_POLICY.read_text(encoding="utf-8"))
    faster = policy.stripe.model_copy(update={"requests_per_second": 500.0} | stripe)
    return policy.model_copy(update={"stripe": faster})


class MailSink:
    """An SMTP server that keeps what it takes."""

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self.url = ""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            # A fixed name, or aiosmtpd asks the resolver for one and may wait for it.
            lambda: SMTP(self.mailbox, hostname="localhost", loop=loop),
            LOOPBACK,
            0,
        )
        self.url = f"smtp://{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def close(self) -> None:
        """The server goes away; connections that are open stay."""
        self._server.close()

    async def reopen(self) -> None:
        """It is there again, where it was."""
        port = int(self.url.rpartition(":")[2])
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self.mailbox, hostname="localhost", loop=loop), LOOPBACK, port
        )

    def names(self, to: Person | None = None) -> list[str]:
        """What was mailed (see `mail_name`), to one person or to everybody."""
        return [mail_name(one) for one in self.mailbox.mails if to is None or to.email in one["to"]]


class _Stand(NamedTuple):
    state: str
    stage: str
    error: Any


@dataclass
class House:
    """A running house. `wait` and friends look at the API, as a person would."""

    temporal: Client
    environment: WorkflowEnvironment | None
    database: Database
    shop: Shop
    mail: MailSink
    http: AsyncClient
    settings: Settings
    policy: Policy
    patience: float = PATIENCE
    app: FastAPI | None = None
    watch: Watch | None = None
    outbox: OutboxSweep | None = None
    """That of its worker; it looks when a test says so."""
    mails: OutboxSweep | None = None
    """Likewise, of mails to people."""
    stripe_events: EventSweep | None = None
    """Likewise, of what Stripe has told."""
    ran: list[str] = field(default_factory=list)
    """What a schedule would have started, and quotes."""
    host: Callable[[type], Awaitable[str]] | None = None
    deploy: Callable[[str | None], Sequence[Worker]] | None = None
    """More workers that do the same, of another release."""
    """Hosts a workflow of a test's own, which writes the same records; returns its queue."""
    _last: _Stand | None = None

    @property
    def stand_in(self) -> StandIn:
        return self.shop.stand_in

    # --- acting -----------------------------------------------------------------------------------------

    async def get(self, who: Member, path: str) -> dict[str, Any]:
        answer = await self.http.get(path, headers=who.headers)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def post(self, who: Member, path: str, body: dict[str, Any], **headers: str) -> Response:
        return await self.http.post(path, json=body, headers=who.headers | headers)

    async def ask(self, tenant: Tenant, **wanted: Any) -> str:
        """The admin asks for a plan change; returns its operation's id."""
        body = {"plan": "growth", "reason": "The team grows."} | wanted
        key = {"Idempotency-Key": f"test-{next(_keys)}"}
        answer = await self.http.post("/v1/plan-changes", json=body, headers=tenant.admin.headers | key)
        assert answer.status_code == 202, answer.text
        operation: str = answer.json()["id"]
        return operation

    async def approval(self, who: Member, operation: str) -> dict[str, Any]:
        """The open approval of an operation."""
        found = await self.get(who, f"/v1/operations/{operation}")
        return await self.get(who, f"/v1/approvals/{found['approval']}")

    async def decide(
        self, who: Member, operation: str, decision: str = "approve", comment: str | None = None, **more: Any
    ) -> Response:
        """Decides what is open, having looked at it just now."""
        approval = await self.approval(who, operation)
        if self.mails is not None:
            await self.mails.sweep()  # who was asked is told how it ended, and has to have been asked
        body = {"decision": decision, "subject_hash": approval["subject_hash"], "comment": comment} | more
        return await self.said(who, approval["id"], body)

    async def said(self, who: Member, approval: str, body: dict[str, Any]) -> Response:
        """The answer to a decision, once the workflow knows of it: a test may skip time then."""
        answer = await self.post(who, f"/v1/approvals/{approval}/decision", body)
        if self.app is not None:
            await self.app.state.context.dispatcher.idle()
        return answer

    # --- Stripe's events --------------------------------------------------------------------------------

    @asynccontextmanager
    async def told_by_stripe(self) -> AsyncIterator[None]:
        """Within, the stand-in posts its events to the API, which then has a port of its own."""
        assert self.app is not None
        async with served(self.app) as address:
            self.stand_in.webhooks(url=f"{address}/webhooks/stripe", secret=SECRET)
            try:
                yield
            finally:
                # Nothing may be on its way any more when the port is closed.
                await self._delivered()
                self.stand_in.webhooks(url=None)

    async def followed(self) -> None:
        """Waits until every event so far was delivered and followed to its end."""
        await self._delivered()
        await self.settled()

    async def settled(self) -> None:
        """Waits until every event that has arrived was followed to its end, and who waits for it told."""

        async def none_is_pending() -> bool:
            if self.stripe_events is not None:
                await self.stripe_events.sweep()
            async with self.database.reading() as session:
                pending = await session.exec(select(StripeEvent.id).where(StripeEvent.state == "pending"))
                return pending.first() is None

        await until(none_is_pending, lambda: "an event is still followed", self.patience)
        if self.outbox is not None:
            await self.outbox.sweep()

    async def catch_up(self) -> int:
        """Asks Stripe for what its webhooks have not brought, due or not; how many events."""
        missed: int = await self.run(ids.EVENT_CATCH_UP, CatchUpPage(at=await self.now()))
        await self.swept()
        return missed

    async def run(self, workflow: str, *args: Any) -> Any:
        """Starts what a schedule would start, and waits for its end without skipping time."""
        assert self.environment is not None
        self.ran.append(f"{workflow}-{next(_keys)}")
        with self.environment.auto_time_skipping_disabled():
            return await self.temporal.execute_workflow(
                workflow, args=args, id=self.ran[-1], task_queue=ids.MAIN_QUEUE
            )

    async def _delivered(self) -> None:
        async def empty() -> bool:
            return not self.stand_in.webhooks()["pending"]

        await until(empty, lambda: f"webhooks are pending: {self.stand_in.webhooks()}", self.patience)

    async def late_notices_told(self) -> None:
        """The controller hears of what Finance has not acknowledged by the server's clock."""
        at = await self.now()
        await LateNotices(self.database, clock=lambda: at).look()

    async def swept(self) -> None:
        """Passes on what waits in the outbox."""
        assert self.outbox is not None
        assert self.mails is not None
        await self.outbox.sweep()
        await self.mails.sweep()

    # --- waiting ----------------------------------------------------------------------------------------

    async def wait(
        self, tenant: Tenant, operation: str, *states: str, stage: str | None = None
    ) -> dict[str, Any]:
        """The operation, as soon as it is in one of the states (and at the stage)."""
        found: dict[str, Any] = {}

        async def there() -> bool:
            nonlocal found
            at = await self._stands(operation)
            if at.state not in states or stage not in (None, at.stage):
                return False
            found = await self.get(tenant.auditor, f"/v1/operations/{operation}")
            return bool(found["state"] in states and stage in (None, found["stage"]))

        await until(there, lambda: f"{operation} is {self._last}", self.patience)
        return found

    async def reviewed(self, tenant: Tenant, operation: str, round_: int = 1) -> dict[str, Any]:
        """The open approval of the given round."""
        found: dict[str, Any] = {}

        async def there() -> bool:
            nonlocal found
            if (await self._stands(operation)).state != "awaiting_approval":
                return False
            operation_now = await self.get(tenant.auditor, f"/v1/operations/{operation}")
            if operation_now["state"] != "awaiting_approval" or not operation_now["approval"]:
                return False
            found = await self.get(tenant.auditor, f"/v1/approvals/{operation_now['approval']}")
            return bool(found["state"] == "open" and found["id"].endswith(f"-{round_}"))

        await until(there, lambda: f"{operation} has no open round {round_}", self.patience)
        return found

    async def _stands(self, operation: str) -> _Stand:
        """Where its row is. That is cheap to look at again and again; then the API is asked."""
        columns = select(Operation.state, Operation.stage, Operation.error).where(Operation.id == operation)
        async with self.database.reading() as session:
            self._last = _Stand(*(await session.exec(columns)).one())
        return self._last

    async def run_again(self, operation: str) -> None:
        """Terminates an operation's workflow and starts the next run, with what began the first."""
        earlier = self.temporal.get_workflow_handle(ids.operation_workflow(operation))
        [start, *_] = (await earlier.fetch_history()).events
        began = start.workflow_execution_started_event_attributes
        [request] = await self.temporal.data_converter.decode(began.input.payloads)
        await earlier.terminate()
        await self.temporal.start_workflow(
            began.workflow_type.name, request, id=earlier.id, task_queue=ids.MAIN_QUEUE
        )

    async def history(self, operation: str) -> Counter[str]:
        """How many of each event are in the history of an operation's workflow: `TIMER_STARTED` …"""
        handle = self.temporal.get_workflow_handle(ids.operation_workflow(operation))
        return Counter([_type(event) async for event in handle.fetch_history_events()])

    async def events(self, tenant: Tenant, operation: str) -> list[str]:
        """The codes of the timeline's events, in order, but for those of `BESIDE`."""
        page = await self.get(tenant.auditor, f"/v1/operations/{operation}/timeline?limit=100")
        return [event["code"] for event in page["data"] if event["code"] not in BESIDE]

    async def skip(self, **time: float) -> None:
        """Moves the time-skipping server's clock, or as far as anything still happens."""
        await self._sleep(timedelta(**time))

    async def now(self) -> datetime:
        """What the time-skipping server's clock says."""
        assert self.environment is not None
        return await self.environment.get_current_time()

    async def skip_past(self, moment: str) -> None:
        """Moves the time-skipping server's clock to a minute after an RFC 3339 time."""
        await self._sleep(datetime.fromisoformat(moment) - await self.now() + timedelta(minutes=1))

    async def _sleep(self, time: timedelta) -> None:
        """After the last workflow has ended, the server may go on at the pace of a real clock: then there is
        nothing to wait for. It may do so as well while workflows wait and no activity runs, having counted
        one more who holds time than there are: one such was the escalation of a notice.
        """
        assert self.environment is not None
        held, last = 0, await self.now()
        end = last + time
        sleeping = asyncio.ensure_future(self.environment.sleep(time))
        while not (await asyncio.wait([sleeping], timeout=LOOK_EVERY))[0]:
            running = await self._running()
            if not running:
                sleeping.cancel()
                return
            now = await self.now()
            slow = now - last < timedelta(seconds=2 * LOOK_EVERY)
            held, last = (held + 1 if slow and not await self._at_work(running) else 0), now
            if held == HELD_LOOKS:
                sleeping.cancel()
                await self.temporal.test_service.unlock_time_skipping(UnlockTimeSkippingRequest())
                held, sleeping = 0, asyncio.ensure_future(self.environment.sleep(end - now))
        await sleeping

    async def _running(self) -> list[str]:
        """The ids of the workflows that run."""
        found = await self.temporal.workflow_service.list_open_workflow_executions(
            ListOpenWorkflowExecutionsRequest(namespace=self.temporal.namespace)
        )
        return [execution.execution.workflow_id for execution in found.executions]

    async def _at_work(self, running: list[str]) -> bool:
        """Whether one of them has an activity under way: time stands still for it."""
        for workflow in running:
            with suppress(RPCError):  # it has ended meanwhile
                told = await self.temporal.get_workflow_handle(workflow).describe()
                if told.raw_description.pending_activities:
                    return True
        return False


def _type(event: HistoryEvent) -> str:
    return EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")


async def until(
    condition: Callable[[], Awaitable[bool]], say: Callable[[], str], patience: float = PATIENCE
) -> None:
    """Polls until the condition holds; fails the test with `say()` when it never does.

    `patience` is in seconds of a machine with nothing else to do: it is so many looks, which take longer
    where whatever is waited for does, too.
    """
    for _ in range(LOOKS):
        if await condition():
            return
        await asyncio.sleep(patience / LOOKS)
    raise AssertionError(say())


class _Server(uvicorn.Server):
    """Leaves the signals to pytest."""

    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The app on a free loopback port, in this loop; gives its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as port:
        port.bind((LOOPBACK, 0))
        server = _Server(
            uvicorn.Config(
                app, lifespan="off", access_log=False, log_config=None, timeout_graceful_shutdown=1
            )
        )
        task = asyncio.create_task(server.serve(sockets=[port]))
        try:
            yield f"http://{LOOPBACK}:{port.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal test server of its own: its time is server-wide."""
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(BIN / "temporal-test-server"), data_converter=pydantic_data_converter
    )
    async with environment:
        await registration.register(environment.client)
        yield environment


@asynccontextmanager
async def running(loop: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Within, what a worker runs beside its activities."""
    task = asyncio.create_task(loop)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def house(
    environment: WorkflowEnvironment,
    database: Database,
    stand_in: StandIn,
    *,
    at: int = APRIL,
    plans: Plans = PLANS,
    currency: str = "usd",
    policy: Policy | None = None,
    release: str | None = None,
) -> AsyncIterator[House]:
    """Everything, in this process, around a Temporal server and a fresh database; the workers of a `release`
    or, without one, of none."""
    async with AsyncExitStack() as stack:
        mail = await stack.enter_async_context(MailSink())
        policy = policy or default_policy()
        settings = Settings(
            database_url=database.url.render_as_string(hide_password=False),
            stripe_api_key=SecretStr("sk_test_plixo"),
            stripe_api_base=stand_in.url,
            stripe_webhook_secret=SecretStr(SECRET),
            smtp_url=mail.url,
            public_url="http://plixo.test",
            secret_keys=SecretStr(f"test={b64encode(b'k' * 32).decode()}"),
        )
        shop = await open_shop(stand_in, at, plans, currency)
        gate = StripeGate(database, policy.stripe.requests_per_second)
        permissions = KeyPermissions()
        uncounted = HealthMeter()  # how Stripe does is what a test's probes and events say
        stripe_api = composition.build_stripe(settings, gate, permissions, uncounted)
        activities = composition.build_activities(
            settings, database, environment.client, stripe_api, gate, policy, HealthMeter(), permissions
        )
        stack.push_async_callback(activities.close)

        def deploy(release: str | None) -> Sequence[Worker]:
            return queues.build_workers(environment.client, activities, policy, release)

        for worker in deploy(release):
            await stack.enter_async_context(worker)
        assert settings.keys is not None
        marks = DecisionMarks.of(settings.keys)
        # Mails of the worker have links of these; the people of `builders` have keys without.
        hashes = SecretHashes.of(replace(settings.keys, plain=True))
        account = StripeAccount(settings.webhook_secrets, settings.livemode)
        app = create_app(
            policy,
            database,
            environment.client,
            rate=1e6,
            calm=1e6,
            stripe=account,
            marks=marks,
            hashes=hashes,
        )
        http = await stack.enter_async_context(
            AsyncClient(transport=ASGITransport(app), base_url="http://plixo.test", timeout=30)
        )
        context: Context = app.state.context
        stack.push_async_callback(context.dispatcher.idle)
        for sweep in (activities.outbox, activities.mails, activities.chats, activities.events):
            await stack.enter_async_context(running(sweep.run()))

        hosted: set[type] = set()

        async def host(workflow: type) -> str:
            if workflow in hosted:
                return workflow.__name__
            hosted.add(workflow)
            worker = Worker(
                environment.client,
                task_queue=workflow.__name__,
                workflows=[workflow],
                activities=activities.main,
                workflow_runner=queues.RUNNER,
            )
            await stack.enter_async_context(worker)
            return worker.task_queue

        yield House(
            environment.client,
            environment,
            database,
            shop,
            mail,
            http,
            settings,
            policy,
            app=app,
            watch=activities.watch,
            outbox=activities.outbox,
            mails=activities.mails,
            stripe_events=activities.events,
            host=host,
            deploy=deploy,
        )


def as_json(value: Any) -> str:
    """For messages of failing tests."""
    return json.dumps(value, indent=2, sort_keys=True)
