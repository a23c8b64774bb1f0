"""When nothing can come of a request for money any more: what it is about has ended in Stripe."""

from collections.abc import Mapping
from typing import Any

from ..core.errors import Code
from ..core.operations import Problem

ENDED = frozenset(
    {
        Code.ALREADY_GIVEN_BACK,
        Code.ALREADY_REFUNDED,
        Code.CHARGE_DISPUTED,
        Code.CUSTOMER_UNKNOWN,
        Code.INVOICE_ENDED,
        Code.INVOICE_NOT_CREDITABLE,
        Code.INVOICE_PAID,
        Code.INVOICE_PART_PAID,
        Code.INVOICE_UNKNOWN,
        Code.NOTHING_PAID,
        Code.PAYMENT_UNKNOWN,
    }
)


def beyond_revision(problem: Problem) -> bool:
    """Whether no amount would do: of one that is too large, a smaller one can still be asked for."""
    return problem.code in ENDED


def is_about(subject: Mapping[str, Any], objects: frozenset[str]) -> bool:
    """Whether the subject of a request for money is about one of these payments and invoices."""
    parts = subject.get("parts") or ()
    named = {subject.get("invoice"), subject.get("payment_intent"), *(one["payment_intent"] for one in parts)}
    return not objects.isdisjoint(named)
