"""A schedule's phase field by field: how what it says is said again in parameters, from Stripe's JSON.

Whatever a sent phase leaves out Stripe takes away from the subscription (Stripe, "Subscription schedules",
"Updating a schedule"). So each field is carried over, or named where we don't know how.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ..stripe.invoice_json import id_of

Document = Mapping[str, Any]
Params = dict[str, Any]


def carried(phase: Document) -> Params:
    """All that a phase says, in the parameters that say it again; nothing stands for what it leaves empty."""
    return _each(_CARRIED)(phase)


def uncarried(phase: Document) -> tuple[str, ...]:
    """The names of what a phase says that `carried` leaves out."""
    parts = [("items", item, _ITEM) for item in phase.get("items") or ()]
    parts += [
        (name, phase[name], fields)
        for name, fields in (("invoice_settings", _INVOICES), ("automatic_tax", _TAX))
        if phase.get(name)
    ]
    inner = {f"{name}.{field}" for name, part, known in parts for field in _unknown(part, known)}
    return tuple(sorted({*_unknown(phase, _CARRIED), *inner}))


def phase_ahead(subscription: Document, period_end: int) -> Params:
    """What a subscription (discounts expanded) would have in a phase from the end of its period, as that is
    previewed while there is no schedule: a discount is that of its coupon then, for a phase may name only
    discounts of its own subscription (Stripe, "Create a schedule", `phases.discounts.discount`)."""
    return carried(_as_phase(subscription, period_end))


def kept(subscription: Document, period_end: int) -> Params:
    """The same, its discounts by their own ids: what is to be there still when the period ends."""
    return carried(_as_phase(subscription, period_end, _by_id))


def of_its_own(item: Document) -> Params:
    """All that a subscription's item (discounts expanded) has beside price and quantity, in a new one's
    parameters. Each discount is that of its coupon, with its `end`: a removed item's is gone with it."""
    discounts = [{**_by_coupon(one), "end": one["end"]} for one in item.get("discounts") or ()]
    said = {name: _said(_ITEM[name], item.get(name)) for name in ("metadata", "tax_rates")}
    return {name: value for name, value in {**said, "discounts": discounts}.items() if value}


def not_over(own: Params, at: int) -> Params:
    """The same without the discounts that are over then."""
    return _with_discounts(own, lambda one: not over(one, at))


def coupons_of(own: Params) -> tuple[str, ...]:
    """The coupons of its discounts."""
    return tuple(one["coupon"] for one in own.get("discounts", ()))


def without_coupons(own: Params, coupons: Collection[str]) -> Params:
    """The same without the discounts of these coupons."""
    return _with_discounts(own, lambda one: one["coupon"] not in coupons)


def anew(own: Params) -> Params:
    """The same as it is sent: Stripe works out the end of a discount by itself."""
    if "discounts" not in own:
        return own
    return {**own, "discounts": [{"coupon": one["coupon"]} for one in own["discounts"]]}


def _with_discounts(own: Params, stays: Callable[[Document], bool]) -> Params:
    left = [one for one in own.get("discounts", ()) if stays(one)]
    rest = {name: value for name, value in own.items() if name != "discounts"}
    return {**rest, "discounts": left} if left else rest


def uncarried_of(subscription: Document) -> tuple[str, ...]:
    """What a schedule made of this subscription would take away from it, by the names of the fields."""
    phase = _as_phase(subscription, 0)
    return tuple(sorted({*uncarried(phase), *_unknown(subscription, [*phase, *_UNTOUCHED])}))


def for_one_invoice(discounts: Iterable[Document]) -> tuple[str, ...]:
    """The coupons of those discounts (coupons expanded) that hold for a single invoice. Of a coupon that was
    deleted nobody knows."""
    coupons = [coupon for one in discounts if isinstance(coupon := one["source"]["coupon"], Mapping)]
    return tuple(dict.fromkeys(coupon["id"] for coupon in coupons if coupon["duration"] == "once"))


def amounts_off(discounts: Iterable[Document]) -> tuple[str, ...]:
    """The coupons of those discounts (coupons expanded) that take an amount off, and no share."""
    coupons = [coupon for one in discounts if isinstance(coupon := one["source"]["coupon"], Mapping)]
    return tuple(dict.fromkeys(coupon["id"] for coupon in coupons if coupon.get("amount_off")))


def over(discount: Any, at: int) -> bool:
    """Whether an expanded discount is over then; of one that isn't expanded nobody knows."""
    end = discount.get("end") if isinstance(discount, Mapping) else None
    return end is not None and end <= at


def _by_coupon(discount: Any) -> Params:
    """One that isn't expanded by its id."""
    if isinstance(discount, str):
        return {"discount": discount}
    return {"coupon": id_of(discount["source"]["coupon"])}


def _by_id(discount: Any) -> Params:
    return {"discount": id_of(discount)}


def _as_phase(subscription: Document, at: int, named: Callable[[Any], Params] = _by_coupon) -> Params:
    """A subscription (discounts expanded) in the shape of a phase that begins at `at`."""

    def running(discounts: Iterable[Any]) -> list[Params]:
        return [named(one) for one in discounts if not over(one, at)]

    shared = {name: subscription.get(name) for name in _SHARED}
    sent = {"days_until_due": subscription.get("days_until_due")}
    items = [
        {name: value for name, value in item.items() if name not in _OF_ITS_OWN}
        | {"discounts": running(item.get("discounts") or ())}
        for item in subscription["items"]["data"]
    ]
    return {
        **shared,
        "discounts": running(subscription["discounts"]),
        "invoice_settings": {**(subscription.get("invoice_settings") or {}), **sent},
        "items": items,
    }


def _said(as_param: Callable[[Any], Any], value: Any) -> Any:
    return as_param(value) if value not in (None, "", [], {}) else None


def _unknown(holder: Document, known: Collection[str]) -> list[str]:
    return [name for name, value in holder.items() if name not in known and _says_something(value)]


def _says_something(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_says_something, value.values()))
    if isinstance(value, list):
        return any(map(_says_something, value))
    return value not in (None, "", False)


def _same(value: Any) -> Any:
    return value


def _ids(references: Iterable[Any]) -> list[str]:
    return [id_of(one) for one in references]


def _discounts(entries: Iterable[Document]) -> list[Params]:
    return [{name: id_of(value) for name, value in entry.items() if value} for entry in entries]


def _party(party: Document) -> Params:
    """Who issues an invoice, or is liable for its taxes."""
    return {"type": party["type"], **({"account": id_of(party["account"])} if party.get("account") else {})}


def _transfer(given: Document) -> Params:
    share = given.get("amount_percent")
    return {
        "destination": id_of(given["destination"]),
        **({"amount_percent": share} if share is not None else {}),
    }


def _each(fields: Mapping[str, Callable[[Any], Any]]) -> Callable[[Document], Params]:
    def as_params(holder: Document) -> Params:
        return {
            name: said
            for name, as_param in fields.items()
            if (said := _said(as_param, holder.get(name))) is not None
        }

    return as_params


def _none(_: Any) -> None:
    """What Stripe works out by itself."""


_TAX: Mapping[str, Callable[[Any], Any]] = {"enabled": _same, "liability": _party, "disabled_reason": _none}
_INVOICES: Mapping[str, Callable[[Any], Any]] = {
    "account_tax_ids": _ids,
    "custom_fields": list,
    "days_until_due": _same,
    "description": _same,
    "footer": _same,
    "issuer": _party,
}
_ITEM: Mapping[str, Callable[[Any], Any]] = {
    "discounts": _discounts,
    "metadata": dict,
    "plan": _none,  # the price's former name
    "price": id_of,
    "quantity": _same,
    "tax_rates": _ids,
}
_SHARED: Mapping[str, Callable[[Any], Any]] = {
    "application_fee_percent": _same,
    "automatic_tax": _each(_TAX),
    "collection_method": _same,
    "currency": _same,
    "default_payment_method": id_of,
    "default_tax_rates": _ids,
    "description": _same,
    "on_behalf_of": id_of,
    "transfer_data": _transfer,
}
"""What a subscription and a phase have alike."""
_CARRIED: Mapping[str, Callable[[Any], Any]] = {
    **_SHARED,
    "billing_cycle_anchor": _same,
    "discounts": _discounts,
    "end_date": _same,
    "invoice_settings": _each(_INVOICES),
    "items": lambda items: [_each(_ITEM)(item) for item in items],
    "metadata": dict,
    "proration_behavior": _same,
    "start_date": _same,
    "trial": _none,  # `trial_end` says it
    "trial_end": _same,
}
_OF_ITS_OWN = (
    "billed_until",
    "created",
    "current_period_end",
    "current_period_start",
    "id",
    "object",
    "subscription",
)
"""An item's fields that no phase has."""
_UNTOUCHED = (
    "application",
    "billing_cycle_anchor",
    "billing_cycle_anchor_config",
    "billing_mode",
    "cancel_at",
    "cancel_at_period_end",
    "canceled_at",
    "cancellation_details",
    "created",
    "customer",
    "customer_account",
    "days_until_due",
    "ended_at",
    "id",
    "latest_invoice",
    "livemode",
    "metadata",
    "object",
    "payment_settings",
    "pause_collection",
    "pending_setup_intent",
    "pending_update",
    "presentment_details",
    "schedule",
    "start_date",
    "status",
    "status_details",
    "test_clock",
    "trial_end",
    "trial_settings",
    "trial_start",
)
"""A subscription's fields that no schedule touches, or that stand in the way of one by themselves."""
