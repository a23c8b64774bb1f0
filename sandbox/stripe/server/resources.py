"""Every module that declares endpoints; importing this one fills the route table."""

from ..account import account  # noqa: F401
from ..catalog import prices, products  # noqa: F401
from ..credit_notes import credit_notes  # noqa: F401
from ..customers import balance, customers, payment_methods  # noqa: F401
from ..discounts import coupons, promotion_codes  # noqa: F401
from ..events import event_destinations, events, thin_events, webhook_endpoints  # noqa: F401
from ..invoices import (  # noqa: F401
    invoice_attachments,
    invoice_items,
    invoice_lines,
    invoice_payments,
    invoices,
)
from ..meters import meter_events, meters  # noqa: F401
from ..payment_intents import cash_balance, payment_intents, settlement  # noqa: F401
from ..payments import balance_transactions, dispute_requests, mandates, refunds  # noqa: F401
from ..portal import hosted_links, portal_configurations, portal_sessions  # noqa: F401
from ..renewals import renewals, schedule_previews, schedules  # noqa: F401
from ..search import search  # noqa: F401
from ..setup_intents import setup_intents  # noqa: F401
from ..subscriptions import customer_end, items, pausing, previews, subscriptions  # noqa: F401
from ..taxes import all_tax_ids, tax_ids, tax_rates  # noqa: F401
from ..test_clocks import test_clocks  # noqa: F401
