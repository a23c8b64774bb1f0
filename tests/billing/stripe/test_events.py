"""What an event says by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.stripe.events import is_due, tells_of_newcomer

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


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


def test_stripe_is_not_asked_for_events_that_were_asked_for_up_to_later_however_much_happens() -> None:
    asked = NOW + timedelta(hours=1)
    assert not is_due(asked, NOW, NOW)
    assert is_due(NOW, NOW, NOW)
