"""`python -m bench.bare.webhooks PORT`: the least that takes a webhook of Stripe's, as the measure for ours.

It verifies the signature with the SDK's own helper and inserts the event's row: no checks of what is in it,
nothing to do about it later, no figures, no log. On the same server with the same settings, and the same
database by the same driver, in a table of its own.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import stripe
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic_core import from_json
from sqlalchemy import Column, MetaData, Table, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from db.core.session import Database
from db.tables import StripeEvent
from sandbox.stack.places import LOOPBACK
from settings import process
from settings.settings import load

PATH = "/webhooks/stripe"

kept = Table(
    "bench_bare_stripe_events",
    MetaData(),
    *(
        Column(column.name, column.type, primary_key=column.primary_key, nullable=column.nullable)
        for column in inspect(StripeEvent).columns
    ),
)
"""Like ours, without its further indexes."""

Insert = Callable[[dict[str, Any]], Awaitable[None]]


def inserting(database: Database) -> Insert:
    """Inserts a row and commits it: on PostgreSQL in one round trip, as nothing else belongs to it."""
    if database.is_sqlite:
        statement: Any = sqlite.insert(kept).on_conflict_do_nothing()
        engine = database.engine
    else:
        statement = postgresql.insert(kept).on_conflict_do_nothing()
        engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")

    async def insert(row: dict[str, Any]) -> None:
        async with engine.begin() as connection:
            await connection.execute(statement, row)

    return insert


def create_app(database: Database, secret: str) -> FastAPI:
    insert = inserting(database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with database.engine.begin() as connection:
            await _create(connection)
        yield

    app = FastAPI(lifespan=lifespan)

    @app.post(PATH)
    async def take(request: Request) -> Response:
        body = await request.body()
        stripe.WebhookSignature.verify_header(
            body, request.headers["stripe-signature"], secret, stripe.Webhook.DEFAULT_TOLERANCE
        )
        event = from_json(body)
        await insert(
            {
                "id": event["id"],
                "type": event["type"],
                "object_id": event["data"]["object"].get("id"),
                "livemode": event["livemode"],
                "created_at": datetime.fromtimestamp(event["created"], UTC),
                "received_at": datetime.now(UTC),
                "state": "pending",
                "settled_at": None,
                "missed": False,
                "tries": 0,
                "newcomer": False,
            }
        )
        return Response(b'{"received":true}', media_type="application/json")

    @app.get("/readyz")
    async def ready() -> Response:
        return Response()

    return app


async def _create(connection: AsyncConnection) -> None:
    await connection.run_sync(kept.metadata.create_all)


async def serve(port: int) -> None:
    settings, _ = load()
    database = Database(settings.database_url)
    app = create_app(database, settings.webhook_secrets[0])
    config = uvicorn.Config(
        app,
        host=LOOPBACK,
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
    process.settle()
    try:
        await uvicorn.Server(config).serve()
    finally:
        await database.dispose()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
