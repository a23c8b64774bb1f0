"""`expand[]`: ids in an answer replaced by the objects that they name, at most four levels deep.

Source: https://docs.stripe.com/api/expanding_objects.
"""

from __future__ import annotations

from typing import Any

from .errors import StripeError, invalid
from .kernel import EXPANDABLE, Ctx, given_out
from .store import Obj, Store, public

MAX_DEPTH = 4

KIND_OF_PREFIX = {
    "cus": "customer",
    "sub": "subscription",
    "si": "subscription_item",
    "in": "invoice",
    "pi": "payment_intent",
    "ch": "charge",
    "pm": "payment_method",
    "card": "payment_method",
    "py": "charge",
    "pyr": "refund",
    "mandate": "mandate",
    "prod": "product",
    "price": "price",
    "ii": "invoiceitem",
    "il": "line_item",
    "re": "refund",
    "cn": "credit_note",
    "du": "dispute",
    "seti": "setup_intent",
    "txn": "balance_transaction",
    "cbtxn": "customer_balance_transaction",
    "ccsbtxn": "customer_cash_balance_transaction",
    "inpay": "invoice_payment",
    "sub_sched": "subscription_schedule",
    "clock": "test_helpers.test_clock",
    "evt": "event",
    "di": "discount",
    "promo": "promotion_code",
    "txr": "tax_rate",
    "txi": "tax_id",
    "bpc": "billing_portal.configuration",
}


def find_by_id(store: Store, id: str) -> Obj | None:
    """The object or tombstone with this id: its prefix tells the kind, unless the caller chose the id."""
    kind = KIND_OF_PREFIX.get(id.rpartition("_")[0])
    for candidate in [kind] if kind else ["product", "price", "customer", "coupon"]:
        found = store.find(candidate, id) or store.deleted(candidate, id)
        if found is not None:
            return found
    return None


def expand(ctx: Ctx, answer: Obj, paths: list[str]) -> None:
    """Expand `answer` (a public copy) in place; raises 400 for a property that can't be expanded."""
    for path in paths:
        names = path.split(".")
        if len(names) > MAX_DEPTH:
            message = f"You cannot expand more than {MAX_DEPTH} levels of a property. Property: {path}"
            raise StripeError(400, "invalid_request_error", message, param="expand", saved=False)
        _expand(ctx, answer, names, path)


def _expand(ctx: Ctx, node: Any, names: list[str], path: str) -> None:
    if isinstance(node, list):
        for element in node:
            _expand(ctx, element, names, path)
        return
    if not names or not isinstance(node, dict):
        return
    name, rest = names[0], names[1:]
    hook = EXPANDABLE.get((str(node.get("object")), name))
    if hook is not None and not node.get("deleted"):
        stored = ctx.store.find(node["object"], node["id"]) or node
        if not isinstance(node.get(name), dict):
            node[name] = public(hook(ctx, stored))
            if ctx.downgrade is not None:
                ctx.downgrade(ctx, node[name])
    if name not in node:
        if node.get("deleted"):
            return
        raise _cannot_expand(path, nested_in_list=node.get("object") == "list")
    node[name] = _expanded(ctx, node[name], rest, path)
    _expand(ctx, node[name], rest, path)


def _expanded(ctx: Ctx, value: Any, rest: list[str], path: str) -> Any:
    """The value with ids replaced; containers on the way stay as they are."""
    if isinstance(value, str):
        found = ctx.unsaved.get(value) or find_by_id(ctx.store, value)
        if found is None:
            raise _cannot_expand(path)
        return given_out(ctx, found)
    if isinstance(value, list):
        return [_expanded(ctx, element, rest, path) for element in value]
    if value is not None and not isinstance(value, dict):
        raise _cannot_expand(path)
    return value


def _cannot_expand(path: str, *, nested_in_list: bool = False) -> StripeError:
    hint = f" You may want to try expanding 'data.{path}' instead." if nested_in_list else ""
    error = invalid(f"This property cannot be expanded ({path}).{hint}", param="expand")
    error.saved = False
    return error
