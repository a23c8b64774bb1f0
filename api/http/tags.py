"""The groups and tags of the OpenAPI document, in the order in which people look for them."""

from collections.abc import Mapping
from typing import Any

GROUPS: Mapping[str, Mapping[str, str]] = {
    "Requests": {
        "Plan changes": "Upgrades and downgrades of your own plan: quoted, reviewed, applied and verified.",
        "Cancellations": "The end of your own plan: planned, at once, or taken back.",
        "Refunds": "Money back from a payment or an invoice, with the note that it owes.",
        "Credits": "Money off the next bills or one invoice of a customer, with the note that it owes.",
        "Voids": "Invoices that should not have been sent, taken back with the note that it owes.",
        "Write-offs": "Invoices that will not be paid, given up with the note that it owes.",
        "Operations": "Everything that was asked for: where it stands, its timeline, comments and evidence.",
    },
    "Decisions": {
        "Approvals": "What waits for a person, with everything a decision needs.",
        "Delegations": "Approvals that somebody else decides until a date.",
        "Policy": "The rules by which requests go, in words, and whom a request would go to.",
    },
    "Billing": {
        "Organization": "Your own plan with its limits, and the plans there are.",
        "Customers and invoices": "Whom you bill and for what, as mirrored from Stripe.",
        "Payments": "What was paid, and what of it can still be refunded.",
        "Portal": "How customers get to their invoices: links, networks, troubles and mails.",
        "Reminders": "What is sent about unpaid invoices, and why something is not.",
        "Search": "One search over customers, invoices and operations.",
    },
    "Finance": {
        "Notices": "What Finance must acknowledge.",
        "Cases": "Refunds, credits and plan changes that were made in Stripe itself and owe a note.",
        "Months": "A month to file: operations, what they did in Stripe, the heads of their evidence.",
        "Evidence": "What shows that nothing recorded was altered or removed: daily roots, keys, exports.",
        "Reconciliation": "Stripe compared with the records: each difference, and what was corrected.",
        "Success checks": "Whether billing works as promised: figures, and the rows behind them.",
    },
    "Running it": {
        "Incidents": "What is degraded, what that means for the work, and the runbook.",
        "People": "Who is there, in which roles, and what you may do.",
        "API keys": "What programs act by in a person's name: made, shown once, revoked.",
        "Reads": "Who read evidence, and who took lists with them as files.",
        "Sessions": "The browsers in which people are signed in.",
        "Stripe's webhooks": "For Stripe only: what happened there.",
        "Health": "For the machines that watch the processes.",
    },
}


def tags() -> list[dict[str, Any]]:
    """As the document lists them."""
    return [{"name": name, "description": text} for group in GROUPS.values() for name, text in group.items()]


def tag_groups() -> list[dict[str, Any]]:
    """The extension `x-tagGroups`, by which readers of the document group its tags."""
    return [{"name": name, "tags": list(of)} for name, of in GROUPS.items()]
