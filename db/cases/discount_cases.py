"""Opens cases for coupons and promotion codes that were redeemed in Stripe itself.

One for each discount, by its value over its duration; and one for each final invoice of which it took more
than was counted by then. Whichever of the two is noticed first, what it has taken is counted once.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import CaseFound, CaseObject
from billing.cases.discounts import names_coupon, to_count
from billing.cases.given import GivenOnInvoice
from billing.core.money import Money

from ..core.statements import insert_new
from ..money import commitments
from ..operations import intents
from ..tables import Case, DiscountRow, DiscountUse, Intent, Invoice, Organization
from .cases import CaseRules
from .external import ExternalChange, new, open_counted


async def notice(session: AsyncSession, rules: CaseRules, rows: Iterable[DiscountRow], at: datetime) -> None:
    """Opens a case for each discount that came with no change of ours, however often it is seen."""
    for row in sorted(rows, key=lambda row: (row.organization_id, row.id)):
        if not await new(session, row.organization_id, [_discount(row, row.value)]):
            continue
        if row.customer_id is None and await _came_with_ours(session, row):
            continue
        await commitments.lock(session, row.organization_id)
        value = to_count(row.value, await _counted(session, row.organization_id, row.id, row.currency))
        await open_counted(session, rules, _discount(row, value), at)


async def notice_uses(
    session: AsyncSession,
    rules: CaseRules,
    organization: str,
    uses: Sequence[tuple[Invoice, GivenOnInvoice]],
    at: datetime,
) -> None:
    """Counts what discounts took off final invoices of an organization, where it is more than was counted."""
    uses = await _unseen(session, organization, uses)
    if not uses:
        return
    await commitments.lock(session, organization)
    joined = (await session.get_one(Organization, organization)).created_at
    for invoice, given in uses:
        known = await session.get(DiscountRow, given.object)
        if known is not None and known.created_at < joined:
            continue  # nobody's case, as the discount is none
        taken = await _taken(session, organization, given.object, invoice.currency)
        counted = await _counted(session, organization, given.object, invoice.currency)
        excess = min(given.amount, to_count(taken, counted))
        if excess:
            for made in await new(session, organization, [_use(invoice, given, known, excess)]):
                await open_counted(session, rules, made, at)


async def _unseen(
    session: AsyncSession, organization: str, uses: Sequence[tuple[Invoice, GivenOnInvoice]]
) -> list[tuple[Invoice, GivenOnInvoice]]:
    """Those that are noted with this call."""
    rows = [
        DiscountUse(
            discount_id=given.object, invoice_id=invoice.id, organization_id=organization, amount=given.amount
        ).model_dump()
        for invoice, given in sorted(uses, key=lambda use: (use[1].object, use[0].id))
    ]
    noted = set(await insert_new(session, DiscountUse, rows))
    return [(invoice, given) for invoice, given in uses if (given.object, invoice.id) in noted]


async def _taken(session: AsyncSession, organization: str, discount: str, currency: str) -> int:
    """Off invoices in this currency."""
    found = await session.exec(
        select(func.sum(DiscountUse.amount))
        .join(Invoice, col(Invoice.id) == col(DiscountUse.invoice_id))
        .where(
            DiscountUse.organization_id == organization,
            DiscountUse.discount_id == discount,
            Invoice.currency == currency,
        )
    )
    return int(found.one() or 0)


async def _counted(session: AsyncSession, organization: str, discount: str, currency: str) -> Collection[int]:
    """What cases have counted of it so far, in this currency."""
    found = await session.exec(
        select(Case.amount_minor).where(
            Case.organization_id == organization,
            Case.object_kind == CaseObject.DISCOUNT.value,
            Case.currency == currency,
            or_(Case.object_id == discount, col(Case.object_id).startswith(f"{discount}:", autoescape=True)),
        )
    )
    return [amount or 0 for amount in found]


async def _came_with_ours(session: AsyncSession, row: DiscountRow) -> bool:
    """Whether an effect of ours on the organization's own subscription asked for this coupon."""
    found = await session.exec(
        select(Intent).where(
            Intent.organization_id == row.organization_id,
            col(Intent.effect).in_(("subscription.update", "schedule.create", "schedule.update")),
            Intent.state != intents.REFUSED,
        )
    )
    return any(names_coupon(intent.params, row.coupon) for intent in found)


def _discount(row: DiscountRow, value: int) -> ExternalChange:
    found = CaseFound.model_validate(
        {
            "object_kind": CaseObject.DISCOUNT,
            "object": row.id,
            "made_at": row.created_at,
            "customer": row.customer_id,
            "amount": Money(amount_minor=value, currency=row.currency),
            "coupon": row.name,
            "given_on": row.given_on,
            "bearer": row.bearer,
        }
    )
    return ExternalChange(row.organization_id, found)


def _use(invoice: Invoice, given: GivenOnInvoice, known: DiscountRow | None, excess: int) -> ExternalChange:
    found = CaseFound(
        object_kind=CaseObject.DISCOUNT,
        object=given.object,
        made_at=given.at,
        customer=invoice.customer_id,
        amount=Money(amount_minor=excess, currency=invoice.currency),
        invoice=invoice.id,
        coupon=known.name if known else None,
        given_on="invoice",
        bearer=invoice.id,
    )
    return ExternalChange(invoice.organization_id, found, object_id=f"{given.object}:{invoice.id}")
