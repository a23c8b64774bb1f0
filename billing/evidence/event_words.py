"""The words that people read for an event: the API's timeline and whatever else is shown make them here."""

from collections.abc import Mapping
from typing import Any

from ..core.events import EventCode

WORDS: Mapping[EventCode, str] = {
    # Operations
    EventCode.PLAN_CHANGE_REQUESTED: "plan change requested",
    EventCode.REFUND_REQUESTED: "refund requested",
    EventCode.CREDIT_REQUESTED: "credit requested",
    EventCode.REMINDER_RUN_REQUESTED: "reminder run requested",
    EventCode.PORTAL_ACCESS_REQUESTED: "portal access requested",
    EventCode.CASE_NOTICED: "case noticed",
    EventCode.CANCELLATION_REQUESTED: "cancellation asked for",
    EventCode.REVISION_REQUESTED: "revision asked for",
    EventCode.RESOLUTION_REQUESTED: "resolution asked for",
    EventCode.CLOSE_REQUESTED: "closing asked for",
    EventCode.NOTE_ADDED: "note added",
    EventCode.RECORDS_WRITTEN: "{parts:and} recorded",
    EventCode.MAIL_SENT: "mail sent",
    EventCode.MAIL_REFUSED: "mail refused",
    # How any operation ends, and how its workflow fares
    EventCode.COMPLETED: "completed",
    EventCode.CANCELLED: "cancelled",
    EventCode.GIVEN_UP: "given up",
    EventCode.ENDED_BEFORE: "it had ended before",
    EventCode.CLOSED_BY_OPERATOR: "closed by an operator",
    EventCode.WORKFLOW_CANCELLED: "its workflow was cancelled",
    EventCode.WORKFLOW_ENDED: "its workflow was ended from outside",
    EventCode.WORKFLOW_RESTARTED: "its workflow was {how} in Temporal: it runs again",
    EventCode.WORKFLOW_STUCK: "it can't go on because of a fault in Plixo, whose operators have been told",
    EventCode.HELD_BY_INCIDENT: "held: Stripe is degraded, and nothing is sent until it has recovered",
    EventCode.HELD_FOR_PERMISSION: "held: {message}",
    EventCode.RESUMED_AFTER_INCIDENT: "resumed: Stripe works again",
    EventCode.RESUMED_WITH_PERMISSION: "resumed: the permission is there",
    EventCode.RELEASED_BY_OPERATOR: "an operator told it to go on",
    EventCode.GATE_OPENED_BY_OPERATOR: "an operator opened the way to Stripe",
    # Effects on Stripe
    EventCode.ASKED_OF_STRIPE: "asked of Stripe",
    EventCode.CHANGED_IN_STRIPE: "changed in Stripe",
    EventCode.REFUSED_BY_STRIPE: "refused by Stripe",
    EventCode.POSTPONED: "postponed: Stripe takes no more changes of the same object for a while",
    # Approvals
    EventCode.REVIEW_REQUESTED: "review requested",
    EventCode.ESCALATED: "escalated",
    EventCode.RUNG_VACANT_ANY_ASKED: "{why}: {instead:or} is asked",
    EventCode.RUNG_VACANT_ALL_ASKED: "{why}: {instead:and} are asked",
    EventCode.RUNG_VACANT_LAST: "{why}: it stays open until its deadline",
    EventCode.APPROVERS_REMINDED: "approvers reminded",
    EventCode.DECISION_REFUSED: "decision refused",
    EventCode.PARTLY_APPROVED: "approved by {role}; {missing:and} still to approve",
    EventCode.APPROVED: "approved",
    EventCode.REJECTED: "rejected",
    EventCode.CHANGES_REQUESTED: "changes requested",
    EventCode.REVIEW_EXPIRED: "review expired",
    EventCode.REVIEW_DISMISSED: "review dismissed",
    EventCode.AWAITING_REVISION: "waiting for the request to be revised",
    EventCode.REQUEST_REVISED: "request revised",
    EventCode.EXPIRED_UNANSWERED: "expired without an answer",
    EventCode.EXPIRED_UNREVISED: "expired without a revision",
    EventCode.DELEGATION_OFFERED: "delegation offered",
    EventCode.DELEGATION_ACCEPTED: "delegation accepted",
    EventCode.DELEGATION_DECLINED: "delegation declined",
    EventCode.DELEGATION_REVOKED: "delegation revoked",
    # Notices to Finance
    EventCode.FINANCE_TOLD: "Finance told",
    EventCode.NOTICE_ESCALATED: "notice escalated to the controller",
    EventCode.NOTICE_ACKNOWLEDGED: "notice acknowledged",
    EventCode.NOTICE_SUPERSEDED: "notice superseded",
    # Plan changes
    EventCode.PREVIEWED: "preview taken",
    EventCode.PREVIEWED_AGAIN: "previewed again",
    EventCode.LINES_DRIFTED: "lines drifted since the review",
    EventCode.BLOCKED_BY_LIMITS: "blocked by the plan's limits",
    EventCode.APPLYING: "applying the approved change",
    EventCode.CARD_DECLINED: "card declined; nothing was changed",
    EventCode.VERIFIED: "verified: every line is as approved",
    EventCode.LINES_DIFFER: "lines differ from those approved",
    EventCode.OUTCOME_UNKNOWN: "what Stripe made of it is not known",
    EventCode.ACCEPTED_AS_IN_STRIPE: "accepted as Stripe has it",
    EventCode.REVERTING: "reverting to the former plan",
    EventCode.REVERTED: "reverted to the former plan",
    EventCode.REVERT_REFUSED: "the former plan could not be restored",
    EventCode.SUBSCRIPTION_CANCELLED: "the subscription was cancelled in Stripe",
    EventCode.SCHEDULING: "scheduling the approved change",
    EventCode.SCHEDULED: "scheduled for the end of the period",
    EventCode.SCHEDULE_UNREADABLE: "the schedule could not be read back",
    EventCode.SCHEDULE_DIFFERS: "the schedule differs from what was approved",
    EventCode.SCHEDULE_REMOVED: "the schedule was taken away in Stripe",
    # Refunds and credits
    EventCode.CHECKED: "checked against Stripe",
    EventCode.CHECKED_AGAIN: "checked again",
    EventCode.CHANGED_SINCE_APPROVAL: "changed in Stripe since the approval",
    EventCode.NOT_POSSIBLE: "not possible as asked",
    EventCode.NOT_POSSIBLE_ANY_MORE: "not possible any more, whatever is decided",
    EventCode.WITHIN_REQUESTERS_AUTHORITY: "within the requester's authority",
    EventCode.BEYOND_REQUESTERS_AUTHORITY: "beyond the requester's authority",
    EventCode.REVIEWED_WHATEVER_REQUESTERS_AUTHORITY: "reviewed whatever the requester's authority",
    EventCode.WITHIN_REVISERS_AUTHORITY: "within the reviser's authority",
    EventCode.BEYOND_REVISERS_AUTHORITY: "beyond the reviser's authority",
    EventCode.REVIEWED_WHATEVER_REVISERS_AUTHORITY: "reviewed whatever the reviser's authority",
    EventCode.MONEY_RELEASED: "money set aside is free again",
    EventCode.ISSUING_REFUND: "issuing the refund",
    EventCode.REFUND_PENDING: "Stripe is still sending the money",
    EventCode.REFUND_AWAITS_CUSTOMER: "waiting for the customer to say where the money should go",
    EventCode.REFUNDED: "refunded, with its note in Stripe",
    EventCode.REFUND_FAILED: "the refund failed",
    EventCode.REFUND_FAILED_AFTER_SUCCESS: "the refund failed after it had succeeded",
    EventCode.REFUND_RETRIED: "trying again",
    EventCode.PARTLY_REFUNDED: "left at what came through",
    EventCode.CLOSED_WITHOUT_REFUND: "closed without a refund",
    EventCode.ISSUING_CREDIT: "giving the credit",
    EventCode.CREDITED: "given as agreed, with its note in Stripe",
    EventCode.CREDIT_DIFFERS: "Stripe has another credit than was agreed",
    # Cases
    EventCode.NOTE_OWED: "a note is owed",
    EventCode.COUNTED_FOR_CUSTOMER: "counted in the customer's windows",
    EventCode.CAME_TO_NOTHING: "it came to nothing in Stripe and counts no more",
    EventCode.AWAITING_NOTE: "waiting for its note",
    EventCode.REMINDED_OF_NOTE: "reminded of its note",
    EventCode.ESCALATED_TO_CONTROLLER: "escalated to the controller",
    EventCode.ASSIGNMENT_REQUESTED: "taking asked for",
    EventCode.ASSIGNED: "taken on",
    EventCode.AWAITING_MAKER: "waiting for the maker's word",
    EventCode.MAKER_CONFIRMED: "making confirmed",
    EventCode.MAKER_DENIED: "making denied",
    EventCode.MAKER_REFUTED: "not made by whom it was said to be",
    EventCode.NOTE_GIVEN: "its note is there",
    EventCode.WITHIN_MAKERS_AUTHORITY: "within the authority of who made it",
    EventCode.BEYOND_MAKERS_AUTHORITY: "beyond the authority of who made it",
    EventCode.CLOSED_WITH_NOTE: "closed with its note",
    # Customers who can't get at an invoice
    EventCode.TROUBLE_NOTICED: "trouble noticed",
    EventCode.TROUBLE_NOTICED_AGAIN: "trouble noticed again",
    EventCode.DIAGNOSED: "diagnosed",
    EventCode.NEW_LINK_MAILED: "new link mailed",
    EventCode.DEADLINE_MISSED: "the deadline was missed",
    EventCode.CUSTOMER_GOT_IN: "the customer got in",
    EventCode.INVOICE_PAID: "the invoice was paid",
    EventCode.INVOICE_NOT_PAYABLE: "the invoice needs no paying any more",
    EventCode.CLOSED_BY_PERSON: "closed by a person",
    # Reminder runs
    EventCode.RUN_BEGUN: "begun",
    EventCode.PAUSE_REQUESTED: "pause asked for",
    EventCode.PAUSED: "paused",
    EventCode.RESUME_REQUESTED: "resumption asked for",
    EventCode.RESUMED: "resumed",
}
"""By code. What stands in braces is of the event's detail, a list with the word that joins it."""


class _WordList(list[str]):
    """Formats as its parts with a word between them."""

    def __format__(self, word: str) -> str:
        return f" {word} ".join(self)


def words(code: str, detail: Mapping[str, Any] | None = None) -> str:
    """What happened, for people to read.

    Raises ValueError for what is no code, KeyError where the detail lacks a part of its words.
    """
    parts = (detail or {}).items()
    shown = {name: _WordList(part) if isinstance(part, list) else part for name, part in parts}
    return WORDS[EventCode(code)].format_map(shown)
