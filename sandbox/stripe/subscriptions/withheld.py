"""Invoices that are not collected: of a subscription whose collection is paused, or that is unpaid.

| `pause_collection[behavior]` | becomes of each new invoice |
|---|---|
| void | void at once |
| mark_uncollectible | paid if the customer's balance covers it, else uncollectible |
| keep_as_draft | stays a draft until somebody finalizes it |

Older invoices go on being collected. https://docs.stripe.com/billing/subscriptions/pause-payment
"""

from ..core.kernel import Ctx, Obj
from ..invoices import endings, invoicing


def withhold(ctx: Ctx, subscription: Obj, invoice: Obj) -> bool:
    """Do with a new draft what its subscription asks for instead of collecting it; False: collect it."""
    behavior = _behavior(ctx, subscription)
    if behavior == "void":
        endings.void_draft(ctx, invoice)
    elif behavior == "mark_uncollectible":
        invoicing.finalize(ctx, invoice)
        if invoice["status"] == "open":
            endings.mark_uncollectible(ctx, invoice, None)
    elif behavior == "keep_as_draft":
        invoice["auto_advance"], invoice["automatically_finalizes_at"] = False, None
        invoicing.save(ctx, invoice)
    return behavior is not None


def _behavior(ctx: Ctx, subscription: Obj) -> str | None:
    if subscription["pause_collection"]:
        return str(subscription["pause_collection"]["behavior"])
    if subscription["status"] == "unpaid":
        return "keep_as_draft" if ctx.switches.unpaid_invoices == "draft" else "void"
    return None
