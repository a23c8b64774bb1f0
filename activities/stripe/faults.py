"""Codes for what is wrong with Stripe or our access to it: in errors, counts and incidents alike."""

LIMITED = "rate_limit"
UNREACHABLE = "stripe_unreachable"
"""It can't be reached, or answers with an error of its own."""
CREDENTIALS = "stripe_credentials"
