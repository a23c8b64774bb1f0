"""Bank transfers to a customer's cash balance, and payments out of it.

What comes in is kept for the customer and goes at once to the payments that wait for a transfer in its
currency, the oldest first: in part as long as it doesn't cover one.
https://docs.stripe.com/payments/customer-balance, https://docs.stripe.com/payments/bank-transfers
"""

from stripe.params import (
    CustomerListCashBalanceTransactionsParams,
    CustomerRetrieveCashBalanceParams,
)
from stripe.params.test_helpers import CustomerFundCashBalanceParams

from ..core.kernel import Ctx, Obj, invalid, route
from ..core.updates import without_effect
from ..customers.other_methods import CASH
from ..customers.payment_methods import keep_cash_method
from ..invoices import invoice_attachments
from ..payments.payments import Attempt, receive

KIND = "customer_cash_balance_transaction"
PATH = "/v1/customers/{id}/cash_balance"
BY_CURRENCY = {"eur": "eu", "gbp": "gb", "jpy": "jp", "mxn": "mx", "usd": "us"}
SENDERS: dict[str, Obj] = {
    "eur": {"bic": "BICTEST", "iban_last4": "3000", "sender_name": "test"},
    "gbp": {"account_number_last4": "6789", "sender_name": "test", "sort_code": "108800"},
    "jpy": {"sender_bank": "test", "sender_branch": "test", "sender_name": "test"},
    "usd": {"network": "ach", "sender_name": "test"},
}
"""What is told of the test bank that a transfer comes from."""
ACTION = "display_bank_transfer_instructions"


@route("POST", "/v1/test_helpers/customers/{id}/fund_cash_balance", params=CustomerFundCashBalanceParams)
def fund(ctx: Ctx) -> Obj:
    """A bank transfer comes in from the customer, and pays what waits for it."""
    params = ctx.params
    customer = ctx.store.get("customer", ctx.path["id"])
    currency = params["currency"].lower()
    if params["amount"] < 1:
        raise invalid(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    by = _transfer(currency)
    transfer = {"reference": params.get("reference"), "type": by, by: SENDERS.get(currency, {})}
    transaction = _move(ctx, customer, currency, params["amount"], "funded", {"bank_transfer": transfer})
    for intent in _waiting(ctx, customer, currency):
        _pay_from_balance(ctx, customer, intent)
    if left := customer["_cash"][currency]:
        shown = _balance(customer)
        ctx.emit("cash_balance.funds_available", {**shown, "available": {currency: left}})
    return transaction


@route("GET", PATH, params=CustomerRetrieveCashBalanceParams, kind="cash_balance")
def retrieve(ctx: Ctx) -> Obj:
    """What a customer has transferred and no payment has taken."""
    return _balance(ctx.store.get("customer", ctx.path["id"]))


@route("GET", PATH + "_transactions", params=CustomerListCashBalanceTransactionsParams, kind=KIND)
def list_transactions(ctx: Ctx) -> Obj:
    """What came into a customer's cash balance and went out of it, newest first."""
    customer = ctx.store.get("customer", ctx.path["id"])
    found = ctx.store.related(KIND, "customer", customer["id"])
    return ctx.page(found, f"/v1/customers/{customer['id']}/cash_balance_transactions")


def method_of(ctx: Ctx) -> str | None:
    """The payment method that an intent's `payment_method_data` makes: a transfer to the cash balance."""
    data = ctx.params.get("payment_method_data")
    if data is None:
        return None
    if data["type"] != CASH:
        raise invalid(
            f"This stand-in makes payment methods of this kind by themselves only: {data['type']}.",
            param="payment_method_data[type]",
        )
    if not ctx.params.get("customer"):
        raise invalid("Bank transfers need a customer who is known.", param="customer")
    return str(keep_cash_method(ctx)["id"])


def ask_for_transfer(ctx: Ctx, intent: Obj) -> Attempt:
    """Confirm an intent that a transfer pays: by what is there, or it waits and says how much."""
    customer = ctx.store.get("customer", intent["customer"])
    without_effect(ctx, "payment_method_options")  # where to transfer to is told by the currency
    intent.update(
        last_payment_error=None,
        next_action={
            "type": ACTION,
            ACTION: {
                "amount_remaining": intent["amount"],
                "currency": intent["currency"],
                "financial_addresses": [],
                "hosted_instructions_url": None,
                "reference": intent["id"][-8:].upper(),
                "type": _transfer(intent["currency"]),
            },
        },
        payment_method_types=[CASH],
        status="requires_action",
    )
    ctx.store.put(intent)
    ctx.emit("payment_intent.requires_action", intent)
    _pay_from_balance(ctx, customer, intent)
    return Attempt(intent, None, needs_action=intent["status"] == "requires_action")


def waits(intent: Obj) -> bool:
    """Whether an intent waits for a transfer."""
    return bool(intent["status"] == "requires_action" and intent["next_action"]["type"] == ACTION)


def give_back(ctx: Ctx, intent: Obj) -> None:
    """What an intent that is given up has got of the customer's cash balance is there again."""
    if not waits(intent):
        return
    amount = intent["amount"] - intent["next_action"][ACTION]["amount_remaining"]
    if amount:
        customer = ctx.store.get("customer", intent["customer"])
        payment = {"payment_intent": intent["id"]}
        _move(ctx, customer, intent["currency"], amount, "unapplied_from_payment", payment)


def _pay_from_balance(ctx: Ctx, customer: Obj, intent: Obj) -> None:
    """Give an intent what there is of what it still needs."""
    currency = intent["currency"]
    asked = intent["next_action"][ACTION]
    amount = min(customer.get("_cash", {}).get(currency, 0), asked["amount_remaining"])
    if not amount:
        return
    _move(ctx, customer, currency, -amount, "applied_to_payment", {"payment_intent": intent["id"]})
    asked["amount_remaining"] -= amount
    if asked["amount_remaining"]:
        ctx.store.put(intent)
        ctx.emit("payment_intent.partially_funded", intent)
        return
    receive(ctx, intent, ctx.store.get("payment_method", intent["payment_method"]))
    invoice_attachments.credit(ctx, intent)


def _waiting(ctx: Ctx, customer: Obj, currency: str) -> list[Obj]:
    """The customer's payments that wait for a transfer, the oldest first."""
    found = ctx.store.related("payment_intent", "customer", customer["id"])
    return [intent for intent in reversed(found) if intent["currency"] == currency and waits(intent)]


def _move(ctx: Ctx, customer: Obj, currency: str, amount: int, type: str, what: Obj) -> Obj:
    held = customer.setdefault("_cash", {})
    held[currency] = held.get(currency, 0) + amount
    ctx.store.put(customer)
    transaction = ctx.store.put(
        {
            "id": ctx.store.new_id("ccsbtxn"),
            "object": KIND,
            "created": ctx.now,
            "currency": currency,
            "customer": customer["id"],
            "customer_account": None,
            "ending_balance": held[currency],
            "livemode": False,
            "net_amount": amount,
            "type": type,
            type: what,
        }
    )
    ctx.emit(f"{KIND}.created", transaction)
    return transaction


def _balance(customer: Obj) -> Obj:
    return {
        "object": "cash_balance",
        "available": dict(customer.get("_cash", {})) or None,
        "customer": customer["id"],
        "customer_account": None,
        "livemode": False,
        "settings": {"reconciliation_mode": "automatic", "using_merchant_default": True},
    }


def _transfer(currency: str) -> str:
    if currency not in BY_CURRENCY:
        raise invalid(f"Bank transfers can't be made in {currency}.", param="currency")
    return f"{BY_CURRENCY[currency]}_bank_transfer"
