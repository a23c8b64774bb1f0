"""Which invoices to the organization somebody has to see to."""

from datetime import datetime, timedelta

import pytest

from billing.mirror.bill import needs_payment

from ...support.builders import NOW

DUE, LATE = NOW + timedelta(days=1), NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("status", "remaining", "charged", "attempts", "due", "expected"),
    [
        ("open", 100, True, 0, None, False),  # it is about to be charged
        ("open", 100, True, 1, None, True),
        ("open", 0, True, 1, None, False),
        ("paid", 0, True, 2, None, False),
        ("void", 100, True, 2, None, False),
        ("draft", 100, True, 0, None, False),
        ("uncollectible", 100, True, 4, None, True),
        ("open", 100, False, 0, DUE, False),
        ("open", 100, False, 0, LATE, True),
        ("open", 100, False, 0, None, False),
    ],
)
def test_what_is_not_paid_by_itself(
    status: str, remaining: int, charged: bool, attempts: int, due: datetime | None, expected: bool
) -> None:
    found = needs_payment(
        status,
        remaining,
        charged=charged,
        attempts=attempts,
        due_date=due,
        at=NOW,
    )
    assert found is expected
