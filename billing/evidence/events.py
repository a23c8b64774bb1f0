"""The timeline events that evidence is checked by."""

NOTE_ADDED = "note added"
ASKED_OF_STRIPE = "asked of Stripe"
CHANGED_IN_STRIPE = "changed in Stripe"
REFUSED_BY_STRIPE = "refused by Stripe"
REVIEW_REQUESTED = "review requested"
REVISION_ASKED = "revision asked for"
RESOLUTION_ASKED = "resolution asked for"
ACCEPTED_MISMATCH = "accepted as Stripe has it"
REQUESTER, REVISER = "the requester", "the reviser"
"""Whose authority an amount is weighed against: that of whoever shaped it last."""
WITHIN_AUTHORITY = frozenset(f"within {whose}'s authority" for whose in (REQUESTER, REVISER))
FINANCE_TOLD = "Finance told"
