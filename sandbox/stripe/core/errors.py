"""Refusals in Stripe's shapes.

    StripeError
      made by: invalid()         400 invalid_request_error (any other status on request)
               missing()         404 invalid_request_error, code resource_missing
               card_declined()   402 card_error

Source of the shapes: https://docs.stripe.com/api/errors.
"""

from __future__ import annotations

from typing import Any

DOCS = "https://docs.stripe.com/error-codes/"
ELSEWHERE = (
    "; It's possible this PaymentMethod exists on one of your connected accounts, in which case you should "
    "retry this request on that connected account. Learn more at "
    "https://stripe.com/docs/connect/authentication"
)
"""What real Stripe adds of a payment method (recorded behavior)."""


class StripeError(Exception):
    """A refusal as Stripe answers it; raised by a handler it rolls the request back.

    `keep_changes` commits what the handler did nevertheless, e.g. the failed attempt to pay an invoice.
    `saved` says whether the answer is kept under the request's idempotency key: true for everything
    that happens while a request executes, false for checks that come before.
    """

    def __init__(
        self,
        status: int,
        type: str,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        decline_code: str | None = None,
        extra: dict[str, Any] | None = None,
        saved: bool = True,
        headers: dict[str, str] | None = None,
        keep_changes: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.message = message
        self.code = code
        self.param = param
        self.decline_code = decline_code
        self.extra = extra or {}
        self.saved = saved
        self.headers = headers or {}
        self.keep_changes = keep_changes

    def body(self) -> dict[str, Any]:
        """The JSON body: absent fields are left out, as Stripe does."""
        error: dict[str, Any] = {"message": self.message, "type": self.type}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = DOCS + self.code.replace("_", "-")
        if self.param is not None:
            error["param"] = self.param
        if self.decline_code is not None:
            error["decline_code"] = self.decline_code
        error.update(self.extra)
        return {"error": error}


def invalid(
    message: str, *, code: str | None = None, param: str | None = None, status: int = 400
) -> StripeError:
    """An `invalid_request_error`."""
    return StripeError(status, "invalid_request_error", message, code=code, param=param)


def missing(kind_label: str, id: str, *, param: str = "id", status: int = 404) -> StripeError:
    """`resource_missing`: "No such customer: 'x'"; 404 for the id in the URL, 400 for one in the body."""
    message = f"No such {kind_label}: '{id}'"
    if kind_label == "PaymentMethod" and status == 404:
        message += ELSEWHERE
    return invalid(message, code="resource_missing", param=param, status=status)


def card_declined(
    message: str = "Your card was declined.",
    *,
    code: str = "card_declined",
    decline_code: str | None = "generic_decline",
    extra: dict[str, Any] | None = None,
    keep_changes: bool = False,
) -> StripeError:
    """A 402 `card_error`; `extra` takes `charge` (an id) and `payment_intent` (an object)."""
    return StripeError(
        402,
        "card_error",
        message,
        code=code,
        decline_code=decline_code,
        extra=extra,
        keep_changes=keep_changes,
    )
