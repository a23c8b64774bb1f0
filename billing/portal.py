"""Links to the mini-portal: how long they live."""

from datetime import datetime, timedelta

from .portal_policy import PortalPolicy


def link_expiry(policy: PortalPolicy, at: datetime, cycle_days: int | None) -> datetime:
    """When a link that is issued at `at` dies, to a customer who takes `cycle_days` to approve an invoice."""
    days = policy.link_days
    if cycle_days is not None:
        days = max(days, cycle_days + policy.cycle_margin_days)
    return at + timedelta(days=min(days, policy.most_link_days))
