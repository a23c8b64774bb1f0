"""The API as one ASGI app. Adding a resource: one file, and a line in `ROUTERS`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from temporalio.client import Client

from billing.policy import Policy, policy_hash
from db.session import Database

from . import (
    access_diagnosis,
    approvals,
    credits,
    delegations,
    docs,
    evidence,
    health,
    notices,
    openapi,
    operations,
    organization,
    payments,
    people,
    plan_changes,
    portal_networks,
    portal_troubles,
    problems,
    receivables,
    refunds,
    webhooks,
)
from .bodies import Bodies
from .context import Context, StripeAccount
from .dispatcher import Dispatcher
from .frame import Frame
from .metrics import Metrics
from .rates import DEFAULT_RATE, Rates

ROUTERS = (
    webhooks.router,  # the first is found soonest, and these come in bursts
    plan_changes.router,
    refunds.router,
    credits.router,
    approvals.router,
    delegations.router,
    people.router,
    operations.router,
    evidence.router,
    organization.router,
    receivables.router,
    payments.router,
    notices.router,
    portal_networks.router,
    portal_troubles.router,
    access_diagnosis.router,
    health.router,
    docs.router,
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
    stripe: StripeAccount | None = None,
) -> FastAPI:
    """An app on these records and this Temporal client, which may be lazy and not yet connected.

    `rate` is how many requests a second one API key may send; without `stripe` no webhook is taken.
    """
    metrics = Metrics()
    dispatcher = Dispatcher(database, temporal, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
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
        rates=Rates(rate),
        metrics=metrics,
        stripe=stripe or StripeAccount(),
    )
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    app.add_middleware(Bodies, unread={webhooks.PATH})
    app.add_middleware(Frame, metrics=metrics)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    return app
