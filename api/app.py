"""The API as one ASGI app. Adding a resource: one file, and a line in `ROUTERS`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from temporalio.client import Client
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from billing.policy import Policy, policy_hash
from db.health_meter import HealthMeter
from db.session import Database

from . import (
    access_diagnosis,
    approvals,
    cases,
    console,
    credits,
    customer_settings,
    delegations,
    differences,
    docs,
    evidence,
    health,
    incidents,
    invoice_fetches,
    mail_templates,
    notices,
    openapi,
    operations,
    organization,
    payments,
    people,
    plan_changes,
    portal_links,
    portal_networks,
    portal_troubles,
    problems,
    receivables,
    reconciliations,
    refunds,
    reminder_runs,
    reminders,
    success_checks,
    webhooks,
)
from .auth import Keys
from .bodies import Bodies
from .client_address import in_both_spellings
from .context import Context, StripeAccount
from .dispatcher import Dispatcher
from .frame import Frame
from .heads import HeadMiddleware
from .inbox import Inbox
from .key_guard import KeyGuard
from .lately import Lately
from .limits import Limits
from .metering import flushed
from .metrics import Metrics
from .portal import routes as portal_pages
from .rates import DEFAULT_RATE, Rates
from .site import Site

ROUTERS = (
    webhooks.router,  # the first is found soonest, and these come in bursts
    plan_changes.router,
    refunds.router,
    credits.router,
    cases.router,
    approvals.router,
    delegations.router,
    people.router,
    operations.router,
    evidence.router,
    organization.router,
    receivables.router,
    payments.router,
    notices.router,
    portal_links.router,
    invoice_fetches.router,
    customer_settings.router,
    portal_networks.router,
    mail_templates.router,
    portal_troubles.router,
    access_diagnosis.router,
    reminder_runs.router,
    reminders.router,
    incidents.router,
    reconciliations.router,
    differences.router,
    success_checks.router,
    health.router,
    docs.router,
    console.router,
    portal_pages.router,
)

DESCRIPTION = (
    "Durable billing operations on Stripe. What is accepted with 202 is recorded and will be done, "
    "whatever fails in between. Money is in integer minor units with its currency, times are RFC 3339 in "
    "UTC, and everything is scoped to the organization of the API key. Problems are "
    "application/problem+json with a stable code."
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
) -> FastAPI:
    """An app on these records and this Temporal client, which may be lazy and not yet connected.

    `rate` is how many requests a second one API key may send, `calm` how many of Stripe's events are no rush;
    without `stripe` no webhook is taken.
    `limits` are what a person and an organization may begin; without them as much as they like.
    `site` is how the customers' pages are reached.
    `trusted_proxies` are networks in CIDR notation: who connects from one of them says who the visitor is.
    """
    metrics, meter = Metrics(), HealthMeter()
    dispatcher = Dispatcher(database, temporal, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with flushed(meter, database):
            yield
        await dispatcher.close()

    app = FastAPI(
        title="Plixo Billing",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's page loads scripts from another server
        redoc_url=None,
        redirect_slashes=False,  # a redirect would have to echo the path in a header
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
        rates=Rates(rate),
        guard=KeyGuard(database),
        limits=limits or Limits(),
        metrics=metrics,
        meter=meter,
        stripe=stripe or StripeAccount(),
        site=site or Site(),
        readiness=Lately(partial(health.readiness, database, temporal)),
    )
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(Bodies, unread={webhooks.PATH})
    app.add_middleware(Keys)
    if trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=in_both_spellings(trusted_proxies))
    app.add_middleware(Frame, metrics=metrics)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    return app
