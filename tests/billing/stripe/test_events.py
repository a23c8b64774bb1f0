"""What an event says by itself."""

from typing import Any

import pytest

from billing.stripe.events import tells_of_newcomer


@pytest.mark.parametrize(
    ("previous", "expected"),
    [
        ({"metadata": {"plixo_organization": None}}, True),
        ({"metadata": {"plixo_organization": "org_before"}}, True),
        ({"metadata": {}}, True),
        ({"metadata": None}, True),
        ({"metadata": {"color": None}}, False),
        ({"metadata": "odd"}, False),
        ({"balance": 0}, False),
        (None, False),
        (["metadata"], False),
    ],
)
def test_a_customer_is_a_newcomer_if_the_mark_is_new(previous: Any, expected: bool) -> None:
    assert tells_of_newcomer("customer.updated", previous) is expected


def test_a_customer_who_was_made_as_an_organizations_is_no_newcomer() -> None:
    assert not tells_of_newcomer("customer.created", {"metadata": {"plixo_organization": None}})
