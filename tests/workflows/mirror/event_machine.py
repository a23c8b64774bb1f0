"""Plays the steps of `event_steps` in a running house, as an organization of its own."""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Any

import stripe
from sqlmodel import delete

from db.tables import StripeEventCheck

from ...support import money
from ...support.builders import Tenant
from ...support.house import House
from ...support.shop import APRIL, DAY
from ..money.machine_standing import Operations
from .event_steps import Balance, Bill, CatchUp, Customer, Events, Note, Pass, Pay, Plan, Refund, Step

SETTLED = 120
"""Seconds of Stripe's after which a refund has come to its end, unless it waits for the customer."""
AMOUNT = 1_000

_names = count(1)


class Scene:
    """An organization that is subscribed, its customers, and what there is in Stripe so far."""

    def __init__(self, home: House, tenant: Tenant) -> None:
        self.home, self.tenant = home, tenant
        self.operations = Operations(home, tenant.id)
        self.customers: list[str] = []
        self.payments: list[str] = []
        self.bills: list[str] = []
        self.notes: list[str] = []
        self.refunds: list[str] = []
        """Operations."""
        self.change: str | None = None
        """The operation of a plan change."""

    @classmethod
    async def begin(cls, home: House) -> "Scene":
        """In a Stripe of its own, in April, whose events are known so far."""
        await asyncio.to_thread(home.stand_in.reset)
        await asyncio.to_thread(home.stand_in.control, "clock", {"now": APRIL})
        async with home.database.transaction() as session:
            await session.exec(delete(StripeEventCheck))  # of a Stripe in which it was later
        await home.shop.stock()
        scene = cls(home, await home.shop.tenant(home.database, "growth"))
        await scene._customer(Customer())
        await home.catch_up()
        return scene

    async def play(self, step: Step) -> None:
        try:
            await self._play(step)
        except stripe.StripeError:
            return  # it was not possible any more

    async def _play(self, step: Step) -> None:
        match step:
            case Customer():
                await self._customer(step)
            case Pay(card, of):
                customer = _newest(self.customers, of)
                self.payments.append(await money.pay(self.home.shop, customer, AMOUNT, f"pm_card_{card}"))
            case Refund():
                await self._refund(step)
            case Bill():
                await self._bill(step)
            case Note():
                await self._note(step)
            case Balance(amount, of):
                wanted: Any = {"amount": amount, "currency": "usd"}
                customer = _newest(self.customers, of)
                await self._v1.customers.balance_transactions.create_async(customer, wanted)
            case Plan():
                await self._plan(step)
            case Pass(days):
                self.home.stand_in.advance(days * DAY + SETTLED)
            case Events(mode):
                self.home.stand_in.webhooks(mode=mode)
            case CatchUp():
                await self.home.catch_up()
                await self.home.settled()

    async def _customer(self, step: Customer) -> None:
        if step.does == "add":
            self.customers.append(await money.customer(self.home.shop, self.tenant))
            return
        customer = _newest(self.customers, step.of)
        if step.does == "rename":
            await self._v1.customers.update_async(customer, {"name": f"Name {next(_names)}"})
        elif len(self.customers) > 1:
            self.customers.remove(customer)
            await self._v1.customers.delete_async(customer)

    async def _refund(self, step: Refund) -> None:
        if not self.payments:
            return
        payment, amount = _newest(self.payments, step.of), AMOUNT * step.percent // 100
        if not step.by_us:
            await self._v1.refunds.create_async({"payment_intent": payment, "amount": amount})
            return
        self.refunds.append(await money.refund(self.home, self.tenant, payment, amount))
        await self.operations.rest()

    async def _bill(self, step: Bill) -> None:
        customer = _newest(self.customers, step.of)
        if step.does in ("draft", "open", "paid"):
            made = await money.invoice(
                self.home.shop, customer, AMOUNT, finalized=step.does != "draft", paid=step.does == "paid"
            )
            self.bills.append(made)
            return
        if not self.bills:
            return
        bill, invoices = _newest(self.bills, step.of), self._v1.invoices
        match step.does:
            case "pay":
                method = await self._v1.payment_methods.attach_async("pm_card_visa", {"customer": customer})
                await invoices.pay_async(bill, {"payment_method": method.id})
            case "void":
                await invoices.void_invoice_async(bill)
            case "write off":
                await invoices.mark_uncollectible_async(bill)
            case "delete":
                await invoices.delete_async(bill)
            case "send":
                await invoices.send_invoice_async(bill)

    async def _note(self, step: Note) -> None:
        notes = self._v1.credit_notes
        if step.does == "issue" and self.bills:
            wanted: Any = {"invoice": _newest(self.bills, step.of), "amount": 100}
            self.notes.append((await notes.create_async(wanted)).id)
        elif step.does == "void" and self.notes:
            await notes.void_credit_note_async(_newest(self.notes, step.of))

    async def _plan(self, step: Plan) -> None:
        v1, subscription = self._v1, await self.home.shop.subscription(self.tenant)
        match step.does:
            case "seats" if self.change is None:
                [item] = subscription["items"].data
                quantity = (item.quantity or 0) % 9 + 1
                items: Any = [{"id": item.id, "quantity": quantity}]
                await v1.subscriptions.update_async(subscription.id, {"items": items})
            case "schedule" if self.change is None:
                self.change = await self.home.ask(self.tenant, plan="starter", effective="period_end")
                await self.home.reviewed(self.tenant, self.change)
                await self.home.decide(self.tenant.controller, self.change)
                await self.home.wait(self.tenant, self.change, "running", stage="scheduled")
            case "release" if isinstance(subscription.schedule, str):
                await v1.subscription_schedules.release_async(subscription.schedule)

    async def come_to_rest(self) -> None:
        """Events come again, those that were thrown away are asked for; no time passes for the workflows."""
        home = self.home
        home.stand_in.webhooks(mode="normal")
        home.stand_in.advance(SETTLED)
        await self.told()

    async def told(self) -> None:
        """Everything that Stripe has told or would tell has led to all that it leads to."""
        await self.home.catch_up()
        await self.home.followed()
        await self.operations.rest()
        # What workflows do in Stripe in the end, such as releasing a schedule, has events too.
        await self.home.catch_up()
        await self.home.followed()
        await self.operations.rest()

    @property
    def _v1(self) -> stripe.V1Services:
        return self.home.shop.client.v1


def _newest(things: Sequence[str], back: int) -> str:
    return things[-1 - back % len(things)]
