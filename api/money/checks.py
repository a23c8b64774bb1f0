"""What is wrong with a request for money back before anything is asked of Stripe.

What stays wrong for certain is refused here, with its field; what only Stripe knows is the workflow's to say.
An object that the mirror does not have for this organization may be new or another's: which of the two is
not said here, nor by the workflow.
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.errors import REMEDIES, Code, InvalidRequest
from billing.core.money import CURRENCIES, Money, most_minor, step_problem
from billing.money.credit import CreditWanted, check_choice
from billing.money.refund import RefundWanted
from billing.money.waiver import WaiverWanted
from db.mirror import mirror

from ..http.auth import Caller
from ..problems.catalogue import CATALOGUE
from ..problems.problem import ApiProblem
from .problems import (
    AMOUNT_TOO_LARGE,
    FRAUD_CONFIRMATION_MISSING,
    PAYMENT_AND_INVOICE,
    PAYMENT_MISSING,
    UNKNOWN_CURRENCY,
)

_FIELDS = {
    Code.INVOICE_MISSING: "/invoice",
    Code.INVOICE_NOT_FOR_BALANCE: "/invoice",
    Code.INSTRUMENT_UNFIT: "/instrument",
    Code.CREDIT_NOTE_ONLY: "/instrument",
    Code.CREDIT_AMOUNT_OR_LINES: "/amount_minor",
}


def check_in_itself(wanted: RefundWanted | CreditWanted | WaiverWanted) -> None:
    """Raises ApiProblem for what fields say together."""
    match wanted:
        case RefundWanted():
            _check_refund(wanted)
        case CreditWanted():
            _check_credit(wanted)


async def check_by_mirror(
    session: AsyncSession, caller: Caller, wanted: RefundWanted | CreditWanted | WaiverWanted
) -> None:
    """Raises InvalidRequest for what can't become right any more."""
    match wanted:
        case RefundWanted():
            await _check_refund_by_mirror(session, caller, wanted)
        case CreditWanted():
            await _check_credit_by_mirror(session, caller, wanted)
        case WaiverWanted():
            await _check_waiver_by_mirror(session, caller, wanted)


def _check_refund(wanted: RefundWanted) -> None:
    if wanted.payment_intent is None and wanted.invoice is None:
        raise ApiProblem.of(PAYMENT_MISSING)
    if wanted.payment_intent is not None and wanted.invoice is not None:
        raise ApiProblem.of(PAYMENT_AND_INVOICE)
    check_size(wanted.amount_minor, wanted.currency)
    if wanted.reason == "fraudulent" and not wanted.confirm_fraudulent:
        raise ApiProblem.of(FRAUD_CONFIRMATION_MISSING)


def _check_credit(wanted: CreditWanted) -> None:
    check_size(wanted.amount_minor, wanted.currency)
    problem = check_choice(wanted)
    if problem is not None:
        pointer = _FIELDS[Code(problem.code)]
        if pointer == "/amount_minor" and wanted.amount_minor is None and wanted.lines:
            pointer = "/lines"
        raise ApiProblem.at(CATALOGUE[problem.code], problem.message, pointer)


def check_size(amount: int | None, currency: str | None) -> None:
    """Raises ApiProblem and InvalidRequest for an amount that Stripe can't give in this currency."""
    if currency is not None and currency not in CURRENCIES:
        detail = f"Stripe doesn't support the currency {currency}. {REMEDIES[Code.UNKNOWN_CURRENCY]}"
        raise ApiProblem.at(UNKNOWN_CURRENCY, detail, "/currency")
    most = most_minor(currency)
    if amount is not None and amount > most:
        detail = (
            f"amount_minor must be at most {most}, Stripe's maximum "
            f"{f'in {currency.upper()}' if currency else 'unless currency is idr'}. "
            "Request less, or split it."
        )
        raise ApiProblem.at(AMOUNT_TOO_LARGE, detail, "/amount_minor")
    if amount is not None and currency is not None:
        _in_steps(Money(amount_minor=amount, currency=currency))


def _in_steps(amount: Money) -> None:
    if problem := step_problem(amount):
        raise InvalidRequest(Code.AMOUNT_NOT_IN_STEPS, problem, field="amount_minor")


async def _check_refund_by_mirror(session: AsyncSession, caller: Caller, wanted: RefundWanted) -> None:
    """A payment keeps its amount and currency."""
    if wanted.payment_intent is not None:
        payment = await mirror.payment(session, caller.organization, wanted.payment_intent)
        if payment is None:
            return
        _same_currency(wanted.currency, payment.currency, "payment")
        whole = Money(amount_minor=payment.amount, currency=payment.currency)
        _within(wanted.amount_minor, whole, "payment", Code.AMOUNT_ABOVE_REFUNDABLE)
    elif wanted.invoice is not None:
        invoice = await mirror.invoice(session, caller.organization, wanted.invoice)
        if invoice is not None:
            _same_currency(wanted.currency, invoice.currency, "invoice")
            if wanted.amount_minor is not None:
                _in_steps(Money(amount_minor=wanted.amount_minor, currency=invoice.currency))


async def _check_credit_by_mirror(session: AsyncSession, caller: Caller, wanted: CreditWanted) -> None:
    """Deleted and void are for good, and a finalized invoice keeps its customer, currency and total."""
    customer = await mirror.customer(session, caller.organization, wanted.customer)
    if customer is not None and customer.deleted:
        raise InvalidRequest(Code.CUSTOMER_UNKNOWN, "The customer was deleted in Stripe", field="customer")
    if wanted.invoice is None:
        return
    invoice = await mirror.invoice(session, caller.organization, wanted.invoice)
    if invoice is None:
        return
    if invoice.customer_id != wanted.customer:
        raise InvalidRequest(
            Code.INVOICE_UNKNOWN, "The invoice doesn't belong to this customer", field="invoice"
        )
    _same_currency(wanted.currency, invoice.currency, "invoice")
    if invoice.status == "void":
        raise InvalidRequest(
            Code.INVOICE_NOT_CREDITABLE,
            "The invoice is void: nothing is owed on it that a credit note could correct",
            field="invoice",
        )
    if invoice.status != "draft":
        whole = Money(amount_minor=invoice.total, currency=invoice.currency)
        _within(wanted.amount_minor, whole, "invoice", Code.AMOUNT_ABOVE_CREDITABLE)


async def _check_waiver_by_mirror(session: AsyncSession, caller: Caller, wanted: WaiverWanted) -> None:
    """Paid, void and uncollectible invoices never become open again."""
    invoice = await mirror.invoice(session, caller.organization, wanted.invoice)
    if invoice is None:
        return
    if invoice.status == "paid":
        raise InvalidRequest(Code.INVOICE_PAID, "The invoice is paid: nothing is left of it", field="invoice")
    if invoice.status in ("void", "uncollectible"):
        state = "void" if invoice.status == "void" else "written off"
        raise InvalidRequest(Code.INVOICE_ENDED, f"The invoice is already {state}", field="invoice")


def _same_currency(asked: str | None, kept: str, of: str) -> None:
    if asked not in (None, kept):
        raise InvalidRequest(
            Code.WRONG_CURRENCY,
            f"The {of} is in {kept.upper()}, not in {str(asked).upper()}",
            field="currency",
        )


def _within(asked: int | None, whole: Money, of: str, code: Code) -> None:
    if asked is None:
        return
    amount = Money(amount_minor=asked, currency=whole.currency)
    _in_steps(amount)
    if amount > whole:
        raise InvalidRequest(
            code,
            f"{amount.format()} is more than the whole {of} of {whole.format()}",
            field="amount_minor",
        )
