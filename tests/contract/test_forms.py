"""Stripe's form encoding, and the SDK's parameter types applied to it."""

from typing import Any

import pytest
from stripe.params import (
    CustomerCreateParams,
    InvoiceListParams,
    PriceCreateParams,
    SubscriptionCreateParams,
    SubscriptionUpdateParams,
)

from sandbox.stripe.core import forms, params
from sandbox.stripe.core.errors import StripeError


def decoded(kind: type, form: str) -> dict[str, Any]:
    return params.check(kind, forms.tree(forms.pairs(form.encode())))


@pytest.mark.parametrize(
    ("kind", "form", "expected"),
    [
        (
            SubscriptionCreateParams,
            "customer=cus_1&items[0][price]=p&items[0][quantity]=3&items[1][price]=q",
            {"customer": "cus_1", "items": [{"price": "p", "quantity": 3}, {"price": "q"}]},
        ),
        (
            SubscriptionCreateParams,
            "customer=cus_1&items[][price]=p&items[][quantity]=3&items[][price]=q",
            {"customer": "cus_1", "items": [{"price": "p", "quantity": 3}, {"price": "q"}]},
        ),
        (
            SubscriptionCreateParams,
            "customer=cus_1&items[10][price]=last&items[2][price]=first",
            {"customer": "cus_1", "items": [{"price": "first"}, {"price": "last"}]},
        ),
        (SubscriptionCreateParams, "customer=c&trial_end=now", {"customer": "c", "trial_end": "now"}),
        (SubscriptionCreateParams, "customer=c&trial_end=12", {"customer": "c", "trial_end": 12}),
        (CustomerCreateParams, "expand[]=a&expand[]=b.c", {"expand": ["a", "b.c"]}),
        (CustomerCreateParams, "metadata[k]=&metadata[l]=%C3%A9+%26", {"metadata": {"k": "", "l": "é &"}}),
        (CustomerCreateParams, "metadata=", {"metadata": ""}),
        (CustomerCreateParams, "balance=-250", {"balance": -250}),
        (CustomerCreateParams, "name=first&name=last", {"name": "last"}),
        (
            SubscriptionUpdateParams,
            "cancel_at_period_end=true&default_tax_rates=&billing_cycle_anchor[type]=now",
            {
                "cancel_at_period_end": True,
                "default_tax_rates": "",
                "billing_cycle_anchor": {"type": "now"},
            },
        ),
        (InvoiceListParams, "created=5", {"created": 5}),
        (InvoiceListParams, "created[gte]=5&limit=3", {"created": {"gte": 5}, "limit": 3}),
        (
            PriceCreateParams,
            "currency=usd&unit_amount_decimal=12.50",
            {"currency": "usd", "unit_amount_decimal": "12.50"},
        ),
    ],
)
def test_forms_become_typed_parameters(kind: type, form: str, expected: dict[str, Any]) -> None:
    assert decoded(kind, form) == expected


@pytest.mark.parametrize(
    ("kind", "form", "code", "param"),
    [
        (CustomerCreateParams, "idempotency_key=x", "parameter_unknown", "idempotency_key"),
        (
            SubscriptionCreateParams,
            "customer=c&items[0][cost]=1",
            "parameter_unknown",
            "items[0][cost]",
        ),
        (
            PriceCreateParams,
            "currency=usd&recurring[interval_count]=2",
            "parameter_missing",
            "recurring[interval]",
        ),
        (
            SubscriptionCreateParams,
            "customer=c&items[0][quantity]=1.5",
            "parameter_invalid_integer",
            "items[0][quantity]",
        ),
        (SubscriptionUpdateParams, "billing_cycle_anchor=now", None, "billing_cycle_anchor"),
        (SubscriptionUpdateParams, "items=x", None, "items"),
        (SubscriptionUpdateParams, "items[a][price]=x", None, "items"),
        (SubscriptionUpdateParams, "payment_behavior=hope", None, "payment_behavior"),
        (PriceCreateParams, "currency=usd&unit_amount_decimal=a", None, "unit_amount_decimal"),
        (CustomerCreateParams, "name[first]=x", None, "name"),
        (CustomerCreateParams, "name=x&name[first]=y", None, "name[first]"),
        (CustomerCreateParams, "metadata[a]]=x", None, "metadata[a]]"),
        (CustomerCreateParams, "metadata" + "[a]" * 40 + "=x", None, "metadata" + "[a]" * 40),
    ],
)
def test_wrong_forms_are_refused_by_name(kind: type, form: str, code: str | None, param: str) -> None:
    with pytest.raises(StripeError) as refused:
        decoded(kind, form)

    assert (refused.value.status, refused.value.code, refused.value.param) == (400, code, param)
