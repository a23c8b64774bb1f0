"""Whom and what an operation is about, by what it was asked for and what was found."""

from typing import Any

import pytest

from billing.core.money import Money
from billing.operations.about import MOST_OBJECTS, about


@pytest.mark.parametrize(
    ("document", "customer", "amount", "objects"),
    [
        (None, None, None, ()),
        ({"payment_intent": "pi_1", "amount_minor": None, "currency": "usd"}, None, None, ("pi_1",)),
        (
            {"customer": "cus_1", "amount_minor": 500, "currency": "usd", "invoice": None},
            "cus_1",
            500,
            ("cus_1",),
        ),
        (
            {
                "customer": "cus_1",
                "amount": {"amount_minor": 500, "currency": "usd"},
                "parts": [
                    {"payment_intent": "pi_2", "amount": 200},
                    {"payment_intent": "pi_1", "amount": 300},
                ],
                "note": "in_words it is pi_3",
            },
            "cus_1",
            500,
            ("cus_1", "pi_1", "pi_2"),
        ),
        ({"customer": "cus_org", "subscription": "sub_1"}, None, None, ("cus_org", "sub_1")),
        (
            {"customer": "cus_org", "object_kind": "subscription", "object": "sub_1"},
            None,
            None,
            ("cus_org", "sub_1"),
        ),
        ({"plan": "scale", "approval": "apr_1", "person": "per_1"}, None, None, ()),
    ],
    ids=["nothing", "no amount", "a request", "a subject", "a plan change", "a case", "ids of ours"],
)
def test_what_a_document_says(
    document: Any, customer: str | None, amount: int | None, objects: tuple[str, ...]
) -> None:
    found = about(document)
    assert (found.customer, found.objects) == (customer, objects)
    assert found.amount == (Money(amount_minor=amount, currency="usd") if amount else None)


def test_what_it_is_found_by_is_bounded() -> None:
    assert len(about({"parts": [f"pi_{n}" for n in range(500)]}).objects) == MOST_OBJECTS
