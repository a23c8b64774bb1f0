"""Every page of the console. Adding one: a module, its template, and a line here."""

from . import (
    approvals,
    bill,
    cancellations,
    delegations,
    downloads,
    filing,
    finance,
    home,
    incidents,
    operations,
    plans,
    revisions,
    search,
    success,
)
from .activity import reconciliations, reminder_runs, troubles
from .admin import keys, people, policy, reads, sessions
from .frame import assets, serving
from .receivables import bulk, customers, invoices, money

ROUTERS = (
    assets.router,
    home.router,
    approvals.router,
    revisions.router,  # before what sends any other action
    operations.router,
    plans.router,
    cancellations.router,
    bill.router,
    bulk.router,  # before what names an invoice
    invoices.router,
    customers.router,
    delegations.router,
    downloads.router,
    filing.router,  # before what names a notice
    finance.router,
    incidents.router,
    reconciliations.router,
    reminder_runs.router,  # before what names a kind of money
    troubles.router,
    money.router,
    search.router,
    success.router,
    policy.router,
    people.router,
    keys.router,
    sessions.router,
    reads.router,
    serving.nowhere,
)
