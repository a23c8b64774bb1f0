"""An organization with a customer, and what it asks Stripe about money."""

from dataclasses import dataclass
from typing import Any

from sqlmodel import select
from temporalio.testing import ActivityEnvironment

from activities.money.reads import MoneyReads
from billing.money.credit import CreditableFacts, CreditableQuery, CreditFound, CreditRead, Instrument
from billing.money.refund import RefundableFacts, RefundableQuery, RefundFound, RefundRead
from billing.stripe.effects import EffectKind
from db.core.session import Database

from ..support import money
from ..support.builders import Tenant, an_intent, an_operation, store
from ..support.case_rules import case_rules
from ..support.shop import Shop


@dataclass(frozen=True)
class Counter:
    """An organization with a customer, and what it asks of Stripe."""

    shop: Shop
    database: Database
    tenant: Tenant
    customer: str

    async def refundable(self, **asked: Any) -> RefundableFacts:
        query = RefundableQuery(organization=self.tenant.id, **asked)
        return await ActivityEnvironment().run(self._reads.read_refundable, query)

    async def creditable(self, customer: str | None = None, invoice: str | None = None) -> CreditableFacts:
        query = CreditableQuery(
            organization=self.tenant.id, customer=customer or self.customer, invoice=invoice
        )
        return await ActivityEnvironment().run(self._reads.read_creditable, query)

    async def refund(self, refund: str) -> RefundFound:
        query = RefundRead(organization=self.tenant.id, operation="op_1", refund=refund)
        return await ActivityEnvironment().run(self._reads.read_refund, query)

    async def credit(self, instrument: Instrument, made: str, invoice: str | None = None) -> CreditFound:
        query = CreditRead(
            organization=self.tenant.id,
            operation="op_1",
            customer=self.customer,
            instrument=instrument,
            invoice=invoice,
            object=made,
        )
        return await ActivityEnvironment().run(self._reads.read_credit, query)

    async def pay(self, amount: int = 5000, card: str = "pm_card_visa", **more: Any) -> str:
        return await money.pay(self.shop, self.customer, amount, card, **more)

    async def charge_of(self, payment: str) -> str:
        intent = await self.shop.client.v1.payment_intents.retrieve_async(payment)
        return str(intent.latest_charge)

    async def give_back(self, payment: str, amount: int, operation: str | None = None) -> str:
        metadata = {"plixo_operation": operation} if operation else {}
        made = await self.shop.client.v1.refunds.create_async(
            {"payment_intent": payment, "amount": amount, "metadata": metadata}
        )
        if operation:
            await self.made_by(operation, "refund.create", made.id)
        return made.id

    async def made_by(self, operation: str, effect: EffectKind, made: str) -> None:
        """An intent of an operation of this id knows that it made this."""
        row = an_operation(self.tenant, id=operation, kind="refund")
        await store(self.database, row, an_intent(row, effect=effect, state="done", stripe_id=made))

    async def an_organization_marked_as_ours(self) -> str:
        """The Stripe customer of another organization, whose metadata calls it a customer of this one."""
        other = await self.shop.tenant(self.database)
        customer = other.organization.stripe_customer
        await self.shop.client.v1.customers.update_async(
            customer, {"metadata": {"plixo_organization": self.tenant.id}}
        )
        return customer

    async def pay_part(self, invoice: str, amount: int) -> str:
        """Pays a part of an open invoice."""
        payment = await self.pay(amount)
        await self.shop.client.v1.invoices.attach_payment_async(invoice, {"payment_intent": payment})
        self.shop.stand_in.advance(1)  # the next one is paid later
        return payment

    async def rows(self, table: type[Any]) -> list[Any]:
        async with self.database.reading() as session:
            return list(await session.exec(select(table).order_by(table.id)))

    @property
    def _reads(self) -> MoneyReads:
        return MoneyReads(self.shop.client, self.database, case_rules())


async def a_counter(shop: Shop, database: Database) -> Counter:
    tenant = await shop.tenant(database)
    return Counter(shop, database, tenant, await money.customer(shop, tenant))
