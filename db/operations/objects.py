"""By which of Stripe's objects an operation is found: those that its request, subject, result and effects
name."""

from collections.abc import Iterable

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.pending import insert_if_new_later
from ..tables import Invoice, OperationObject, PaymentRow


async def note(session: AsyncSession, operation_id: str, organization_id: str, ids: Iterable[str]) -> None:
    """Let the operation be found by these objects as well."""
    rows = [
        {"object_id": id_, "operation_id": operation_id, "organization_id": organization_id}
        for id_ in sorted(set(ids))
    ]
    await insert_if_new_later(session, OperationObject, *rows)


async def customer_of(session: AsyncSession, organization_id: str, ids: Iterable[str]) -> str | None:
    """The customer of the payment or invoice among these objects, as far as the mirror knows."""
    wanted = list(ids)
    payment = select(PaymentRow.customer_id).where(
        PaymentRow.organization_id == organization_id, col(PaymentRow.id).in_(wanted)
    )
    invoice = select(Invoice.customer_id).where(
        Invoice.organization_id == organization_id, col(Invoice.id).in_(wanted)
    )
    connection = await session.connection()
    return (await connection.execute(payment.union_all(invoice).limit(1))).scalar_one_or_none()
