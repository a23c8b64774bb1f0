"""2025-09-30.clover: what a discount and a promotion code give is an object with a type; it was a coupon.

https://docs.stripe.com/changelog/clover
"""

from ..core.kernel import Ctx, Obj, public
from .registry import Call, answers, requests

VERSION = "2025-09-30.clover"


@requests(VERSION, "POST /v1/promotion_codes")
def code_of_coupon(call: Call) -> None:
    """`coupon` becomes `promotion`."""
    if "coupon" in call.params:
        call.params["promotion"] = {"type": "coupon", "coupon": call.params.pop("coupon")}


@answers(VERSION, "promotion_code")
def coupon_of_code(ctx: Ctx, code: Obj) -> None:
    """The whole coupon in place of `promotion`."""
    if "promotion" in code:
        code["coupon"] = whole_coupon(ctx, code.pop("promotion")["coupon"])


@answers(VERSION, "discount")
def coupon_of_discount(ctx: Ctx, discount: Obj) -> None:
    """The whole coupon in place of `source`."""
    if "source" in discount:
        discount["coupon"] = whole_coupon(ctx, discount.pop("source")["coupon"])


def whole_coupon(ctx: Ctx, coupon: str | Obj | None) -> Obj | None:
    """A coupon by its id; one that was deleted is still shown as what it was."""
    if not isinstance(coupon, str):
        return coupon
    found = ctx.store.find("coupon", coupon)
    return public(found) if found else {"id": coupon, "object": "coupon", "valid": False}
