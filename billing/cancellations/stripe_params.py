"""Stripe's parameters for a cancellation, its previews among them."""

import re
from typing import Any

from .cancellation import Action, CancellableFacts, CancellationSubject


def effect_params(subject: CancellationSubject) -> dict[str, Any]:
    """What is sent to do it. The last invoice settles what waits at once: it would wait for ever."""
    if subject.action == "take_back":
        # The flag and the date are two ways of saying it, of which Stripe takes one at a time.
        return {"cancel_at_period_end": False} if subject.at_period_end else {"cancel_at": ""}
    details = {"cancellation_details": {"comment": subject.note, "feedback": subject.reason}}
    if subject.action == "at_period_end":
        return {"cancel_at_period_end": True, **details}
    return {"invoice_now": True, "prorate": subject.unused_time == "credit", **details}


def named_comment(comment: str, operation: str) -> str:
    """Stripe's comment of a cancellation, by which it is known again whose it was."""
    return f"{comment} ({operation})"


def ended_by(comment: str | None) -> str | None:
    """The operation that a cancellation's comment names. Anybody can write one."""
    named = re.search(r" \((op_\w+)\)$", comment or "")
    return named[1] if named else None


def preview_params(facts: CancellableFacts, action: Action, *, credits: bool = True) -> dict[str, Any]:
    """The invoice that it leads to. `credits`: whether unused time is credited, where the plan ends now."""
    details: dict[str, Any]
    match action:
        case "now":
            behavior = "create_prorations" if credits else "none"
            details = {"cancel_now": True, "proration_behavior": behavior}
        case "at_period_end":
            details = {"cancel_at_period_end": True}
        case "take_back":
            details = {"cancel_at_period_end": False} if facts.at_period_end else {"cancel_at": ""}
    return {"subscription": facts.subscription, "subscription_details": details}
