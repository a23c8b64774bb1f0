"""Refunds and credits: the form, what it would do and who would be asked, and asking for exactly that."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Path, Response

from billing.core.money import Money, minor_units
from billing.core.operations import Kind
from billing.policy.reasons import REASON_WORDS

from ..customers import details
from ..money import payments
from ..problems.problem import not_found
from .frame.forms import Form, form_of
from .frame.page import see
from .frame.serving import pages
from .frame.visit import InVisit, PageVisit

router = pages("")

Resource = Annotated[Literal["refunds", "credits"], Path()]
KINDS: Mapping[str, Kind] = {"refunds": Kind.REFUND, "credits": Kind.CREDIT}
FIELDS: Mapping[str, tuple[str, ...]] = {
    "refunds": ("payment_intent", "invoice", "currency", "reason", "note", "confirm_fraudulent", "amount"),
    "credits": ("customer", "invoice", "currency", "instrument", "reason", "note", "amount"),
}
REASONS: Mapping[str, tuple[str, ...]] = {
    "refunds": ("requested_by_customer", "duplicate", "fraudulent", "other"),
    "credits": ("goodwill", "duplicate", "order_change", "product_unsatisfactory", "fraudulent", "other"),
}
NO_AMOUNT = "must be an amount such as 13.00, with no more decimals than the currency has."
NOT_RETYPED = "must be the same amount: this goes out immediately, and nobody else reviews it."


@dataclass(frozen=True)
class MoneyTarget:
    """What money goes back of: `left` is what of it can still be refunded, as far as the mirror knows."""

    customer: str
    currency: str
    left: Money | None = None
    total: Money | None = None
    payment: str | None = None
    invoice: str | None = None
    number: str | None = None

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
        body = body_of(resource, form)
        if form.value("retype") == "yes" and _minor(form, "amount_again") != body.get("amount_minor"):
            form.errors["amount_again"] = NOT_RETYPED
            quoted = await visit.send(f"/v1/{resource}/quote", body)
        if not form.refused:
            body |= form.body("quote")
            started = await visit.send(f"/v1/{resource}", body, key=form.value("key") or None)
    if not form.refused:
        return see(f"/operations/{started['id']}")
    return await _page(resource, visit, form, quoted)


def _minor(form: Form, name: str) -> int | None:
    currency = form.value("currency")
    return minor_units(form.value(name), currency) if currency else None


def body_of(resource: str, form: Form) -> dict[str, Any]:
    """The API's body: the amount in minor units, and the rest as it was typed."""
    body: dict[str, Any] = form.body(*(name for name in FIELDS[resource] if name != "amount"))
    if "confirm_fraudulent" in body:
        body["confirm_fraudulent"] = body["confirm_fraudulent"] == "true"
    if body.get("instrument") == "balance" or "payment_intent" in body:
        body.pop("invoice", None)
    amount = _minor(form, "amount")
    if amount is None:
        form.errors["amount"] = NO_AMOUNT
    else:
        body["amount_minor"] = amount
    return body


def reasons_of(resource: str) -> list[tuple[str, str]]:
    """What can be chosen as a reason, in words."""
    return [(reason, REASON_WORDS[reason].capitalize()) for reason in REASONS[resource]]


async def _page(
    resource: str,
    visit: InVisit,
    form: Form,
    quoted: Mapping[str, Any] | None,
) -> Response:
    target = await _target(visit, form)
    names = await visit.names([{"customer": target.customer}])
    kind = KINDS[resource]
    return visit.page("money", title=f"{kind.value.capitalize()} to {names.customer(target.customer)}",
        form=form, resource=resource, kind=kind.value,
        quoted=quoted, target=target, names=names, fields=FIELDS[resource], key=secrets.token_urlsafe(16),
        reasons=reasons_of(resource),
    )  # fmt: skip


async def _target(visit: PageVisit, form: Form) -> MoneyTarget:
    """Raises ApiProblem `not_found`."""
    if payment_id := form.value("payment_intent"):
        payment = await payments.read_payment(payment_id, visit.caller, visit.context)
        return MoneyTarget(
            payment.customer,
            payment.amount.currency,
            left=payment.refundable,
            total=payment.amount,
            payment=payment.id,
            invoice=payment.invoice,
        )
    if invoice_id := form.value("invoice"):
        invoice = await details.read_invoice(invoice_id, visit.caller, visit.context)
        refundable = (payment.refundable for payment in invoice.payments)
        return MoneyTarget(
            invoice.customer,
            invoice.total.currency,
            left=sum(refundable, Money.zero(invoice.total.currency)),
            total=invoice.total,
            invoice=invoice.id,
            number=invoice.number,
        )
    raise not_found()
