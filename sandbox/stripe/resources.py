"""Every module that declares endpoints; importing this one fills the route table."""

from . import (  # noqa: F401
    balance,
    credit_notes,
    customer_end,
    customers,
    events,
    invoice_attachments,
    invoice_items,
    invoice_lines,
    invoice_payments,
    invoices,
    payment_intents,
    payment_methods,
    previews,
    prices,
    products,
    refunds,
    renewals,
    schedules,
    subscription_items,
    subscriptions,
)
