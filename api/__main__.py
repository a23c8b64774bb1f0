"""`python -m api`: serves the API by the settings; ends with 2 and every problem when they are wrong."""

import asyncio
import logging
import sys
from contextlib import AsyncExitStack
from email.utils import parseaddr
from socket import socket

import uvicorn
from starlette.types import ASGIApp

from billing.approvals.marks import DecisionMarks
from billing.core.keys import SecretHashes
from billing.policy.policy import Policy
from db import migrate
from db.core.session import Database
from settings import logs, process, tracing
from settings.serving import served
from settings.settings import InvalidSettings, Settings, load
from workflows.client.codec import EncryptionCodec
from workflows.client.connection import Connection, InvalidConnection, connection

from .app import create_app
from .health.figures import figures_app
from .http.context import StripeAccount, TemporalReaders
from .http.middleware import MAX_HEADER_BYTES
from .http.server import MAX_CONNECTIONS, PatientProtocol
from .http.site import Site, dashboard, pay_pages
from .limits.quotas import Limits
from .oidc.provider import Provider, ProviderSettings

log = logging.getLogger("api")


def main() -> int:
    try:
        settings, policy = load()
    except InvalidSettings as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 2
    logs.configure(settings.log_format)
    tracing.configure(settings.otlp_endpoint, "plixo-api")
    for warning in settings.warnings:
        log.warning("%s", warning)
    try:
        temporal = connection(settings)
        database = Database(settings.database_url)
    except InvalidConnection as error:
        print(error, file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"PLIXO_DATABASE_URL: {error}", file=sys.stderr)
        return 2
    asyncio.run(serve(settings, policy, temporal, database))
    return 0


async def serve(settings: Settings, policy: Policy, to: Connection, database: Database) -> None:
    """Until a signal. Temporal is connected to when it is first needed: the API starts without it."""
    temporal = await to.client(lazy=True)
    stripe = StripeAccount(settings.webhook_secrets, settings.livemode)
    site = Site(
        public_url=settings.public_url,
        pay_pages=pay_pages(settings.stripe_api_base),
        contact=parseaddr(settings.mail_from)[1],
        testing=not settings.livemode,
        dashboard=dashboard(settings.stripe_api_base, livemode=settings.livemode),
    )
    app = create_app(
        policy,
        database,
        temporal,
        stripe=stripe,
        site=site,
        trusted_proxies=settings.trusted_proxies,
        by_mail=settings.by_mail,
        provider=provider_of(settings),
        marks=DecisionMarks.of(settings.keys),
        temporal_readers=TemporalReaders(
            EncryptionCodec(settings.keys) if settings.keys else None, settings.temporal_ui_origin
        ),
        hashes=SecretHashes.of(settings.keys),
        limits=Limits(
            operations_per_person=settings.operations_per_person,
            operations_per_organization=settings.operations_per_organization,
            quotes_per_person=settings.quotes_per_person,
            quotes_per_organization=settings.quotes_per_organization,
            delegations_per_person=settings.delegations_per_person,
        ),
    )
    migrate.known_revisions()  # or the first /readyz would spend its patience on loading them
    process.settle()
    try:
        async with AsyncExitStack() as stack:
            if settings.api_metrics_port is not None:
                figures = figures_app(app.state.context)
                await stack.enter_async_context(
                    served(figures, settings.metrics_host, settings.api_metrics_port)
                )
            await _TracedServer(server_config(app, settings)).serve()
    finally:
        await database.dispose()


class _TracedServer(uvicorn.Server):
    """Sends the last traces: uvicorn then raises anew the signal that stopped it, which ends the process."""

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        await super().shutdown(sockets)
        tracing.end()


def provider_of(settings: Settings) -> Provider | None:
    """Where people sign in, if not by mail alone."""
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    secret = settings.oidc_client_secret
    console = f"{settings.public_url.rstrip('/')}/console"
    return Provider(
        ProviderSettings(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            scopes=settings.oidc_scopes,
            audience=settings.oidc_audience,
            roles_claim=settings.oidc_roles_claim,
            roles={theirs: str(ours) for theirs, ours in settings.oidc_roles.items()},
        ),
        redirect_uri=f"{console}/sign-in/callback",
        after_sign_out=f"{console}/signed-out",
    )


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves the app, and when it loses patience with a connection."""
    return uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,  # api.frame writes a line a request, with its id
        log_config=None,
        server_header=False,
        proxy_headers=False,  # else it believes whoever connects from 127.0.0.1; the app knows the proxies
        http=PatientProtocol,
        ws="none",
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        limit_concurrency=MAX_CONNECTIONS,
        backlog=MAX_CONNECTIONS,
        timeout_graceful_shutdown=10,
        # Longer than clients keep an idle connection (often just uvicorn's own 5 s): else one may be closed
        # under a request that is on its way.
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    sys.exit(main())
