"""2025-03-31.basil: there are any number of discounts; there was one, by `coupon` or `promotion_code`.

https://docs.stripe.com/changelog/basil/2025-03-31/remove-deprecated-discount-fields
"""

from ..core.kernel import Ctx, Obj, public
from ..discounts import discounts
from .registry import Call, answers, requests

VERSION = "2025-03-31.basil"
NAMES = ("coupon", "promotion_code")


@requests(
    VERSION,
    "POST /v1/subscriptions",
    "POST /v1/subscriptions/{id}",
    "POST /v1/invoices/create_preview",
    "GET /v1/invoices/upcoming",
    "GET /v1/invoices/upcoming/lines",
)
def one_discount(call: Call) -> None:
    """The only one of a subscription or preview; "" takes it away."""
    for name in NAMES:
        if name in call.params:
            given = call.params.pop(name)
            call.params["discounts"] = {"0": {name: given}} if given else ""


@requests(VERSION, "POST /v1/customers", "POST /v1/customers/{id}")
def of_customer(call: Call) -> None:
    """A customer's own discount, which is given in the Dashboard since; "" takes it away."""
    for name in NAMES:
        if name in call.params:
            _give(call, name, call.params.pop(name))


def _give(call: Call, name: str, given: str) -> None:
    def give(ctx: Ctx, customer: Obj) -> None:
        if given:
            discounts.grant(ctx, customer, {name: given}, param=name)
        else:
            discounts.withdraw(ctx, customer)

    call.also.append(give)


@answers(VERSION, "subscription", "invoice")
def first_discount(ctx: Ctx, shown: Obj) -> None:
    """The first one, whole."""
    if "discounts" not in shown:
        return
    first = next(iter(shown["discounts"]), None)
    if isinstance(first, str):
        found = ctx.unsaved.get(first) or ctx.store.find(discounts.KIND, first)
        first = public(found) if found else None
        if first is not None and ctx.downgrade is not None:
            ctx.downgrade(ctx, first)
    shown["discount"] = first
