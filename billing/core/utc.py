"""How Stripe's times, UTC seconds, are said in sentences; in UTC, for whoever reads them may be anywhere."""

from datetime import UTC, datetime


def utc_day(seconds: int) -> str:
    """Such as "Jan 31, 2026"."""
    return f"{datetime.fromtimestamp(seconds, UTC):%b %-d, %Y}"


def utc_moment(seconds: int) -> str:
    """Such as "Jan 31, 2026 at 4:05 PM UTC"."""
    return f"{datetime.fromtimestamp(seconds, UTC):%b %-d, %Y at %-I:%M %p} UTC"
