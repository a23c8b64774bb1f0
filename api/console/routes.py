"""Every page of the console. Adding one: a module, its template, and a line here."""

from . import approvals, finance, home, incidents, invoices, landing, money, operations, plans
from .frame import assets

ROUTERS = (
    assets.router,
    home.router,
    approvals.router,
    operations.router,
    plans.router,
    invoices.router,
    finance.router,
    incidents.router,
    money.router,  # these two take what no other page has
    landing.router,
)
