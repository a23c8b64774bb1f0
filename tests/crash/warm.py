"""What every life of a worker does alike, done once before the first is forked: most of a start's time.

Imported by the fork server alone.
"""

import asyncio
import gc
import platform
import tempfile

import anyio._backends._asyncio
import httpcore
import stripe
from sqlalchemy.orm import configure_mappers
from sqlmodel import SQLModel
from temporalio.worker._worker import load_default_build_id

from activities.mail.render import shipped_texts
from billing.policy.policy import policy_from_toml
from db.core.clock import utc_now
from db.core.session import Database
from db.operations import notices, outbox
from settings.settings import DEFAULT_POLICY
from worker import composition

from ..support.prepared import compile_once
from . import worker
from .plan import PUBLIC_URL


async def ask_once() -> None:
    """What every life asks the records, of empty ones: what is compiled now is compiled for all lives."""
    with tempfile.TemporaryDirectory() as folder:
        records = Database(f"sqlite:///{folder}/empty.db")
        async with records.engine.begin() as connection:
            await connection.run_sync(SQLModel.metadata.create_all)
        async with records.transaction() as session:
            for lane in (outbox.TEMPORAL, outbox.MAILS):
                await outbox.anything_due(session, utc_now(), lane=lane)
                await outbox.due(session, utc_now(), lane=lane)
            await notices.late(session, utc_now(), limit=1)
            for mapper in SQLModel._sa_registry.mappers:
                if [column.type.python_type for column in mapper.primary_key] == [str]:
                    await session.get(mapper.class_, "")
        await records.dispose()


policy_from_toml(DEFAULT_POLICY.read_text(encoding="utf-8"))  # the holidays of all countries
Database("sqlite:////dev/null")  # the driver
v1 = stripe.StripeClient("sk_test_warm").v1
LOADED = (  # what is loaded at its first use otherwise
    (worker, httpcore, anyio._backends._asyncio),
    (stripe.Charge, stripe.CreditNote, stripe.Customer, stripe.CustomerBalanceTransaction, stripe.Invoice),
    (stripe.InvoicePayment, stripe.PaymentIntent, stripe.Refund, stripe.Subscription),
    (v1.credit_notes, v1.customers.balance_transactions, v1.invoice_payments, v1.invoices),
    (v1.payment_intents, v1.prices, v1.refunds, v1.subscription_schedules, v1.subscriptions),
)
configure_mappers()
platform.platform()  # what the SDK tells Stripe of the machine
shipped_texts(PUBLIC_URL)  # the compiled templates
composition.trusted()
compile_once()
asyncio.run(ask_once())
load_default_build_id()  # a hash over the code of every module that is loaded
gc.collect()
gc.freeze()  # a collection of a life's own neither walks through all this nor copies it
gc.set_threshold(20_000, 20, 50)  # and lives are short
