"""The API as one ASGI app. Adding a resource: one file, and a line in `ROUTERS`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.routing import BaseRoute
from temporalio.client import Client
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from billing.approvals.marks import UNMARKED, DecisionMarks
from billing.core.keys import UNPEPPERED, SecretHashes
from billing.policy.policy import Policy, policy_hash
from db.core.session import Database
from db.incidents.health_meter import HealthMeter

from .approvals import delegations, notices
from .approvals import routes as approvals
from .bill import fetches as bill_fetches
from .bill import routes as bill
from .cancellations import quotes as cancellation_quotes
from .cancellations import routes as cancellations
from .cases import routes as cases
from .codec import routes as codec
from .console.routes import ROUTERS as CONSOLE
from .customers import bulk, details, erasure, history, search
from .customers import routes as customers
from .dispatch.dispatcher import Dispatcher
from .dispatch.inbox import Inbox
from .docs import routes as docs
from .evidence import exports, months, roots
from .evidence import routes as evidence
from .health import routes as health
from .http import openapi
from .http.auth import ApiKeyMiddleware
from .http.bodies import BodyLimitMiddleware
from .http.client_address import in_both_spellings
from .http.context import Context, StripeAccount, TemporalReaders
from .http.heads import HeadMiddleware
from .http.middleware import RequestMiddleware
from .http.reads import ReadsMiddleware
from .http.site import Site
from .incidents import routes as incidents
from .limits.key_guard import KeyGuard
from .limits.quotas import Limits, QuoteLimits
from .limits.rates import DEFAULT_RATE, KeyRates, Rates
from .mail import templates as mail_templates
from .mirror import differences, reconciliations, webhooks
from .money import credits, disputes, payments, refunds, waivers
from .money import quotes as money_quotes
from .monitoring.lately import Lately
from .monitoring.metering import flushed
from .monitoring.metrics import Metrics
from .oidc.provider import Provider
from .operations import bodies, comments, organization_routes
from .operations import routes as operations
from .people import keys as api_keys
from .people import me, reads
from .people import routes as people
from .plan_changes import quotes as plan_change_quotes
from .plan_changes import routes as plan_changes
from .policy import routes as policy_routes
from .portal import account as portal_account
from .portal import routes as portal_pages
from .portal_admin import customer_settings, diagnosis, invoice_fetches, networks, troubles
from .portal_admin import links as portal_links
from .problems import handlers
from .reminders import invoices
from .reminders import runs as reminder_runs
from .sign_in import decisions, oidc_routes, session_file, session_routes, sessions
from .sign_in import routes as sign_in
from .sign_in.same_origin import SameOriginMiddleware
from .success_checks import routes as success_checks

ROUTERS = (
    webhooks.router,  # the first is found soonest, and these come in bursts
    plan_changes.router,
    plan_change_quotes.router,
    cancellations.router,
    cancellation_quotes.router,
    refunds.router,
    money_quotes.refunds,
    credits.router,
    money_quotes.credits,
    waivers.voids,
    money_quotes.voids,
    waivers.write_offs,
    money_quotes.write_offs,
    cases.router,
    approvals.router,
    delegations.router,
    me.router,
    people.router,
    api_keys.router,
    reads.router,
    policy_routes.router,
    session_routes.router,
    operations.router,
    comments.router,
    evidence.router,
    roots.router,
    exports.router,
    months.router,
    organization_routes.router,
    bill.router,
    bill_fetches.router,
    customers.router,
    bulk.router,
    details.router,
    history.router,
    erasure.router,
    search.router,
    payments.router,
    disputes.router,
    notices.router,
    portal_links.router,
    invoice_fetches.router,
    customer_settings.router,
    networks.router,
    mail_templates.router,
    troubles.router,
    diagnosis.router,
    reminder_runs.router,
    invoices.router,
    incidents.router,
    reconciliations.router,
    differences.router,
    success_checks.router,
    health.router,
    docs.router,
    codec.router,
    sign_in.router,
    session_file.router,
    decisions.router,
    oidc_routes.router,
    *CONSOLE,
    portal_account.router,
    portal_pages.router,
)

UNTOLD: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own spans have path and query, in which the portal's tokens stand, and go on with whatever
trace a stranger names: `RequestMiddleware` makes ours."""

DESCRIPTION = (
    "Durable billing operations on Stripe. A request answered with 202 is recorded and will be carried out, "
    "whatever fails in between. Amounts are integer minor units with a currency, times are RFC 3339 in "
    "UTC, and all data is scoped to the organization of the API key. Problems are "
    "application/problem+json with a stable code."
)


@cache
def _routes() -> Sequence[BaseRoute]:
    """Those of all routers. What FastAPI makes of them at the first request serves every app of a process."""
    api = APIRouter(generate_unique_id_function=openapi.operation_id)
    for router in ROUTERS:
        api.include_router(router)
    return tuple(api.routes)


@cache
def _document() -> dict[str, Any]:
    """What OpenAPI says of them: of every app of a process the same."""
    return openapi.document(
        _routes(),
        bodies.BY_KIND,
        bodies.BY_PATH,
        title="Plixo Billing",
        version="1",
        description=DESCRIPTION,
    )


def create_app(
    policy: Policy,
    database: Database,
    temporal: Client,
    *,
    rate: float = DEFAULT_RATE,
    calm: float = webhooks.CALM,
    stripe: StripeAccount | None = None,
    site: Site | None = None,
    trusted_proxies: Sequence[str] = (),
    limits: Limits | None = None,
    by_mail: bool = True,
    provider: Provider | None = None,
    marks: DecisionMarks = UNMARKED,
    temporal_readers: TemporalReaders | None = None,
    hashes: SecretHashes = UNPEPPERED,
) -> FastAPI:
    """An app on these records and this Temporal client, which may be lazy and not yet connected.

    `rate` is how many requests a second one API key may send, `calm` how many of Stripe's events are no rush;
    without `stripe` no webhook is taken.
    `limits` are what a person and an organization may begin; without them as much as they like.
    `site` is how the customers' pages are reached; `by_mail`: people sign in to the console by mailed links,
    and `provider` is where they sign in otherwise. `temporal_readers` is how people read what Temporal keeps.
    Decisions carry the `marks`, and what lets people in is kept as `hashes`.
    `trusted_proxies` are networks in CIDR notation: who connects from one of them says who the visitor is.
    """
    metrics, meter = Metrics(), HealthMeter()
    limits = limits or Limits()
    dispatcher = Dispatcher(database, temporal, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with flushed(meter, database):
            yield
        await dispatcher.close()

    app = FastAPI(
        lifespan=lifespan,
        docs_url=None,  # FastAPI's page loads scripts from another server
        redoc_url=None,
        redirect_slashes=False,  # a redirect would have to echo the path in a header
        telemetry=UNTOLD,
    )
    document = policy.model_dump(mode="json", by_alias=True)
    app.state.context = Context(
        policy=policy,
        policy_document=document,
        policy_hash=policy_hash(document),
        database=database,
        dispatcher=dispatcher,
        inbox=Inbox(database),
        events=Rates(calm),
        rates=KeyRates(database, rate),
        guard=KeyGuard(database),
        limits=limits,
        quotes=QuoteLimits(limits, database),
        metrics=metrics,
        meter=meter,
        stripe=stripe or StripeAccount(),
        site=site or Site(),
        readiness=Lately(partial(health.readiness, database, temporal)),
        by_mail=by_mail,
        provider=provider,
        marks=marks,
        temporal=temporal_readers or TemporalReaders(),
        hashes=hashes,
    )
    app.router.routes.extend(_routes())
    handlers.install(app)
    sessions.install(app)
    app.add_middleware(ReadsMiddleware)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(BodyLimitMiddleware, unread={webhooks.PATH})
    app.add_middleware(ApiKeyMiddleware)
    app.add_middleware(sessions.SessionMiddleware)
    app.add_middleware(SameOriginMiddleware)
    if trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=in_both_spellings(trusted_proxies))
    app.add_middleware(RequestMiddleware, metrics=metrics, over_tls=app.state.context.site.secure)
    app.openapi = _document  # type: ignore[method-assign]
    return app
