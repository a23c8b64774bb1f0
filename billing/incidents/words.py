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
        "rate_limit": "Stripe limits our request rate",
        "lock_timeout": "Stripe keeps objects locked for a long time",
        "stripe_unreachable": "Stripe can't be reached, or answers with errors",
        "stripe_credentials": "Stripe does not accept our API key",
        "mail_server_unreachable": "the mail server can't be reached",
        "mail_server_busy": "the mail server asks us to try later",
        "mail_server_untrusted": "the mail server's certificate is not trusted",
        "mail_server_refuses_us": "the mail server rejects mail from us",
        "mail_server_refuses_everybody": "the mail server rejects one recipient after another",
        "timeout": "it did not answer in time",
        "unreachable": "it can't be reached",
        "error_answer": "it answers with errors",
        "stripe_unavailable": "customers' pages got no answer from Stripe",
        "records_away": "customers' pages could not reach the database",
        "internal_error": "customers' pages failed",
    }
)

_FINE = "Not affected."
_RESUMES = "Queued work is resuming, oldest first and slowly at first."
_STANDS_STILL = "Nothing new is accepted; work in progress waits and resumes automatically."
_UNTOLD = "Mail to approvers is delayed, so tell them about urgent requests; everything else continues."
_DEGRADED: Mapping[Component, Mapping[Capability, str]] = MappingProxyType(
    {
        Component.STRIPE: {
            Capability.PLAN_CHANGES: "Plan changes are queued; nothing is charged twice or lost.",
            Capability.REFUNDS: "Refunds are queued; nothing is lost. Don't issue them in Stripe as well.",
            Capability.CREDITS: "Credits are queued; nothing is lost.",
            Capability.CUSTOMER_PORTAL: "Customers see their invoices; paying and PDFs may not work.",
            Capability.REMINDERS: "Reminders continue, based on data last read from Stripe.",
            Capability.MAILS: _FINE,
        },
        Component.PORTAL: {
            Capability.PLAN_CHANGES: _FINE,
            Capability.REFUNDS: _FINE,
            Capability.CREDITS: _FINE,
            Capability.CUSTOMER_PORTAL: "Customers may not be able to open invoices. Links stay valid.",
            Capability.REMINDERS: "Reminders that would lead to a page that does not open are skipped.",
            Capability.MAILS: "New links may be sent, but may not open yet.",
        },
        Component.MAIL: {
            Capability.PLAN_CHANGES: _UNTOLD,
            Capability.REFUNDS: _UNTOLD,
            Capability.CREDITS: _UNTOLD,
            Capability.CUSTOMER_PORTAL: "Links open; new ones are mailed when the mail server accepts them.",
            Capability.REMINDERS: "Reminders are queued, each is sent once; any too late are skipped.",
            Capability.MAILS: "Mails are queued, for days if necessary; nothing is lost.",
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
        Component.PORTAL: {
            Capability.REMINDERS: "Reminders continue; those that were skipped are not sent later."
        },
        Component.MAIL: {
            Capability.REMINDERS: "Queued reminders are sent within their hours.",
            Capability.MAILS: "Queued mails are being sent.",
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
            return (
                f"{name} works again. {'The incident is cleared.' if cleared else 'It still needs a note.'}"
            )
        case Severity.DEGRADED if component is Component.STRIPE_KEY:
            return (
                f"Plixo's key at Stripe lacks {told_apart(permissions_in(cause))}. "
                "Only what needs it is held; everything else works, and nothing is lost."
            )
        case Severity.DEGRADED:
            return f"{name} is degraded{_because(cause)}. Affected work is held; nothing is lost."
        case Severity.DOWN:
            return f"{name} is down{_because(cause)}. Affected work is held; nothing is lost."


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
