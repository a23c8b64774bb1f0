"""The composition root: every activity class gets its collaborators here, and nowhere else."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import stripe
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import Runtime
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.approvals import Approvals
from activities.commitments import Commitments
from activities.customer_mail import CustomerMailer
from activities.effects import StripeEffects
from activities.event_catch_up import EventCatchUp
from activities.invoice_fetch import InvoiceFetches
from activities.invoice_files import files_client, stripe_hosts
from activities.mail import Mailer
from activities.mirror import Mirror
from activities.money_reads import MoneyReads
from activities.note_records import NoteRecords
from activities.notices import Notices
from activities.outbox import OutboxSweep
from activities.portal_access import PortalAccessRecords
from activities.records import Records
from activities.reminders import Reminders
from activities.stripe_client import stripe_client
from activities.stripe_events import StripeEvents
from activities.stripe_reads import StripeReads
from billing.delivery import Delivery
from billing.policy import Policy
from db.session import Database
from db.tables import Outbox
from settings.settings import Settings
from workflows import dispatch, ids
from workflows.approval import ApprovalWorkflow
from workflows.credit import CreditWorkflow
from workflows.customer_mail import CustomerMailWorkflow
from workflows.event_catch_up import StripeEventCatchUpWorkflow
from workflows.finance_notice import FinanceNoticeWorkflow
from workflows.invoice_fetch import InvoiceFetchWorkflow
from workflows.note import NoteWorkflow
from workflows.outbox_sweep import OutboxSweepWorkflow
from workflows.person_mail import PersonMailWorkflow
from workflows.plan_change import PlanChangeWorkflow
from workflows.portal_access import PortalAccessWorkflow
from workflows.reconcile import ReconcileWorkflow
from workflows.refund import RefundWorkflow
from workflows.reminder_sweep import ReminderSweepWorkflow
from workflows.stripe_event import StripeEventWorkflow

from .interceptors import Heartbeats

WORKFLOWS: Sequence[type] = (
    PlanChangeWorkflow,
    RefundWorkflow,
    CreditWorkflow,
    NoteWorkflow,
    CustomerMailWorkflow,
    PersonMailWorkflow,
    ApprovalWorkflow,
    FinanceNoticeWorkflow,
    StripeEventWorkflow,
    StripeEventCatchUpWorkflow,
    InvoiceFetchWorkflow,
    PortalAccessWorkflow,
    OutboxSweepWorkflow,
    ReconcileWorkflow,
    ReminderSweepWorkflow,
)

SEND_WITHIN = timedelta(seconds=10)
RUNNER = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules(
        # Pure, and slow to load: `holidays` reads the clock while it is imported, which the sandbox forbids.
        "activities", "billing", "pydantic", "holidays", "babel", "dateutil", "zoneinfo", "tzdata",
        # Constants: loaded once, not for every workflow.
        "workflows.ids", "workflows.options",
    )
)  # fmt: skip
"""Every workflow runs in it, replays too: a story that looks at a clock or at random fails there."""

CACHED = 500
"""Workflows that are kept in memory between their tasks; notices that wait for Finance are the most."""

STICKY = timedelta(seconds=5)
"""How long a killed worker's workflow tasks wait for it before any worker gets them."""


@dataclass(frozen=True)
class Activities:
    """The activities of both queues."""

    main: Sequence[Callable[..., Any]]
    stripe: Sequence[Callable[..., Any]]
    close: Callable[[], Awaitable[None]]
    """To be awaited when no activity runs any more."""


def build_activities(
    settings: Settings,
    database: Database,
    temporal: Client,
    stripe_api: stripe.StripeClient,
    policy: Policy,
) -> Activities:
    """One instance of each activity class, with its collaborators."""

    async def send(row: Outbox) -> Delivery:
        return await dispatch.send(
            temporal,
            action="start" if row.action == "start" else "update",
            workflow_id=row.workflow_id,
            name=row.name,
            update_id=row.update_id,
            payload=row.payload,
            within=SEND_WITHIN,
        )

    reminders = Reminders(database, policy)
    customer_mailer = CustomerMailer(
        database, settings.smtp_url, settings.mail_from, settings.public_url, policy
    )
    records, approvals, notices = Records(database), Approvals(database), Notices(database)
    commitments, notes = Commitments(database), NoteRecords(database)
    mailer = Mailer(database, settings.smtp_url, settings.mail_from, settings.public_url)
    effects, reads = StripeEffects(stripe_api, database), StripeReads(stripe_api, database)
    money = MoneyReads(stripe_api, database)
    troubles = PortalAccessRecords(database)
    files = files_client()
    fetches = InvoiceFetches(stripe_api, database, files, stripe_hosts(settings.stripe_api_base))
    mirror, events = Mirror(stripe_api, database), StripeEvents(stripe_api, database)

    async def close() -> None:
        await mailer.close()
        await customer_mailer.close()
        await files.aclose()

    return Activities(
        main=(
            records.tell,
            records.usage,
            approvals.open_approval,
            approvals.climb_approval,
            approvals.note_reminder,
            approvals.settle_decision,
            approvals.close_approval,
            commitments.commit,
            commitments.release,
            notes.notes,
            notes.add,
            notes.note_objects,
            notices.open_notice,
            notices.escalate_notice,
            notices.acknowledge_notice,
            troubles.find_access_trouble,
            troubles.mail_trouble_link,
            troubles.record_trouble,
            mailer.send,
            customer_mailer.send_due,
            reminders.open_runs,
            reminders.decide_page,
            reminders.look_again,
            reminders.call_off,
            reminders.run_summary,
            events.settle_event,
            events.events_known,
            OutboxSweep(database, send).deliver_outbox,
        ),
        stripe=(
            effects.perform,
            reads.subscription,
            reads.target,
            reads.preview,
            reads.renewal_preview,
            reads.result,
            reads.schedule,
            money.refundable,
            money.creditable,
            money.refund,
            money.credit,
            fetches.fetch_pay_link,
            fetches.fetch_pdf,
            events.follow_event,
            EventCatchUp(stripe_api, database).catch_up,
            mirror.mirror_catalog,
            mirror.mirror_customers,
            mirror.mirror_invoices,
            mirror.mirror_payments,
            mirror.mirror_invoice_payments,
            mirror.mirror_refunds,
            mirror.mirror_credit_notes,
        ),
        close=close,
    )


async def connect(settings: Settings, runtime: Runtime | None = None) -> Client:
    """The process's one Temporal client. Raises RuntimeError while Temporal can't be reached."""
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=pydantic_data_converter,
        runtime=runtime,
    )


def build_workers(temporal: Client, activities: Activities, policy: Policy) -> tuple[Worker, Worker]:
    """The worker of the stories and records, and the one that calls Stripe within the account's budget."""
    main = Worker(
        temporal,
        task_queue=ids.MAIN_QUEUE,
        workflows=WORKFLOWS,
        activities=activities.main,
        workflow_runner=RUNNER,
        interceptors=[Heartbeats()],
        sticky_queue_schedule_to_start_timeout=STICKY,
        max_cached_workflows=CACHED,
        graceful_shutdown_timeout=timedelta(seconds=5),
    )
    calls = Worker(
        temporal,
        task_queue=ids.STRIPE_QUEUE,
        activities=activities.stripe,
        interceptors=[Heartbeats()],
        max_task_queue_activities_per_second=policy.stripe.requests_per_second,
        graceful_shutdown_timeout=timedelta(seconds=5),
    )
    return main, calls


async def hosted(stack: AsyncExitStack, settings: Settings, policy: Policy, temporal: Client) -> Database:
    """Runs both workers until the stack is closed; returns the records that they share."""
    database = Database(settings.database_url)
    stack.push_async_callback(database.dispose)
    stripe_api = stripe_client(settings.stripe_api_key.get_secret_value(), settings.stripe_api_base)
    activities = build_activities(settings, database, temporal, stripe_api, policy)
    stack.push_async_callback(activities.close)
    for worker in build_workers(temporal, activities, policy):
        await stack.enter_async_context(worker)
    return database
