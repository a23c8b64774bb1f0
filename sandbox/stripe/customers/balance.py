"""Customer balance: a running sum in the customer's currency; negative is credit for the next final invoice.

https://docs.stripe.com/api/customer_balance_transactions
"""

from typing import Any

from stripe.params import (
    CustomerBalanceTransactionCreateParams,
    CustomerBalanceTransactionListParams,
    CustomerBalanceTransactionRetrieveParams,
    CustomerBalanceTransactionUpdateParams,
)

from ..core.filters import within
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, missing, route

KIND = "customer_balance_transaction"
PATH = "/v1/customers/{customer}/balance_transactions"


def move(ctx: Ctx, customer: Obj, amount: int, currency: str, type: str, **more: Any) -> Obj:
    """Write one transaction and carry the balance along; `more`: invoice, credit_note, description …

    The customer's own event is left to the caller: `tell`.
    """
    customer["balance"] += amount
    if customer["currency"] is None:
        customer["currency"] = currency
    ctx.store.put(customer)
    return ctx.store.put(
        {
            "id": ctx.store.new_id("cbtxn"),
            "object": KIND,
            "amount": amount,
            "checkout_session": None,
            "created": ctx.now,
            "credit_note": None,
            "currency": currency,
            "customer": customer["id"],
            "customer_account": None,
            "description": None,
            "ending_balance": customer["balance"],
            "invoice": None,
            "livemode": False,
            "metadata": {},
            "type": type,
            **more,
        }
    )


def tell(ctx: Ctx, customer: Obj, balance_before: int) -> None:
    """`customer.updated` when the balance is another than before; transactions have no event of their own."""
    if customer["balance"] != balance_before:
        ctx.emit("customer.updated", customer, {"balance": balance_before})


@route("POST", PATH, params=CustomerBalanceTransactionCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Adjust a customer's balance: negative gives credit."""
    customer = ctx.store.get("customer", ctx.path["customer"])
    params = ctx.params
    currency = params["currency"].lower()
    if customer["currency"] not in (None, currency):
        raise invalid(
            f"The customer's balance is kept in {customer['currency']}: a transaction in {currency} is not "
            "possible.",
            param="currency",
        )
    before = customer["balance"]
    transaction = move(
        ctx,
        customer,
        params["amount"],
        currency,
        "adjustment",
        description=params.get("description"),
        metadata=merge_metadata(None, params.get("metadata")),
    )
    tell(ctx, customer, before)
    return transaction


@route("GET", PATH, params=CustomerBalanceTransactionListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """A customer's transactions, newest first."""
    customer = ctx.store.get("customer", ctx.path["customer"])
    found = ctx.store.related(KIND, "customer", customer["id"])
    wanted = ctx.params.get("invoice")
    listed = [
        transaction
        for transaction in found
        if wanted in (None, transaction["invoice"])
        and within(transaction["created"], ctx.params.get("created"))
    ]
    return ctx.page(listed, f"/v1/customers/{customer['id']}/balance_transactions")


@route("GET", PATH + "/{id}", params=CustomerBalanceTransactionRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One transaction of a customer."""
    return _of_customer(ctx)


@route("POST", PATH + "/{id}", params=CustomerBalanceTransactionUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Description and metadata alone may change: an amount is undone by the opposite transaction."""
    transaction = _of_customer(ctx)
    if "description" in ctx.params:
        transaction["description"] = ctx.params["description"] or None
    transaction["metadata"] = merge_metadata(transaction["metadata"], ctx.params.get("metadata"))
    return ctx.store.put(transaction)


def _of_customer(ctx: Ctx) -> Obj:
    ctx.store.get("customer", ctx.path["customer"])
    transaction = ctx.store.find(KIND, ctx.path["id"])
    if transaction is None or transaction["customer"] != ctx.path["customer"]:
        raise missing("customer balance transaction", ctx.path["id"])
    return transaction
