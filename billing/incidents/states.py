"""Degraded states: which components there are, and what an incident goes through."""

from datetime import datetime
from enum import StrEnum
from typing import Self


class Component(StrEnum):
    STRIPE = "stripe"
    STRIPE_KEY = "stripe_key"
    """What our key may do there: degraded while it lacks a permission. It closes no gate."""
    PORTAL = "portal"
    MAIL = "mail"
    DATABASE = "database"


class IncidentState(StrEnum):
    """Of its row: `cleared_at`, then `recovered_at`, say which."""

    DEGRADED = "degraded"
    RECOVERED = "recovered"
    CLEARED = "cleared"

    @classmethod
    def of(cls, recovered_at: datetime | None, cleared_at: datetime | None) -> Self:
        if cleared_at is not None:
            return cls.CLEARED
        return cls.DEGRADED if recovered_at is None else cls.RECOVERED
