"""Which invoices to the organization somebody has to see to."""

from datetime import datetime, timedelta

import pytest

from billing.mirror.bill import needs_payment

from ...support.builders import NOW

DUE, LATE = NOW + timedelta(days=1), NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("status", "remaining", "charged", "attempts", "payment", "due", "expected"),
    [
        ("open", 100, True, 0, None, None, False),  # it is about to be charged
        ("open", 100, True, 1, None, None, True),
        ("open", 0, True, 1, None, None, False),
        ("paid", 0, True, 2, None, None, False),
        ("void", 100, True, 2, None, None, False),
        ("draft", 100, True, 0, None, None, False),
        ("uncollectible", 100, True, 4, None, None, True),
        ("open", 100, True, 1, "processing", None, False),  # a bank debit takes its days
        ("open", 100, True, 1, "requires_payment_method", None, True),
        ("open", 100, True, 0, "requires_action", None, True),
        ("open", 0, True, 0, "requires_action", None, False),
        ("open", 100, False, 0, None, DUE, False),
        ("open", 100, False, 0, None, LATE, True),
        ("open", 100, False, 0, None, None, False),
    ],
)
def test_what_is_not_paid_by_itself(
    status: str,
    remaining: int,
    charged: bool,
    attempts: int,
    payment: str | None,
    due: datetime | None,
    expected: bool,
) -> None:
    found = needs_payment(
        status,
        remaining,
        charged=charged,
        attempts=attempts,
        payment_status=payment,
        due_date=due,
        at=NOW,
    )
    assert found is expected
