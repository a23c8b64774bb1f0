"""The composition root: every activity class gets its collaborators here, and nowhere else."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import cache, partial
from inspect import getmembers, ismethod
from ssl import SSLContext
from typing import Any

import httpx
import stripe
from temporalio.client import Client

from activities.approvals.approvals import Approvals
from activities.approvals.previews import ReviewPreviews
from activities.cancellations.reads import CancellationReads
from activities.cases.records import CaseRecords
from activities.effects.perform import StripeEffects
from activities.incidents.alerts import Alerts
from activities.incidents.incidents import Incidents
from activities.incidents.mails import ControllersKnown, IncidentMails
from activities.incidents.probes import standard as standard_probes
from activities.mail.chat import ChatPosts
from activities.mail.customer_mailer import CustomerMailer
from activities.mail.mailer import Mailer, MailIdentity
from activities.mail.smtp import CONNECTIONS, ServerAnswers, SmtpPool
from activities.mirror.bills import Bills
from activities.mirror.event_catch_up import EventCatchUp
from activities.mirror.events import StripeEvents
from activities.mirror.mirror import Mirror
from activities.mirror.reconciliations import Reconciliations
from activities.money.commitments import Commitments
from activities.money.reads import MoneyReads
from activities.money.waivers import WaiverReads
from activities.operations.holds import Holds
from activities.operations.notes import NoteRecords
from activities.operations.records import Records
from activities.plan_changes.looks import ChangeLooks
from activities.plan_changes.near_limits import NearLimits
from activities.plan_changes.reads import StripeReads
from activities.portal.invoice_fetch import InvoiceFetches
from activities.portal.invoice_files import files_client, stripe_hosts
from activities.portal.troubles import PortalAccessRecords
from activities.reminders.promises import PromiseRecords
from activities.reminders.runs import Reminders
from activities.stripe.client import stripe_client
from activities.stripe.gate import StripeGate
from activities.stripe.permissions import KEPT_FOR, KeyPermissions
from billing.approvals.marks import DecisionMarks
from billing.core.delivery import Delivery
from billing.core.keys import SecretHashes
from billing.policy.policy import Policy
from db.cases.cases import CaseRules
from db.core.clock import utc_now
from db.core.session import Database
from db.incidents import turns
from db.incidents.health_meter import HealthMeter
from db.operations.outbox import CHATS, MAILS
from db.tables import Outbox
from settings.settings import Settings
from workflows.client import dispatch, running

from .evidence.daily_roots import DailyRoots
from .late_notices import LateNotices
from .mails import post_to_chat, send_mail
from .outbox import OutboxSweep
from .queues import Activities, build_workers, stripe_places
from .stripe_events import EventSweep
from .watch.lateness import Lateness
from .watch.reaper import Reaper
from .watch.watch import Watch

SEND_WITHIN = timedelta(seconds=10)


@cache
def trusted() -> SSLContext:
    """The certificate authorities that whoever is asked over HTTPS must show, read once a process."""
    return httpx.create_ssl_context()


def build_activities(
    settings: Settings,
    database: Database,
    temporal: Client,
    stripe_api: stripe.StripeClient,
    gate: StripeGate,
    policy: Policy,
    meter: HealthMeter,
    permissions: KeyPermissions,
) -> Activities:
    """One instance of each activity class, with its collaborators; all of its activities are hosted.

    `gate` is where requests to Stripe wait. `meter` counts how calls to components go; that of `stripe_api`
    counts Stripe's. `permissions` are what the key of `stripe_api` may do, noted by both.
    """
    rules, answers, known = CaseRules.of(policy), ServerAnswers(), ControllersKnown()
    smtp_url, sender, public_url = settings.smtp_url, settings.mail_from, settings.public_url
    decision_links = policy.sign_in.decision_links(by_mail=settings.by_mail)
    mailer = Mailer(
        database, smtp_url, sender, public_url, meter=meter, answers=answers,
        decision_links=decision_links, hashes=SecretHashes.of(settings.keys),
    )  # fmt: skip
    customer_mailer = CustomerMailer(
        database, smtp_url, sender, public_url, policy, meter=meter, answers=answers
    )
    web, files = httpx.AsyncClient(verify=trusted(), follow_redirects=False), files_client(trusted())
    greeter = SmtpPool(smtp_url, MailIdentity(sender, public_url).greeting, answers=answers)
    probes = standard_probes(database, stripe_api, greeter, web, public_url, permissions)
    alerts = Alerts(settings.alert_webhook_url, public_url, web)
    events = StripeEvents(stripe_api, database, rules)
    runtime = temporal.service_client.config.runtime
    send = partial(_send, temporal)
    outbox = OutboxSweep(database, send)
    mails = OutboxSweep(database, partial(send_mail, mailer), lane=MAILS, at_once=CONNECTIONS, beside=outbox)
    posts = ChatPosts(database, public_url, web)
    chats = OutboxSweep(database, partial(post_to_chat, posts), lane=CHATS, beside=outbox)
    plan_reads = StripeReads(stripe_api, database, rules)

    async def close() -> None:
        await mailer.close()
        await customer_mailer.close()
        await files.aclose()
        await web.aclose()

    return Activities(
        main=activities_of(
            Records(database),
            Approvals(database, DecisionMarks.of(settings.keys)),
            ReviewPreviews(database),
            Commitments(database),
            NoteRecords(database),
            Holds(database),
            PortalAccessRecords(database),
            CaseRecords(database),
            Reminders(database, policy),
            PromiseRecords(database),
            NearLimits(database),
            Reconciliations(database, partial(running.is_over, temporal)),
            Incidents(database, probes, policy.stripe.requests_per_second, lambda: gate.waiting),
            IncidentMails(database, mailer, known),
            alerts,
            customer_mailer,
            events,
        ),
        stripe=activities_of(
            StripeEffects(stripe_api, database, rules),
            plan_reads,
            ChangeLooks(plan_reads, database),
            MoneyReads(stripe_api, database, rules),
            WaiverReads(stripe_api, database, rules),
            CancellationReads(stripe_api, database, rules),
            InvoiceFetches(stripe_api, database, rules, files, stripe_hosts(settings.stripe_api_base)),
            EventCatchUp(stripe_api, database),
            Mirror(stripe_api, database, rules),
        ),
        watch=Watch(
            database,
            temporal,
            meter,
            probes,
            known,
            policy.incidents,
            send,
            lateness=Lateness(database, alerts.say, runtime),
        ),
        reaper=Reaper(database, temporal, alert=alerts.say, runtime=runtime),
        outbox=outbox,
        mails=mails,
        chats=chats,
        events=EventSweep(
            database,
            events,
            Bills(stripe_api, database),
            stripe_places(policy.stripe.requests_per_second),
            beside=outbox,
        ),
        late_notices=LateNotices(database),
        daily_roots=DailyRoots(database, settings.signer, alert=alerts.say),
        close=close,
    )


def activities_of(*instances: object) -> tuple[Callable[..., Any], ...]:
    """Every activity that they have."""
    methods = (method for one in instances for _, method in getmembers(one, ismethod))
    return tuple(method for method in methods if hasattr(method, "__temporal_activity_definition"))


async def _send(temporal: Client, row: Outbox) -> Delivery:
    return await dispatch.send(
        temporal,
        action=row.action,
        workflow_id=row.workflow_id,
        name=row.name,
        update_id=row.update_id,
        payload=row.payload,
        found_by=row.found_by,
        within=SEND_WITHIN,
        age=utc_now() - row.created_at,
    )


def build_stripe(
    settings: Settings,
    gate: StripeGate,
    permissions: KeyPermissions,
    meter: HealthMeter,
) -> stripe.StripeClient:
    """The process's way to Stripe: through the gate, counted by the meter; what is forbidden is noted."""
    key = settings.stripe_api_key.get_secret_value()
    return stripe_client(key, settings.stripe_api_base, gate, meter, permissions.doubt)


async def hosted(stack: AsyncExitStack, settings: Settings, policy: Policy, temporal: Client) -> Activities:
    """Runs the workers until the stack is closed; returns what they do, and what runs beside them."""
    meter = HealthMeter()
    database = Database(settings.database_url)
    stack.push_async_callback(database.dispose)
    gate = StripeGate(database, policy.stripe.requests_per_second)
    permissions = KeyPermissions(partial(turns.take, database, "key_permissions", KEPT_FOR))
    stripe_api = build_stripe(settings, gate, permissions, meter)
    activities = build_activities(settings, database, temporal, stripe_api, gate, policy, meter, permissions)
    stack.push_async_callback(activities.close)
    for worker in build_workers(temporal, activities, policy, settings.release, settings.queues):
        await stack.enter_async_context(worker)
    return activities
