"""Promises to pay: settled when their invoice is, or when their day is over and the admins hear of it."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.core.money import Money
from billing.core.operations import Role
from billing.mail.messages import MailContext, MailRequest
from billing.portal.promises import BrokenPromise
from billing.reminders.runs import SettlePromises
from db.core.alone import Alone, Unit
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import lists
from db.operations import outbox
from db.portal import promises
from db.tables import Invoice, PaymentPromise

PAGE = 500


class PromiseRecords:
    """May be repeated: what is settled is settled once, and told once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def settle_promises(self, order: SettlePromises) -> int:
        """How many were settled. What is wrong with one keeps no other from being settled."""
        async with self._database.reading() as session:
            found = await promises.to_settle(session, order.at, PAGE)
        settled = await Alone(self._database, "promises to pay").each(
            found, lambda one: self._settle(one, order.at), Unit
        )
        return sum(settled)

    async def _settle(self, promise_id: str, at: datetime) -> bool:
        async with self._database.transaction() as session:
            settled = await promises.settle(session, promise_id, at=at)
            if settled is not None and settled[0].outcome == "broken":
                await _tell_admins(session, *settled)
        return settled is not None


async def _tell_admins(session: AsyncSession, promise: PaymentPromise, invoice: Invoice) -> None:
    names = await lists.customer_names(session, {promise.customer_id})
    unpaid = Money(amount_minor=invoice.amount_remaining, currency=invoice.currency)
    request = MailRequest(
        organization=promise.organization_id,
        operation="",
        key=promise.id,
        template="promise_broken",
        roles=(Role.BILLING_ADMIN,),
        context=MailContext(
            promise=BrokenPromise(
                invoice=invoice.id,
                number=invoice.number,
                customer=names.get(promise.customer_id),
                day=promise.day,
                unpaid=unpaid,
                word=promise.word,
            )
        ),
    )
    await outbox.mail(session, request, at=utc_now())
