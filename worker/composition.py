"""The composition root: every activity class gets its collaborators here, and nowhere else."""

from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import httpx
import stripe
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import Runtime

from activities.approvals.approvals import Approvals
from activities.cases.records import CaseRecords
from activities.effects.perform import StripeEffects
from activities.incidents.alerts import Alerts
from activities.incidents.incidents import Incidents
from activities.incidents.mails import ControllersKnown, IncidentMails
from activities.incidents.probes import standard as standard_probes
from activities.mail.customer_mailer import CustomerMailer
from activities.mail.mailer import Mailer, greeting_for
from activities.mail.smtp import ServerAnswers, SmtpPool
from activities.mirror.event_catch_up import EventCatchUp
from activities.mirror.events import StripeEvents
from activities.mirror.mirror import Mirror
from activities.mirror.reconciliations import Reconciliations
from activities.money.commitments import Commitments
from activities.money.reads import MoneyReads
from activities.operations.holds import Holds
from activities.operations.notes import NoteRecords
from activities.operations.notices import Notices
from activities.operations.outbox import OutboxSweep
from activities.operations.records import Records
from activities.plan_changes.reads import StripeReads
from activities.portal.invoice_fetch import InvoiceFetches
from activities.portal.invoice_files import files_client, stripe_hosts
from activities.portal.troubles import PortalAccessRecords
from activities.reminders.runs import Reminders
from activities.stripe.client import stripe_client
from activities.stripe.gate import StripeGate
from activities.stripe.permissions import KeyPermissions
from billing.core.delivery import Delivery
from billing.policy.policy import Policy
from db.cases.cases import CaseRules
from db.core.clock import utc_now
from db.core.session import Database
from db.incidents.health_meter import HealthMeter
from db.tables import Outbox
from settings.settings import Settings
from workflows.client import dispatch, running

from .queues import Activities, build_workers
from .watch.lateness import Lateness
from .watch.reaper import Reaper
from .watch.watch import Watch

SEND_WITHIN = timedelta(seconds=10)


def build_activities(
    settings: Settings,
    database: Database,
    temporal: Client,
    stripe_api: stripe.StripeClient,
    gate: StripeGate,
    policy: Policy,
    meter: HealthMeter | None = None,
    permissions: KeyPermissions | None = None,
) -> Activities:
    """One instance of each activity class, with its collaborators.

    `gate` is where requests to Stripe wait. `meter` counts how calls to components go; that of `stripe_api`
    counts Stripe's. `permissions` are what the key of `stripe_api` may do, noted by both.
    """
    meter, permissions = meter or HealthMeter(), permissions or KeyPermissions()

    async def send(row: Outbox) -> Delivery:
        return await dispatch.send(
            temporal,
            action="start" if row.action == "start" else "update",
            workflow_id=row.workflow_id,
            name=row.name,
            update_id=row.update_id,
            payload=row.payload,
            within=SEND_WITHIN,
            age=utc_now() - row.created_at,
        )

    rules = CaseRules.of(policy)
    reminders = Reminders(database, policy)
    answers = ServerAnswers()
    customer_mailer = CustomerMailer(
        database,
        settings.smtp_url,
        settings.mail_from,
        settings.public_url,
        policy,
        meter=meter,
        answers=answers,
    )
    records, approvals, notices = Records(database), Approvals(database), Notices(database)
    commitments, notes = Commitments(database), NoteRecords(database)
    mailer = Mailer(
        database, settings.smtp_url, settings.mail_from, settings.public_url, meter=meter, answers=answers
    )
    effects, reads = StripeEffects(stripe_api, database, rules), StripeReads(stripe_api, database, rules)
    money = MoneyReads(stripe_api, database, rules)
    holds = Holds(database)
    troubles, case_records = PortalAccessRecords(database), CaseRecords(database)
    files = files_client()
    hosts = stripe_hosts(settings.stripe_api_base)
    fetches = InvoiceFetches(stripe_api, database, rules, files, hosts)
    mirror, events = Mirror(stripe_api, database, rules), StripeEvents(stripe_api, database, rules)
    web = httpx.AsyncClient(follow_redirects=False)
    greeter = SmtpPool(settings.smtp_url, greeting_for(settings.public_url), answers=answers)
    probes = standard_probes(database, stripe_api, greeter, web, settings.public_url, permissions)
    known = ControllersKnown()
    incidents = Incidents(database, probes, policy.stripe.requests_per_second, lambda: gate.waiting)
    incident_mails = IncidentMails(database, mailer, known)
    alerts = Alerts(settings.alert_webhook_url, settings.public_url, web)
    runtime = temporal.service_client.config.runtime
    lateness = Lateness(database, alerts.say, runtime)
    watch = Watch(database, temporal, meter, probes, known, policy.incidents, send, lateness=lateness)
    reaper = Reaper(database, temporal, alert=alerts.say, runtime=runtime)
    runs = Reconciliations(database, partial(running.is_over, temporal))

    async def close() -> None:
        await mailer.close()
        await customer_mailer.close()
        await files.aclose()
        await web.aclose()

    return Activities(
        events=(events.settle_event,),
        mails=(mailer.send_mail,),
        main=(
            records.record_progress,
            records.read_standing,
            records.end_operation,
            records.abandon_operation,
            records.read_usage,
            approvals.open_approval,
            approvals.climb_approval,
            approvals.record_reminder,
            approvals.settle_decision,
            approvals.close_approval,
            commitments.commit_money,
            commitments.check_room,
            notes.read_notes,
            notes.add_note,
            notes.read_note_objects,
            notices.open_notice,
            notices.escalate_notice,
            notices.acknowledge_notice,
            troubles.find_access_trouble,
            troubles.mail_trouble_link,
            troubles.record_trouble,
            case_records.open_case,
            case_records.remind_case,
            case_records.assign_case,
            case_records.record_maker,
            case_records.record_denial,
            case_records.count_case,
            case_records.end_case,
            mailer.send_mail,
            customer_mailer.send_customer_mails,
            reminders.open_runs,
            reminders.decide_reminders,
            reminders.review_held_reminders,
            reminders.cancel_reminders,
            reminders.read_run_summary,
            holds.hold_operation,
            holds.hold_for_permission,
            holds.check_held,
            holds.resume_operation,
            events.check_events_known,
            runs.begin_reconciliation,
            runs.record_stage,
            runs.end_reconciliation,
            OutboxSweep(database, send).deliver_outbox,
            incidents.probe_component,
            incidents.save_incident,
            incidents.clear_incident,
            incidents.read_next_holds,
            incidents.release_holds,
            incidents.close_holds,
            incident_mails.mail_organizations,
            incident_mails.mail_from_memory,
            alerts.post_alert,
        ),
        stripe=(
            effects.perform_effect,
            effects.settle_effect,
            reads.read_subscription,
            reads.read_target_plan,
            reads.read_preview,
            reads.read_renewal_preview,
            reads.read_applied_lines,
            reads.read_schedule,
            money.read_refundable,
            money.read_creditable,
            money.read_refund,
            money.read_credit,
            fetches.fetch_pay_link,
            fetches.fetch_pdf,
            events.follow_event,
            EventCatchUp(stripe_api, database).catch_up_events,
            mirror.mirror_catalog,
            mirror.mirror_subscriptions,
            mirror.mirror_customers,
            mirror.mirror_invoices,
            mirror.mirror_payments,
            mirror.mirror_invoice_payments,
            mirror.mirror_refunds,
            mirror.mirror_credit_notes,
            mirror.mirror_balances,
            mirror.look_up_subscriptions,
            mirror.look_up_customers,
            mirror.look_up_invoices,
        ),
        watch=watch,
        reaper=reaper,
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


def build_stripe(
    settings: Settings,
    gate: StripeGate,
    permissions: KeyPermissions,
    meter: HealthMeter | None = None,
) -> stripe.StripeClient:
    """The process's way to Stripe: through the gate, counted by the meter; what is forbidden is noted."""
    key = settings.stripe_api_key.get_secret_value()
    return stripe_client(key, settings.stripe_api_base, gate, meter, permissions.doubt)


async def hosted(
    stack: AsyncExitStack, settings: Settings, policy: Policy, temporal: Client
) -> tuple[Database, Watch, Reaper]:
    """Runs the workers until the stack is closed; returns the records that they share, and what watches
    beside them."""
    meter = HealthMeter()
    database = Database(settings.database_url)
    stack.push_async_callback(database.dispose)
    gate = StripeGate(database, policy.stripe.requests_per_second)
    permissions = KeyPermissions()
    stripe_api = build_stripe(settings, gate, permissions, meter)
    activities = build_activities(settings, database, temporal, stripe_api, gate, policy, meter, permissions)
    stack.push_async_callback(activities.close)
    for worker in build_workers(temporal, activities, policy):
        await stack.enter_async_context(worker)
    return database, activities.watch, activities.reaper
