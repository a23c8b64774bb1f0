"""Requests for money: the form, what it would do and who would be asked, and asking for exactly that."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Path, Response

from billing.core.money import Money, is_code, minor_units
from billing.core.operations import Kind
from billing.core.text import one_line
from billing.money.waiver import WAIVERS
from billing.operations.kinds import GIVE_MONEY
from billing.policy.policy import REASONS
from billing.policy.reasons import reason_choices

from ...customers import details
from ...customers.schemas import InvoiceLineAnswer
from ...money import payments
from ...money.schemas import PaymentAnswer, PaymentsQuery
from ...problems.problem import ApiProblem, not_found
from ..frame.forms import Form, form_of
from ..frame.page import see
from ..frame.serving import pages
from ..frame.visit import InVisit, PageVisit
from . import credit_lines

router = pages("")

Resource = Annotated[Literal["refunds", "credits", "voids", "write-offs"], Path()]
OF_RESOURCE: Mapping[str, Kind] = {kind.resource: kind for kind in GIVE_MONEY}
FIELDS: Mapping[str, tuple[str, ...]] = {
    "refunds": ("payment_intent", "invoice", "currency", "reason", "note", "confirm_fraudulent", "amount"),
    "credits": (
        *("customer", "invoice", "currency", "instrument", "reason", "note", "tell_customer"),
        *(credit_lines.FIELD, "amount"),
    ),
    "voids": ("invoice", "reason", "note"),
    "write-offs": ("invoice", "reason", "note"),
}
MOST_CHOICES = 20
NO_AMOUNT = "Amount must be a number such as 13.00, with no more decimals than the currency has."
NO_CURRENCY = "Currency must be a currency's code, such as USD."
NOT_RETYPED = "The amount must be the same amount as before; check both."


@dataclass(frozen=True)
class MoneyTarget:
    """What money goes back of: `left` is what of it can still be refunded and `unpaid` what of an invoice is
    still due, as far as the mirror knows;
    `choices` are payments of which one has to be chosen first."""

    customer: str
    customer_name: str
    currency: str | None = None
    left: Money | None = None
    total: Money | None = None
    unpaid: Money | None = None
    payment: str | None = None
    invoice: str | None = None
    number: str | None = None
    choices: Sequence[PaymentAnswer] = ()
    lines: Sequence[InvoiceLineAnswer] = ()
    """Of the invoice, that a credit note can credit."""

    @classmethod
    def unread(cls, form: Form) -> "MoneyTarget":
        """Of a request that was made before the mirror had what it is about."""
        return cls(
            form.value("customer"),
            "a customer",
            form.value("currency") or None,
            payment=form.value("payment_intent") or None,
            invoice=form.value("invoice") or None,
        )

    @property
    def typed_left(self) -> str:
        """What is left as one would type it."""
        return str(self.left.decimal) if self.left else ""


@router.get("/{resource}/new")
async def new(resource: Resource, visit: InVisit) -> Response:
    """The form, for what the address names: a payment, an invoice or a customer."""
    return await _page(resource, visit, Form(dict(visit.request.query_params)), None)


@router.post("/{resource}/edit")
async def edit(resource: Resource, visit: InVisit) -> Response:
    """The form again, as it was quoted."""
    return await _page(resource, visit, await form_of(visit.request), None)


@router.post("/{resource}/quote")
async def quote(resource: Resource, visit: InVisit) -> Response:
    """What would be done, within whose authority it is and what stands in the way; tells nobody."""
    form, quoted = await form_of(visit.request), None
    with form.submitted():
        body = body_of(resource, form)
        if not form.refused:
            quoted = await visit.send(f"/v1/{resource}/quote", body)
    return await _page(resource, visit, form, quoted)


@router.post("/{resource}")
async def ask(resource: Resource, visit: InVisit) -> Response:
    """Asks for exactly what was quoted."""
    form, quoted = await form_of(visit.request), None
    with form.submitted():
        body, quoted = await retyped(visit, resource, form)
        if not form.refused:
            body |= form.body("quote")
            started = await visit.send(f"/v1/{resource}", body, key=form.value("key") or None)
    return await _page(resource, visit, form, quoted) if form.refused else see(f"/operations/{started['id']}")


async def retyped(
    visit: PageVisit, resource: str, form: Form, quote_at: str | None = None
) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
    """The API's body; where the amount should have been typed again and was not, the form is refused and the
    quote comes with it."""
    body = body_of(resource, form)
    if form.refused or not _slipped(visit, resource, form):
        return body, None
    form.errors["amount_again"] = NOT_RETYPED
    return body, await visit.send(quote_at or f"/v1/{resource}/quote", body)


def _slipped(visit: PageVisit, resource: str, form: Form) -> bool:
    """Whether an amount that has to be typed twice was not. Nobody types that of an invoice which is given
    up, or of its lines: it is what the quote has shown."""
    amount_minor = _minor(form, "amount")
    if amount_minor is None:
        return True
    amount = Money(amount_minor=amount_minor, currency=form.value("currency"))
    twice = visit.context.policy.money_rules(OF_RESOURCE[resource]).wants_retyped(amount)
    return twice and _minor(form, "amount_again") != amount_minor


def _minor(form: Form, name: str) -> int | None:
    currency = form.value("currency")
    return minor_units(form.value(name), currency) if is_code(currency) else None


def body_of(resource: str, form: Form) -> dict[str, Any]:
    """The API's body: the amount in minor units, and the rest as it was typed."""
    form.values = {**form.values, "currency": form.value("currency").lower()}
    credit_lines.gather(form)
    body: dict[str, Any] = form.body(
        *(name for name in FIELDS[resource] if name not in ("amount", credit_lines.FIELD))
    )
    if "amount" not in FIELDS[resource]:
        return body
    body |= {name: body[name] == "true" for name in ("confirm_fraudulent", "tell_customer") if name in body}
    if form.value(credit_lines.FIELD):
        return body | {"lines": credit_lines.lines_of(form)}
    if body.get("instrument") == "balance" or "payment_intent" in body:
        body.pop("invoice", None)
    amount = _minor(form, "amount")
    if not is_code(form.value("currency")):
        form.errors["currency"] = NO_CURRENCY
    elif not amount or amount < 0:
        form.errors["amount"] = NO_AMOUNT
    else:
        body["amount_minor"] = amount
    return body


async def _page(resource: str, visit: PageVisit, form: Form, quoted: Mapping[str, Any] | None) -> Response:
    fields = await fields_of(resource, visit, form)
    if quoted is not None:
        return await quote_page(resource, visit, form, quoted, at=f"/console/{resource}")
    return visit.page("money", title=_title(resource, fields["target"]), **fields,
        quoted=None, at=f"/console/{resource}", revises=None,
    )  # fmt: skip


async def fields_of(
    resource: str, visit: PageVisit, form: Form, *, revises: str | None = None
) -> dict[str, Any]:
    """What the fields are made of, with what is typed in them."""
    try:
        target = await _target(visit, form)
    except ApiProblem:
        if revises is None:
            raise
        target = MoneyTarget.unread(form)
    credit_lines.gather(form)
    kind = OF_RESOURCE[resource]
    by_lines = bool(form.value(credit_lines.FIELD))
    if by_lines and not form.errors:
        form.values = {**form.values, "amount": ""}
    return {
        "form": form,
        "target": target,
        "kind": kind.value,
        "gives_up": kind in WAIVERS,
        "fields": FIELDS[resource],
        "reasons": reason_choices(REASONS[kind]),
    }


async def quote_page(
    resource: str,
    visit: PageVisit,
    form: Form,
    quoted: Mapping[str, Any],
    *,
    at: str,
    revises: str | None = None,
) -> Response:
    """What was quoted, to be sent to this address, or changed."""
    fields = await fields_of(resource, visit, form, revises=revises)
    untyped = fields["gives_up"] or bool(form.value(credit_lines.FIELD))
    shown = Money.model_validate(quoted["amount"]) if untyped and quoted["amount"] else None
    return visit.page("money", title=_title(resource, fields["target"]), **fields,
        shown=shown, quoted=quoted, key=secrets.token_urlsafe(16), at=at, revises=revises,
    )  # fmt: skip


def _title(resource: str, target: MoneyTarget) -> str:
    kind = OF_RESOURCE[resource]
    return f"{kind.label} {'for' if kind in WAIVERS else 'to'} {one_line(target.customer_name)}"


async def _target(visit: PageVisit, form: Form) -> MoneyTarget:
    """Raises ApiProblem `not_found`."""
    if payment_id := form.value("payment_intent"):
        return await _of_payment(visit, payment_id)
    if invoice_id := form.value("invoice"):
        return await _of_invoice(visit, invoice_id)
    if customer_id := form.value("customer"):
        return await _of_customer(visit, customer_id)
    raise not_found()


async def _of_payment(visit: PageVisit, id_: str) -> MoneyTarget:
    payment = await payments.read_payment(id_, visit.caller, visit.context)
    names = await visit.names([{"customer": payment.customer, "invoice": payment.invoice}])
    return MoneyTarget(
        payment.customer,
        names.customer(payment.customer),
        payment.amount.currency,
        left=payment.refundable,
        total=payment.amount,
        payment=payment.id,
        invoice=payment.invoice,
        number=names.numbers.get(payment.invoice or ""),
    )


async def _of_invoice(visit: PageVisit, id_: str) -> MoneyTarget:
    invoice = await details.read_invoice(id_, visit.caller, visit.context)
    refundable = (payment.refundable for payment in invoice.payments)
    return MoneyTarget(
        invoice.customer,
        invoice.customer_name or invoice.customer,
        invoice.total.currency,
        left=sum(refundable, Money.zero(invoice.total.currency)),
        total=invoice.total,
        unpaid=invoice.amount_remaining,
        invoice=invoice.id,
        number=invoice.number,
        lines=[
            line for line in invoice.lines if line.id and (line.creditable or line.amount).amount_minor > 0
        ],
    )


async def _of_customer(visit: PageVisit, id_: str) -> MoneyTarget:
    """Without an invoice: a credit to the balance, or a refund of a payment that is chosen first."""
    customer = await details.read_customer(id_, visit.caller, visit.context)
    query = PaymentsQuery(customer=id_, refundable=True, limit=MOST_CHOICES)
    refundable = await payments.list_payments(query, visit.request, visit.caller, visit.context)
    return MoneyTarget(
        customer.id,
        customer.name or customer.email or customer.id,
        customer.balance.currency if customer.balance else None,
        choices=refundable.data,
    )
