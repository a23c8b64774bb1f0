"""A customer's default source, made of a test token: a payment method whose id begins with `card_`.

It is charged where nothing else is chosen. Nothing else of sources is here; Stripe advises against them.
https://docs.stripe.com/api/customers/create#create_customer-source
"""

from ..core.kernel import Ctx, Obj
from . import payment_methods


def take(ctx: Ctx, customer: Obj) -> None:
    """Make the card of the request's `source` the customer's default source."""
    token = ctx.params.get("source")
    if token:
        card = payment_methods.card_of(ctx, token, param="source", prefix="card")
        payment_methods.attach_to(ctx, card["id"], customer["id"], param="source")
        customer["default_source"] = card["id"]
