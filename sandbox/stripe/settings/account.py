"""Whose Stripe this is, and its settings."""

import secrets
from dataclasses import dataclass, field
from typing import Literal

from .switches import Switches

API_VERSION = "2026-10-28.endive"
"""The API version that everything here is written for: the one that the pinned SDK sends."""


@dataclass(frozen=True)
class Account:
    """Whose Stripe this is."""

    id: str = "acct_1PlixoSandbox0001"
    name: str = "Plixo sandbox"
    country: str = "US"
    default_currency: str = "usd"
    api_version: str = API_VERSION
    """That of requests which name none, and of events."""
    base_url: str = "http://127.0.0.1"
    """Where this stand-in is reached: the start of hosted invoice pages, PDFs and receipts."""
    link_secret: str = field(default_factory=secrets.token_hex, repr=False)
    """Signs the addresses of hosted invoice pages."""
    retry_days: tuple[int, ...] = (3, 5, 7)
    """The pauses between the attempts to collect a renewal."""
    after_retries: Literal["cancel", "unpaid", "past_due", "pause"] = "past_due"
    """What becomes of a subscription whose last attempt failed; `past_due` leaves it so."""
    debit_days: int = 4
    """How many days a bank debit takes to settle or come back."""
    switches: Switches = field(default_factory=Switches)
    advance_seconds: int = 0
    """How long a test clock is under way; meanwhile what lives by it can't be changed."""
    search_delay_seconds: int = 0
    """How old an object must be to be found by a search."""
    portal_needs_configuration: bool = True
    """Whether portal sessions that name no configuration are refused; see portal_sessions.py."""
