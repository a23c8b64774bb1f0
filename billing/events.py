"""The timeline events that evidence is checked by, and what events say of an operation's result."""

from typing import Any

from .hashing import digest, exact

NOTE_ADDED = "note added"
CHANGED_IN_STRIPE = "changed in Stripe"
REFUSED_BY_STRIPE = "refused by Stripe"
REVIEW_REQUESTED = "review requested"
REVISION_ASKED = "revision asked for"
RESOLUTION_ASKED = "resolution asked for"
REQUESTER, REVISER = "the requester", "the reviser"
"""Whose authority an amount is weighed against: that of whoever shaped it last."""
WITHIN_AUTHORITY = frozenset(f"within {whose}'s authority" for whose in (REQUESTER, REVISER))
FINANCE_TOLD = "Finance told"


def result_hash(result: dict[str, Any] | None) -> str | None:
    """What an event that moves an operation says of its result; None where there is none."""
    return digest(exact(result)) if result is not None else None
