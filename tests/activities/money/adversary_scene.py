"""A customer of an organization, on real records and a stand-in, and books of what they were given.

The books say what each step gave, by what Stripe said before it and by plain figures; nothing of the product
computes them.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.mirror.mirror import Mirror, PageQuery
from billing.core.operations import Kind
from billing.stripe.events import FOLLOWED, object_of
from db.core.session import Database
from db.tables import Reconciliation
from workflows.mirror.reconcile import RECENT
from workflows.money.proposals import MoneyProposal

from ...support import builders, money
from ...support.builders import Tenant, store
from ...support.case_rules import case_rules
from ...support.followed import follow
from ...support.shop import APRIL, Shop
from .adversary_steps import Events

UNIT = 10_000
"""Minor units of an amount of 1."""
PAID, OPEN = 10, 4
"""Amounts of the invoices that the customer pays, and of those that they owe."""


@dataclass
class Asked:
    """A request of ours."""

    operation: str
    planner: Any
    wanted: Any
    kind: Kind
    plan: MoneyProposal[Any]
    amount: int
    """What it is to give, by what was asked and by what Stripe says."""
    allowed: bool
    """Within the authority of whoever asked, or approved."""
    over: bool = False


@dataclass
class Books:
    """What was given, by customer and what it is of; what gave nothing after all is taken out."""

    given: dict[tuple[str, str], int] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)
    """What of it was done in Stripe itself, by the ids of its cases."""

    def give(self, customer: str, what: str, amount: int, *, outside: bool = True) -> None:
        if amount > 0:
            self.given[customer, what] = amount
            if outside:
                self.outside.add(what)

    def take_back(self, customer: str, what: str) -> None:
        self.given.pop((customer, what), None)

    def of_customers(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for (customer, _), amount in self.given.items():
            found[customer] = found.get(customer, 0) + amount
        return found


class Scene:
    """An organization whose customer has paid one invoice and owes another."""

    def __init__(self, shop: Shop, database: Database, tenant: Tenant) -> None:
        self.shop, self.database, self.tenant = shop, database, tenant
        self.books = Books()
        self.customers: list[str] = []
        self.customer = ""
        self.paid: list[tuple[str, str]] = []
        """Invoices, each with its payment."""
        self.open: list[str] = []
        self.written_off: list[str] = []
        self.from_balance: dict[str, int] = {}
        """What the customer's balance paid of each invoice."""
        self.asked: list[Asked] = []
        self.runs = 0
        self.seen: str | None = None

    @classmethod
    async def begin(cls, shop: Shop, database: Database) -> "Scene":
        await asyncio.to_thread(shop.stand_in.reset)
        await asyncio.to_thread(shop.stand_in.control, "clock", {"now": APRIL})
        scene = cls(shop, database, await builders.tenant(database))
        scene.customer = await scene.new_customer()
        await scene.bill(paid=True)
        await scene.bill(paid=False)
        await scene.events(Events(every=0))
        return scene

    def has_given(self, asked: Asked) -> bool:
        return (self.customer, asked.operation) in self.books.given

    async def new_customer(self, **fields: Any) -> str:
        mark: Any = {"metadata": {"plixo_organization": self.tenant.id}}
        self.customers.append((await self.shop.client.v1.customers.create_async(mark | fields)).id)
        return self.customers[-1]

    async def draft(self, customer: str, *amounts: int) -> list[str]:
        """A draft of lines over these amounts: its id, and those of its items."""
        v1 = self.shop.client.v1
        terms: Any = {"customer": customer, "collection_method": "send_invoice", "days_until_due": 30}
        invoice = await v1.invoices.create_async(terms)
        ids = [str(invoice.id)]
        for amount in amounts:
            item: Any = {"customer": customer, "invoice": ids[0], "amount": amount, "currency": "usd"}
            ids.append((await v1.invoice_items.create_async(item)).id)
        return ids

    async def bill(self, *, paid: bool, lines: int = 1) -> None:
        """Credit on the customer's balance pays as much of it as it can."""
        v1 = self.shop.client.v1
        rest = [1] * (lines - 1)
        invoice, *_ = await self.draft(self.customer, (PAID if paid else OPEN) * UNIT - sum(rest), *rest)
        before = await self.balance()
        final = await v1.invoices.finalize_invoice_async(invoice)
        self.from_balance[invoice] = await self.balance() - before
        if final.status != "open":
            return
        if not paid:
            self.open.append(invoice)
            return
        await self.pay(invoice)
        self.paid.append((invoice, await money.payment_of(self.shop, invoice)))

    async def balance(self) -> int:
        """The customer's: negative is credit."""
        return (await self.shop.client.v1.customers.retrieve_async(self.customer)).balance or 0

    async def left_of(self, invoice: str, *, voided: bool) -> int:
        """What is given up of it: what remains, and what the balance had paid where that goes back."""
        found = await self.shop.client.v1.invoices.retrieve_async(invoice)
        return found.amount_remaining + (self.from_balance[invoice] if voided else 0)

    async def pay(self, invoice: str) -> None:
        v1 = self.shop.client.v1
        method = await v1.payment_methods.attach_async("pm_card_visa", {"customer": self.customer})
        await v1.invoices.pay_async(invoice, {"payment_method": method.id})

    # --- How it is learnt of --------------------------------------------------------------------------

    async def events(self, step: Events) -> None:
        page = await self.shop.client.v1.events.list_async({"limit": 100, **self._after})
        found = [one.to_dict() for one in page.data][::-1]
        if found:
            self.seen = found[-1]["id"]
        few = found[:: step.every] if step.every else []
        for event in (few if step.order == "in order" else few[::-1]) * step.times:
            about = event["data"]["object"]
            object_ = object_of(event["type"], about.get("id"), about.get("customer"))
            if event["type"] in FOLLOWED and object_ is not None:
                await follow(self.shop.client, self.database, event["type"], object_, event["id"])

    @property
    def _after(self) -> Any:
        return {"ending_before": self.seen} if self.seen else {}

    async def compare(self) -> None:
        """Every page of every list, as reconciliation does; nothing here is ever missing from them."""
        self.runs += 1
        at = datetime.now(UTC)
        run = Reconciliation(
            id=f"rec_{self.runs}",
            requested_by="system",
            stage="x",
            workflow_id=f"reconcile-{self.runs}",
            started_at=at,
        )
        await store(self.database, run)
        mirror = Mirror(self.shop.client, self.database, case_rules())
        for phase in RECENT:
            page: Any = getattr(mirror, phase.page.__name__)
            query: Any = PageQuery(reconciliation=run.id)
            while query is not None:
                done = await ActivityEnvironment().run(page, query)
                query = done.after and query.model_copy(update={"after": done.after, "until": done.until})
