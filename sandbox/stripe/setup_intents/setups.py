"""Setting a payment method up for later: confirmed, authenticated where its bank asks, and attached.

    requires_payment_method -> requires_confirmation -> requires_action -> succeeded
                     ^__________________________________________|            any of them -> canceled

A card that is set up so is not asked for again off session. https://docs.stripe.com/payments/setup-intents
"""

from typing import Any

from ..core.kernel import Ctx, Obj, StripeError, card_declined, invalid, public
from ..customers.payment_methods import attach_to, payment_method_behavior
from ..payments.payment_shapes import authentication_at, authentication_failure
from ..payments.payments import payment_method_for

KIND = "setup_intent"
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
TYPES = ("card", "us_bank_account", "sepa_debit")
"""What can be set up here."""


def new_setup(ctx: Ctx, **more: Any) -> Obj:
    """A stored setup intent that waits for a payment method; tells `setup_intent.created`."""
    id = ctx.store.new_id("seti")
    setup: Obj = {
        "id": id,
        "object": KIND,
        "application": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "cancellation_reason": None,
        "client_secret": f"{id}_secret_{ctx.store.new_id('k')[2:]}",
        "created": ctx.now,
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": list(TYPES),
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": "off_session",
        **more,
    }
    ctx.store.put(setup)
    ctx.emit("setup_intent.created", setup)
    return setup


def choose(ctx: Ctx, setup: Obj, id: str) -> None:
    """Take a payment method that the customer may use; raises 400 for others and for other types."""
    method = payment_method_for(ctx, id, setup["customer"], param="payment_method")
    if method["type"] not in setup["payment_method_types"]:
        raise invalid(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this SetupIntent.",
            code="setup_intent_invalid_parameter",
            param="payment_method",
        )
    setup["payment_method"] = method["id"]
    if setup["status"] == "requires_payment_method":
        setup["status"] = "requires_confirmation"


def confirm(ctx: Ctx, setup: Obj) -> None:
    """Set the chosen method up, or ask the customer to authenticate; raises 402 for a declined card."""
    require_open(setup, "confirmed")
    if setup["payment_method"] is None:
        raise invalid(
            "You cannot confirm this SetupIntent because it's missing a payment method.",
            code="setup_intent_unexpected_state",
        )
    method = ctx.store.get("payment_method", setup["payment_method"])
    behavior = payment_method_behavior(method)
    if not behavior.asks(off_session=False, set_up=False):
        _finish(ctx, setup, method)
        return
    setup.update(
        last_setup_error=None,
        next_action=authentication_at(ctx, setup["client_secret"], setup.get("_return_url")),
        status="requires_action",
    )
    ctx.store.put(setup)
    ctx.emit("setup_intent.requires_action", setup)


def conclude(ctx: Ctx, setup: Obj, *, passes: bool) -> None:
    """The bank's answer: the card is set up, or another method is needed. Raises 400 when none is awaited."""
    if setup["status"] != "requires_action":
        raise _unexpected(setup, "authenticated")
    method = ctx.store.get("payment_method", setup["payment_method"])
    if passes:
        _finish(ctx, setup, method)
    else:
        _fail(ctx, setup, authentication_failure(KIND, method))


def cancel(ctx: Ctx, setup: Obj, reason: str | None) -> None:
    """Give a setup up."""
    require_open(setup, "canceled")
    setup.update(cancellation_reason=reason, next_action=None, status="canceled")
    ctx.store.put(setup)
    ctx.emit("setup_intent.canceled", setup)


def require_open(setup: Obj, what: str) -> None:
    """Refuse a move of a setup that is over."""
    if setup["status"] not in OPEN:
        raise _unexpected(setup, what)


def _finish(ctx: Ctx, setup: Obj, method: Obj) -> None:
    behavior = payment_method_behavior(method)
    if not behavior.attaches:
        error = {
            "code": behavior.code,
            "decline_code": behavior.decline_code,
            "doc_url": f"https://docs.stripe.com/error-codes/{behavior.code.replace('_', '-')}",
            "message": behavior.message,
            "payment_method": public(method),
            "type": "card_error",
        }
        _fail(ctx, setup, error)
        raise card_declined(
            behavior.message,
            code=behavior.code,
            decline_code=behavior.decline_code,
            extra={"setup_intent": public(setup)},
            keep_changes=True,
        )
    method["_set_up"] = setup["usage"] == "off_session"
    ctx.store.put(method)
    if setup["customer"] is not None:
        attach_to(ctx, method["id"], setup["customer"], param="payment_method")
    setup.update(last_setup_error=None, next_action=None, status="succeeded")
    ctx.store.put(setup)
    ctx.emit("setup_intent.succeeded", setup)


def _fail(ctx: Ctx, setup: Obj, error: Obj) -> None:
    setup.update(
        last_setup_error=error, next_action=None, payment_method=None, status="requires_payment_method"
    )
    ctx.store.put(setup)
    ctx.emit("setup_intent.setup_failed", setup)


def _unexpected(setup: Obj, what: str) -> StripeError:
    return invalid(
        f"This SetupIntent's status is {setup['status']}: it can't be {what}.",
        code="setup_intent_unexpected_state",
    )
