"""Setup intents over HTTP: https://docs.stripe.com/api/setup_intents."""

from stripe.params import (
    SetupIntentCancelParams,
    SetupIntentConfirmParams,
    SetupIntentCreateParams,
    SetupIntentListParams,
    SetupIntentRetrieveParams,
    SetupIntentUpdateParams,
)

from ..core.filters import listed
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, public, route
from ..core.updates import copy_fields, not_built, without_effect
from ..payments import mandates
from . import setups
from .setups import KIND, TYPES

NOT_BUILT = (
    "attach_to_self",
    "confirmation_token",
    "customer_account",
    "excluded_payment_method_types",
    "flow_directions",
    "on_behalf_of",
    "payment_method_configuration",
    "payment_method_data",
    "payment_method_options",
    "single_use",
)


@route("POST", "/v1/setup_intents", params=SetupIntentCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """An intent to set a payment method up for later, with `confirm` at once; a decline is a 402."""
    not_built(ctx, *NOT_BUILT)
    params = ctx.params
    if params.get("customer"):
        ctx.store.get("customer", params["customer"], param="customer", status=400)
    setup = setups.new_setup(
        ctx,
        customer=params.get("customer"),
        metadata=merge_metadata(None, params.get("metadata")),
        usage=params.get("usage", "off_session"),
        _return_url=params.get("return_url"),
    )
    _take(ctx, setup)
    if params.get("automatic_payment_methods"):
        setup["automatic_payment_methods"].update(public(params["automatic_payment_methods"]))
    if params.get("confirm"):
        _confirm(ctx, setup)
    elif params.get("mandate_data"):
        raise invalid("`mandate_data` is only for an intent that is confirmed at once.", param="mandate_data")
    return setup


@route("GET", "/v1/setup_intents/{id}", params=SetupIntentRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One setup intent."""
    without_effect(ctx, "client_secret")  # a secret key needs none
    return ctx.store.get(KIND, ctx.path["id"], param="intent")


@route("POST", "/v1/setup_intents/{id}", params=SetupIntentUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change a setup intent that is not over."""
    not_built(ctx, *NOT_BUILT)
    setup = ctx.store.get(KIND, ctx.path["id"], param="intent")
    setups.require_open(setup, "updated")
    if ctx.params.get("customer"):
        customer = ctx.store.get("customer", ctx.params["customer"], param="customer", status=400)
        if setup["customer"] not in (None, customer["id"]):
            raise invalid("The customer of a SetupIntent can't be changed once set.", param="customer")
        setup["customer"] = customer["id"]
    setup["metadata"] = merge_metadata(setup["metadata"], ctx.params.get("metadata"))
    return _take(ctx, setup)


@route("POST", "/v1/setup_intents/{id}/confirm", params=SetupIntentConfirmParams, kind=KIND)
def confirm(ctx: Ctx) -> Obj:
    """Set the payment method up now, or ask the customer to authenticate."""
    not_built(ctx, *NOT_BUILT)
    setup = ctx.store.get(KIND, ctx.path["id"], param="intent")
    setups.require_open(setup, "confirmed")
    setup["_return_url"] = ctx.params.get("return_url") or setup.get("_return_url")
    _take(ctx, setup)
    _confirm(ctx, setup)
    return setup


@route("POST", "/v1/setup_intents/{id}/cancel", params=SetupIntentCancelParams, kind=KIND)
def cancel(ctx: Ctx) -> Obj:
    """Give a setup intent up that is not over."""
    setup = ctx.store.get(KIND, ctx.path["id"], param="intent")
    setups.cancel(ctx, setup, ctx.params.get("cancellation_reason"))
    return setup


@route("GET", "/v1/setup_intents", params=SetupIntentListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Setup intents by customer or payment method, newest first."""
    not_built(ctx, "attach_to_self", "customer_account")
    return listed(ctx, KIND, "/v1/setup_intents", "customer", also=("payment_method",))


def _confirm(ctx: Ctx, setup: Obj) -> None:
    setups.confirm(ctx, setup)
    if ctx.params.get("mandate_data"):
        method = ctx.store.get("payment_method", setup["payment_method"])
        setup["mandate"] = mandates.grant(ctx, method, ctx.params["mandate_data"])
        ctx.store.put(setup)


def _take(ctx: Ctx, setup: Obj) -> Obj:
    """What create, update and confirm have in common."""
    types = ctx.params.get("allowed_payment_method_types")
    if types:
        if unknown := sorted(set(types) - set(TYPES)):
            raise invalid(f"This stand-in sets up no {unknown[0]}.", param="allowed_payment_method_types")
        setup["payment_method_types"] = list(types)
    copy_fields(ctx, setup, ("description",))
    if ctx.params.get("payment_method"):
        setups.choose(ctx, setup, ctx.params["payment_method"])
    return ctx.store.put(setup)
