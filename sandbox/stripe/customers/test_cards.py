"""Stripe's test cards and how each behaves: https://docs.stripe.com/testing.

A card is known by the end of its test ids: `pm_card_visa` and `tok_visa` are the same card.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Course = Literal[
    "succeeds", "fails", "pends", "pends_and_fails", "fails_at_once", "requires_action", "action_taken"
]
"""What becomes of a refund to a card; see refunds.py."""


Authentication = Literal["never", "always", "until_set_up", "on_session"]
"""When the bank asks the customer: `until_set_up` spares payments off session once the card is set up for
them, `on_session` spares those always."""

Case = Literal["chargeback", "inquiry", "resolution"]
"""How a customer's bank goes about a dispute: it takes the money, only asks at first, or gives it back by a
rule that both sides agreed to, before there is anything to answer."""


@dataclass(frozen=True, slots=True)
class Behavior:
    """What a test card or bank account does. `decline_code` None: charges succeed."""

    name: str = "ok"
    last4: str = "4242"
    brand: str = "visa"
    funding: str = "credit"
    decline_code: str | None = None
    code: str = "card_declined"
    message: str = "Your card was declined."
    attaches: bool = True
    authenticates: Authentication = "never"
    refund: Course = "succeeds"
    debit: bool = False
    """Whether it is a bank account, whose debits take days; then `decline_code` says why they come back."""
    settles: bool = True
    """Whether a debit ever comes to an end."""
    dispute: str | None = None
    """The reason for which the customer disputes the charge; None: not at all."""
    case: Case = "chargeback"
    """What kind of dispute that is."""

    def asks(self, *, off_session: bool, set_up: bool) -> bool:
        """Whether the bank asks the customer to authenticate this payment."""
        return self.authenticates == "always" or (
            self.authenticates != "never"
            and not (off_session and (set_up or self.authenticates == "on_session"))
        )


def _declining(last4: str, decline_code: str, message: str, code: str = "card_declined") -> Behavior:
    return Behavior(
        decline_code, last4, decline_code=decline_code, code=code, message=message, attaches=False
    )


def _authenticated(last4: str, decline_code: str, message: str) -> Behavior:
    """A card that is declined only once the customer has authenticated."""
    return Behavior(
        "requires_action_and_declines",
        last4,
        decline_code=decline_code,
        message=message,
        authenticates="always",
    )


CARDS: dict[str, Behavior] = {
    "visa": Behavior(),
    "visa_debit": Behavior(last4="5556", funding="debit"),
    "mastercard": Behavior(last4="4444", brand="mastercard"),
    "amex": Behavior(last4="8431", brand="amex"),
    "discover": Behavior(last4="1117", brand="discover"),
    "chargeDeclined": _declining("0002", "generic_decline", "Your card was declined."),
    "chargeDeclinedInsufficientFunds": _declining(
        "9995", "insufficient_funds", "Your card has insufficient funds."
    ),
    "chargeDeclinedLostCard": _declining("9987", "lost_card", "Your card was declined."),
    "chargeDeclinedStolenCard": _declining("9979", "stolen_card", "Your card was declined."),
    "chargeDeclinedExpiredCard": _declining("0069", "expired_card", "Your card has expired.", "expired_card"),
    "chargeDeclinedIncorrectCvc": _declining(
        "0127", "incorrect_cvc", "Your card's security code is incorrect.", "incorrect_cvc"
    ),
    "chargeDeclinedProcessingError": _declining(
        "0119",
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
        "processing_error",
    ),
    "chargeCustomerFail": Behavior("declines", "0341", decline_code="generic_decline"),
    "authenticationRequired": Behavior("requires_action", "3184", authenticates="always"),
    "authenticationRequiredOnSetup": Behavior(
        "requires_action_until_set_up", "3155", authenticates="until_set_up"
    ),
    "authenticationRequiredSetupForOffSession": Behavior(
        "requires_action_on_session", "0446", authenticates="on_session"
    ),
    "authenticationRequiredChargeDeclinedInsufficientFunds": _authenticated(
        "3178", "insufficient_funds", "Your card has insufficient funds."
    ),
    "threeDSecure2Required": Behavior("requires_action", "3220", authenticates="always"),
    "threeDSecureRequired": Behavior("requires_action", "3063", authenticates="always"),
    "threeDSecureRequiredChargeDeclined": _authenticated(
        "1629", "generic_decline", "Your card was declined."
    ),
    "threeDSecureOptional": Behavior(last4="3055"),
    "refundFail": Behavior("refund_fails", "5126", refund="fails"),
    "pendingRefund": Behavior("refund_pends", "7726", refund="pends"),
    "createDispute": Behavior("disputed", "0259", dispute="fraudulent"),
    "createDisputeProductNotReceived": Behavior("disputed", "2685", dispute="product_not_received"),
    "createDisputeInquiry": Behavior("inquiry", "1976", dispute="fraudulent", case="inquiry"),
    # Stripe has no card that is declined for good only once it is attached
    "chargeCustomerFailLostCard": Behavior("declines_for_good", "5124", decline_code="lost_card"),
    # a dispute that was prevented; Stripe has no card for it
    "createDisputePrevented": Behavior("prevented", "5125", dispute="fraudulent", case="resolution"),
    # courses of a refund for which Stripe has no card of its own
    "refundFailAtOnce": Behavior("refund_fails_at_once", "5127", refund="fails_at_once"),
    "refundRequiresAction": Behavior("refund_requires_action", "5128", refund="requires_action"),
    "refundActionTaken": Behavior("refund_action_taken", "5129", refund="action_taken"),
    "pendingRefundFail": Behavior("refund_pends_and_fails", "5130", refund="pends_and_fails"),
}
