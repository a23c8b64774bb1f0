"""Stripe's test bank accounts, whose debits settle or fail days later.

US accounts have test ids (`pm_usBankAccount_success`) and numbers, SEPA ones numbers only.
https://docs.stripe.com/payments/ach-direct-debit/accept-a-payment#test-integration,
https://docs.stripe.com/payments/sepa-debit/accept-a-payment#test-integration
"""

from __future__ import annotations

from typing import Any

from ..core.kernel import invalid
from .test_cards import Behavior

US, SEPA = "us_bank_account", "sepa_debit"


def _debit(number: str, failure: str | None = None, message: str = "", **more: Any) -> Behavior:
    """A bank account; `failure` is why its debits come back."""
    return Behavior(
        name="debit" if failure is None else "debit_fails",
        last4=number[-4:],
        decline_code=failure,
        code=failure or "",
        message=message,
        debit=True,
        refund="pends",
        **more,
    )


_NUMBERS = {
    "usBankAccount_success": "000123456789",
    "usBankAccount_accountClosed": "000111111113",
    "usBankAccount_noAccount": "000111111116",
    "usBankAccount_insufficientFunds": "000222222227",
    "usBankAccount_debitNotAuthorized": "000333333335",
    "usBankAccount_dispute": "000555555559",
    "usBankAccount_processing": "000000000009",
    "sepaDebit_success": "AT611904300234573201",
    "sepaDebit_fails": "AT861904300235473202",
    "sepaDebit_dispute": "AT591904300235473203",
    "sepaDebit_successGermany": "DE89370400440532013000",
    "sepaDebit_failsGermany": "DE62370400440532013001",
}
_COURSES: dict[str, dict[str, Any]] = {
    "usBankAccount_accountClosed": {
        "failure": "account_closed",
        "message": "The customer's bank account has been closed.",
    },
    "usBankAccount_noAccount": {
        "failure": "no_account",
        "message": "The customer's bank account could not be located.",
    },
    "usBankAccount_insufficientFunds": {
        "failure": "insufficient_funds",
        "message": "The customer's account has insufficient funds to cover this payment.",
    },
    "usBankAccount_debitNotAuthorized": {
        "failure": "debit_not_authorized",
        "message": "The customer has notified their bank that this payment was unauthorized.",
    },
    "usBankAccount_dispute": {"dispute": "debit_not_authorized"},
    "usBankAccount_processing": {"settles": False},
    "sepaDebit_fails": {"failure": "payment_intent_payment_attempt_failed", "message": "The payment failed."},
    "sepaDebit_failsGermany": {
        "failure": "payment_intent_payment_attempt_failed",
        "message": "The payment failed.",
    },
    "sepaDebit_dispute": {"dispute": "debit_not_authorized"},
}
BANKS: dict[str, Behavior] = {
    name: _debit(number, **_COURSES.get(name, {})) for name, number in _NUMBERS.items()
}


def named(id: str) -> str | None:
    """The account of a test id such as `pm_usBankAccount_success`; None for any other id."""
    name = "usBankAccount_success" if id == "pm_usBankAccount" else id.removeprefix("pm_")
    return name if name in BANKS else None


def given(type: str, details: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The account of a request, and what its payment method shows of it; any unknown number succeeds.

    Raises 400 for a number or a routing number that can't be one.
    """
    number = "".join(str(details.get("iban" if type == SEPA else "account_number") or "").split())
    if type == SEPA and not (15 <= len(number) <= 34 and number[:2].isalpha() and number.isalnum()):
        raise invalid("The IBAN you provided is invalid.", code="invalid_iban", param="sepa_debit[iban]")
    if type == US and not number.isdigit():
        raise invalid(
            "You must provide a bank account number.",
            code="parameter_missing",
            param="us_bank_account[account_number]",
        )
    if type == US and details.get("routing_number") != "110000000":
        raise invalid(
            "The test routing number is 110000000.",
            code="routing_number_invalid",
            param="us_bank_account[routing_number]",
        )
    usual = "sepaDebit_success" if type == SEPA else "usBankAccount_success"
    name = next((name for name, known in _NUMBERS.items() if known == number.upper()), usual)
    return name, shown(name, details, number)


def shown(name: str, details: dict[str, Any], number: str | None = None) -> dict[str, Any]:
    """What a payment method says of its account."""
    number = number or _NUMBERS[name]
    common = {"fingerprint": f"sandbox{number[-4:]}", "last4": number[-4:]}
    if name.startswith("sepaDebit"):
        return {
            **common,
            "bank_code": number[4:8],
            "branch_code": "",
            "country": number[:2],
            "generated_from": {"charge": None, "setup_attempt": None},
        }
    return {
        **common,
        "account_holder_type": details.get("account_holder_type") or "individual",
        "account_type": details.get("account_type") or "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": {},
    }
