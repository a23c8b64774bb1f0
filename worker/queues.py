"""The queues that this process serves, each with what it may do at a time.

    plixo    what people ask for, what runs by schedule, and the records
    stripe   calls to Stripe, within the account's budget

Stripe's events, often hundreds at once, are on neither: they are followed beside them (`stripe_events`).
"""

import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import (
    PollerBehaviorAutoscaling,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkerDeploymentConfig,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)

from activities.stripe.client import TIMEOUT
from billing.operations.kinds import ON_REQUEST
from billing.policy.policy import Policy
from db.core.session import POOL_SIZE
from workflows.cancellations.workflow import CancellationWorkflow
from workflows.cases.workflow import CaseWorkflow
from workflows.core import ids
from workflows.incidents.workflow import IncidentWorkflow
from workflows.mail.customer_mail import CustomerMailWorkflow
from workflows.mirror.event_catch_up import StripeEventCatchUpWorkflow
from workflows.mirror.reconcile import ReconcileWorkflow
from workflows.money.credit import CreditWorkflow
from workflows.money.note import NoteWorkflow
from workflows.money.refund import RefundWorkflow
from workflows.money.waiver import WaiverWorkflow
from workflows.plan_changes.workflow import PlanChangeWorkflow
from workflows.portal.invoice_fetch import InvoiceFetchWorkflow
from workflows.portal.trouble import PortalAccessWorkflow
from workflows.quotes.cancellation import CancellationQuoteWorkflow
from workflows.quotes.money import CreditQuoteWorkflow, RefundQuoteWorkflow, WaiverQuoteWorkflow
from workflows.quotes.plan_change import PlanChangeQuoteWorkflow
from workflows.reminders.workflow import ReminderSweepWorkflow

from .evidence.daily_roots import DailyRoots
from .interceptors import EVERY_WORKER
from .late_notices import LateNotices
from .outbox import OutboxSweep
from .stripe_events import EventSweep
from .watch.reaper import Reaper
from .watch.watch import Watch

_MAIN: Sequence[type] = (
    PlanChangeWorkflow,
    RefundWorkflow,
    CreditWorkflow,
    WaiverWorkflow,
    CancellationWorkflow,
    NoteWorkflow,
    CustomerMailWorkflow,
    StripeEventCatchUpWorkflow,
    InvoiceFetchWorkflow,
    PlanChangeQuoteWorkflow,
    RefundQuoteWorkflow,
    CreditQuoteWorkflow,
    WaiverQuoteWorkflow,
    CancellationQuoteWorkflow,
    PortalAccessWorkflow,
    CaseWorkflow,
    ReconcileWorkflow,
    ReminderSweepWorkflow,
    IncidentWorkflow,
)

WORKFLOWS: Mapping[str, Sequence[type]] = {ids.MAIN_QUEUE: _MAIN}
"""By the queue that they are started on."""

DEPLOYMENT = "plixo"
"""What releases are of, for Temporal."""

UPGRADED = frozenset(ids.OPERATION_WORKFLOWS[kind] for kind in ON_REQUEST)
"""They wait for people and periods, and go on by the current release: a step that is changed between two
releases asks `workflow.patched`. All others end by the release that began them, or go on in a new history
before that is gone (`workflows.core.anew`)."""

CALL_TAKES = 0.6
"""Seconds from an activity's begin to its end, mostly, when Stripe takes its time."""
MIN_CALLS, MAX_CALLS = 8, 100
"""At a time."""
CEILING = 2.0

RUNNER: WorkflowRunner = UnsandboxedWorkflowRunner()
"""Tests and replays run every workflow in the SDK's sandbox, where one that looks at a clock or at random
fails (`tests/support/prepared.py`). Here it would cost a tenth of the worker's time, and half of a replay."""


class ReleasedRunner(UnsandboxedWorkflowRunner):
    """Says with each step of a workflow by which release it goes on. Where there are no releases, a server
    refuses a step that says so: hence not in the workflows' own definitions."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        if det.info.workflow_type in UPGRADED:
            defn = replace(det.defn, versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
            det = replace(det, defn=defn)
        return super().create_instance(det)


CACHED = 500
"""Workflows that are kept in memory between their tasks; refunds that are watched are the most."""

WORKFLOWS_AT_A_TIME = 16
"""That go on, each on a thread. Python runs one at a time in any case, and every further one keeps the event
loop waiting longer, which sends the requests and takes the slots of Stripe's budget."""

LOCALS_AT_A_TIME = POOL_SIZE // 2
"""Short transactions of workflows that go on: the other connections are for what runs beside them. One that
waits for a connection uses up the time that it has."""

POLLS = PollerBehaviorAutoscaling(minimum=1, maximum=WORKFLOWS_AT_A_TIME, initial=4)
"""As many as the server says that there is work for."""

STICKY = timedelta(seconds=5)
"""How long a killed worker's workflow tasks wait for it before any worker gets them."""


LET_END = timedelta(seconds=TIMEOUT + 5)
"""How long a worker that is to stop lets its calls go on: longer than Stripe may take to answer one. Cut off,
an effect would have to be read back, and the deployment is done no sooner. Compose waits longer still."""


class Loop(Protocol):
    """Runs until it is cancelled."""

    async def run(self) -> None: ...


@dataclass(frozen=True)
class Activities:
    """The activities of each queue, and what runs beside them."""

    main: Sequence[Callable[..., Any]]
    stripe: Sequence[Callable[..., Any]]
    watch: Watch
    reaper: Reaper
    outbox: OutboxSweep
    mails: OutboxSweep
    chats: OutboxSweep
    events: EventSweep
    late_notices: LateNotices
    daily_roots: DailyRoots
    close: Callable[[], Awaitable[None]]
    """To be awaited when no activity runs any more."""

    def beside(self, served: Collection[str]) -> Sequence[Loop]:
        """What runs beside the queues that are `served`: each process watches how its own calls go; the
        sweeps belong to the main queue."""
        if ids.MAIN_QUEUE not in served:
            return (self.watch,)
        return (
            self.watch,
            self.reaper,
            self.outbox,
            self.mails,
            self.chats,
            self.events,
            self.late_notices,
            self.daily_roots,
        )


def stripe_places(requests_per_second: float) -> int:
    """How many activities call Stripe at a time: so many that slow answers don't hold up the pace, and so
    few that what waits for its turn waits in Temporal's queue, behind what is more urgent."""
    return min(max(math.ceil(requests_per_second * CALL_TAKES), MIN_CALLS), MAX_CALLS)


def build_workers(
    temporal: Client,
    activities: Activities,
    policy: Policy,
    release: str | None = None,
    served: Collection[str] = (ids.MAIN_QUEUE, ids.STRIPE_QUEUE),
) -> tuple[Worker, ...]:
    """One for each queue that is `served`. Of a `release` they get only what Temporal was told to give it
    (`docs/operating/releases.md`); without one, whatever there is."""
    every = {**EVERY_WORKER, "graceful_shutdown_timeout": LET_END}
    if release is not None:
        every["deployment_config"] = WorkerDeploymentConfig(
            WorkerDeploymentVersion(DEPLOYMENT, release),
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.PINNED,
        )
    hosting = every | {
        "workflow_runner": RUNNER if release is None else ReleasedRunner(),
        "sticky_queue_schedule_to_start_timeout": STICKY,
        "max_cached_workflows": CACHED,
    }
    built = []
    if ids.MAIN_QUEUE in served:
        main = Worker(
            temporal,
            task_queue=ids.MAIN_QUEUE,
            workflows=WORKFLOWS[ids.MAIN_QUEUE],
            activities=activities.main,
            max_concurrent_workflow_tasks=WORKFLOWS_AT_A_TIME,
            max_concurrent_local_activities=LOCALS_AT_A_TIME,
            workflow_task_poller_behavior=POLLS,
            activity_task_poller_behavior=POLLS,
            **hosting,
        )
        built.append(main)
    if ids.STRIPE_QUEUE in served:
        calls = Worker(
            temporal,
            task_queue=ids.STRIPE_QUEUE,
            activities=activities.stripe,
            max_concurrent_activities=stripe_places(policy.stripe.requests_per_second),
            # A ceiling far above what the gate lets through: who has nothing to send is not to use up
            # the budget.
            max_task_queue_activities_per_second=CEILING * policy.stripe.requests_per_second,
            activity_task_poller_behavior=POLLS,
            **every,
        )
        built.append(calls)
    return tuple(built)
