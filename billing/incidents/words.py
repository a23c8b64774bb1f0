"""An incident in words: for the banner, the alert and the mails.

What it means is said for each thing that people do with Plixo, so that nobody has to guess whether what
they asked for is lost. (It is not.)
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from pydantic import AwareDatetime

from ..core.operations import Message
from .key_permissions import Capability as Capability
from .key_permissions import held_by, permissions_in, told_apart
from .states import Component, IncidentState


class Severity(StrEnum):
    DOWN = "down"
    """Nothing gets through."""
    DEGRADED = "degraded"
    """Some of it does, or slowly."""
    RECOVERED = "recovered"
    """It works again; the note is owed."""


NAMES: Mapping[Component, str] = MappingProxyType(
    {
        Component.STRIPE: "Stripe",
        Component.STRIPE_KEY: "Plixo's access to Stripe",
        Component.PORTAL: "The customer portal",
        Component.MAIL: "The mail server",
        Component.DATABASE: "The database",
    }
)

_SLOW = frozenset({"rate_limit", "lock_timeout", "mail_server_busy", "too_many_requests"})
"""Causes by which some still get through."""

_CAUSES: Mapping[str, str] = MappingProxyType(
    {
        "rate_limit": "Stripe limits how fast we may call it",
        "lock_timeout": "Stripe is slow to let go of objects",
        "stripe_unreachable": "Stripe can't be reached, or answers with errors",
        "stripe_credentials": "Stripe does not accept our API key",
        "mail_server_unreachable": "the mail server can't be reached",
        "mail_server_busy": "the mail server asks to try later",
        "mail_server_untrusted": "the mail server's certificate is not trusted",
        "mail_server_refuses_us": "the mail server does not accept us as a sender",
        "mail_server_refuses_everybody": "the mail server refuses one recipient after the other",
        "timeout": "no answer came in time",
        "unreachable": "it can't be reached",
        "error_answer": "it answers with errors",
        "stripe_unavailable": "customers' pages could not get an answer from Stripe",
        "records_away": "customers' pages could not reach the database",
        "internal_error": "customers' pages broke",
    }
)

_FINE = "Work as usual."
_RESUMES = "What was queued goes on now, the oldest first and slowly at first."
_STANDS_STILL = "Nothing new is accepted; what is under way waits and goes on by itself."
_UNTOLD = "They go on, but approvers aren't mailed at once: tell them of what is urgent."
_DEGRADED: Mapping[Component, Mapping[Capability, str]] = MappingProxyType(
    {
        Component.STRIPE: {
            Capability.PLAN_CHANGES: "Plan changes are queued; nothing is charged twice, nothing is lost.",
            Capability.REFUNDS: "Refunds are queued; nothing is lost. Don't issue them in Stripe as well.",
            Capability.CREDITS: "Credits are queued; nothing is lost.",
            Capability.CUSTOMER_PORTAL: "Customers see their invoices; paying and PDFs may not work.",
            Capability.REMINDERS: "Reminders go on, by what we last read from Stripe.",
            Capability.MAILS: _FINE,
        },
        Component.PORTAL: {
            Capability.PLAN_CHANGES: _FINE,
            Capability.REFUNDS: _FINE,
            Capability.CREDITS: _FINE,
            Capability.CUSTOMER_PORTAL: "Customers may not get at their invoices. Their links stay good.",
            Capability.REMINDERS: "Reminders are left out that would lead to a page that does not open.",
            Capability.MAILS: "New links may be sent, but may not open yet.",
        },
        Component.MAIL: {
            Capability.PLAN_CHANGES: _UNTOLD,
            Capability.REFUNDS: _UNTOLD,
            Capability.CREDITS: _UNTOLD,
            Capability.CUSTOMER_PORTAL: "Links open; new ones are mailed when the mail server takes them.",
            Capability.REMINDERS: "Reminders are queued, each is sent once; what comes too late is left out.",
            Capability.MAILS: "Mails are queued for days; nothing is lost.",
        },
        Component.DATABASE: {
            Capability.PLAN_CHANGES: _STANDS_STILL,
            Capability.REFUNDS: _STANDS_STILL,
            Capability.CREDITS: _STANDS_STILL,
            Capability.CUSTOMER_PORTAL: "Customers are told to try again in a few minutes.",
            Capability.REMINDERS: "Reminders wait; each is sent once.",
            Capability.MAILS: "Mails wait; nothing is lost.",
        },
    }
)
_RECOVERED: Mapping[Component, Mapping[Capability, str]] = MappingProxyType(
    {
        Component.STRIPE: {
            Capability.PLAN_CHANGES: _RESUMES,
            Capability.REFUNDS: _RESUMES,
            Capability.CREDITS: _RESUMES,
        },
        Component.STRIPE_KEY: {
            Capability.PLAN_CHANGES: _RESUMES,
            Capability.REFUNDS: _RESUMES,
            Capability.CREDITS: _RESUMES,
        },
        Component.PORTAL: {Capability.REMINDERS: "They go on; those that were left out are not made up for."},
        Component.MAIL: {
            Capability.REMINDERS: "What was queued is sent as its hours allow.",
            Capability.MAILS: "What was queued is sent now.",
        },
        Component.DATABASE: {},
    }
)


def severity(component: Component, state: IncidentState, cause: str | None) -> Severity:
    """How bad it is. The causes of many calls that fail while others succeed are `degraded`."""
    if state is not IncidentState.DEGRADED:
        return Severity.RECOVERED
    slow = cause in _SLOW or component is Component.STRIPE_KEY
    return Severity.DEGRADED if slow else Severity.DOWN


def headline(component: Component, state: IncidentState, cause: str | None) -> str:
    """What is the matter, in a sentence."""
    name = NAMES[component]
    match severity(component, state, cause):
        case Severity.RECOVERED:
            cleared = state is IncidentState.CLEARED
            return f"{name} works again. {'The incident is cleared.' if cleared else 'Its note is owed.'}"
        case Severity.DEGRADED if component is Component.STRIPE_KEY:
            return (
                f"Plixo's key at Stripe lacks {told_apart(permissions_in(cause))}. "
                "Only what needs it is held; everything else works, and nothing is lost."
            )
        case Severity.DEGRADED:
            return f"{name} is degraded{_because(cause)}. Work is held where it must be; nothing is lost."
        case Severity.DOWN:
            return f"{name} does not work{_because(cause)}. Work is held where it must be; nothing is lost."


def capabilities(component: Component, state: IncidentState, cause: str | None) -> dict[Capability, str]:
    """What it means for each thing that people do."""
    if state is IncidentState.DEGRADED:
        if component is Component.STRIPE_KEY:
            held = held_by(permissions_in(cause))
            return {one: held.get(one, _FINE) for one in Capability}
        return dict(_DEGRADED[component])
    return {one: _RECOVERED[component].get(one, _FINE) for one in Capability}


def affected(component: Component, state: IncidentState, cause: str | None) -> dict[Capability, str]:
    """As `capabilities`, without what goes on as usual."""
    return {one: words for one, words in capabilities(component, state, cause).items() if words != _FINE}


class IncidentSubject(Message):
    """An incident as a mail tells of it; `recovered_at` is since when the component works again."""

    about: Literal["incident"] = "incident"
    incident: str
    component: Component
    opened_at: AwareDatetime
    first_fault_at: AwareDatetime
    recovered_at: AwareDatetime | None
    cause: str | None

    @property
    def name(self) -> str:
        return NAMES[self.component]

    @property
    def headline(self) -> str:
        return headline(self.component, self._state, self.cause)

    @property
    def meaning(self) -> list[str]:
        """What it means for people's work, as far as it is not as usual; each once."""
        return list(dict.fromkeys(affected(self.component, self._state, self.cause).values()))

    @property
    def _state(self) -> IncidentState:
        return IncidentState.of(self.recovered_at, None)


def _because(cause: str | None) -> str:
    words = _CAUSES.get(cause or "")
    return f": {words}" if words else ""
