"""What every life of a worker does alike, done once before the first is forked: most of a start's time.

Imported by the fork server alone.
"""

import gc
import platform

import anyio._backends._asyncio
import httpcore
import stripe
from sqlalchemy.orm import configure_mappers
from temporalio.worker._worker import load_default_build_id

from activities.mail.render import shipped_texts
from billing.policy.policy import policy_from_toml
from db.core.session import Database
from settings.settings import DEFAULT_POLICY
from worker import composition

from ..support.prepared import compile_once
from . import worker
from .plan import PUBLIC_URL

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
load_default_build_id()  # a hash over the code of every module that is loaded
gc.collect()
gc.freeze()  # a collection of a life's own neither walks through all this nor copies it
gc.set_threshold(20_000, 20, 50)  # and lives are short
