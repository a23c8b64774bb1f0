"""Degraded states: which components there are, and what an incident goes through."""

from enum import StrEnum


class Component(StrEnum):
    STRIPE = "stripe"
    PORTAL = "portal"
    MAIL = "mail"
    DATABASE = "database"


class IncidentState(StrEnum):
    """Of its row: `cleared_at`, then `recovered_at`, say which."""

    DEGRADED = "degraded"
    RECOVERED = "recovered"
    CLEARED = "cleared"
