"""Payment methods of other types, as they are saved: they can be made and looked at, nothing is charged.

Shapes are those of recorded answers. https://docs.stripe.com/api/payment_methods/object
"""

from typing import Any

from ..core.kernel import Ctx, Obj, invalid

NAMED_BANK = {
    "eps": ("bank",),
    "fpx": ("bank",),
    "ideal": ("bank",),
    "p24": ("bank",),
    "sofort": ("country",),
}
"""What is shown as it was given."""
PLAIN = ("afterpay_clearpay", "alipay", "bancontact", "giropay")
CASH = "customer_balance"
"""A transfer to what Stripe keeps for the customer: made with a payment only."""
TYPES = (*NAMED_BANK, *PLAIN, "acss_debit")


def shown(ctx: Ctx, type: str) -> dict[str, Any]:
    """What a payment method of this type shows of what the request says: the end of an account's number."""
    given = ctx.params.get(type) or {}
    if type == "acss_debit":
        return {
            "bank_name": "STRIPE TEST BANK",
            "fingerprint": f"sandbox{given['account_number'][-4:]}",
            "institution_number": given["institution_number"],
            "last4": given["account_number"][-4:],
            "transit_number": given["transit_number"],
        }
    details = {name: given.get(name) for name in NAMED_BANK.get(type, ())}
    if type == "fpx":
        details["account_holder_type"] = "individual"
    if type == "ideal":
        details["bic"] = None
    return details


def refuse_charging(method: Obj) -> None:
    """Refuse to attach or charge what this stand-in only keeps."""
    if method["type"] in TYPES:
        raise invalid("This stand-in charges cards and bank accounts only.", param="payment_method")
