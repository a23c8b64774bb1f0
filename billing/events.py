"""The names of the timeline events that evidence is checked by."""

NOTE_ADDED = "note added"
CHANGED_IN_STRIPE = "changed in Stripe"
REFUSED_BY_STRIPE = "refused by Stripe"
REVIEW_REQUESTED = "review requested"
WITHIN_AUTHORITY = "within the requester's authority"
FINANCE_TOLD = "Finance told"
