"""2025-03-31.basil: a Japanese bank transfer is of the type `jp_bank_transfer`; before, `jp_bank_account`.

The source is Stripe's command line: its templates send the older name where an account has an older version.
https://github.com/stripe/stripe-cli
"""

from .registry import Call, requests

OLD, NEW = "jp_bank_account", "jp_bank_transfer"


@requests("2025-03-31.basil", "POST /v1/payment_intents")
def transfer(call: Call) -> None:
    """`payment_method_options[customer_balance][bank_transfer][type]=jp_bank_account`."""
    options = call.params.get("payment_method_options")
    for name in ("customer_balance", "bank_transfer"):
        options = options.get(name) if isinstance(options, dict) else None
    if isinstance(options, dict) and options.get("type") == OLD:
        options["type"] = NEW
