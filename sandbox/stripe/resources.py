"""Every module that declares endpoints; importing this one fills the route table."""

from . import (  # noqa: F401
    balance,
    customers,
    events,
    invoice_items,
    invoice_lines,
    invoice_payments,
    invoices,
    payment_methods,
    prices,
    products,
    subscriptions,
)
