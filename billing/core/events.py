"""What happens to an operation, by code: what its timeline keeps and evidence is checked by.

The words for people are in `billing.evidence.event_words`: no decision of the product depends on a sentence.
"""

from enum import StrEnum

from .operations import Kind


class EventCode(StrEnum):
    """One kind of event. A code that is on a timeline stays what it is; its words may change."""

    # Operations
    PLAN_CHANGE_REQUESTED = "plan_change_requested"
    REFUND_REQUESTED = "refund_requested"
    CREDIT_REQUESTED = "credit_requested"
    REMINDER_RUN_REQUESTED = "reminder_run_requested"
    PORTAL_ACCESS_REQUESTED = "portal_access_requested"
    CASE_NOTICED = "case_noticed"
    CANCELLATION_REQUESTED = "cancellation_requested"
    REVISION_REQUESTED = "revision_requested"
    RESOLUTION_REQUESTED = "resolution_requested"
    CLOSE_REQUESTED = "close_requested"
    NOTE_ADDED = "note_added"
    RECORDS_WRITTEN = "records_written"
    MAIL_SENT = "mail_sent"
    MAIL_REFUSED = "mail_refused"

    # How any operation ends, and how its workflow fares
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    GIVEN_UP = "given_up"
    ENDED_BEFORE = "ended_before"
    CLOSED_BY_OPERATOR = "closed_by_operator"
    WORKFLOW_CANCELLED = "workflow_cancelled"
    WORKFLOW_ENDED = "workflow_ended"
    WORKFLOW_RESTARTED = "workflow_restarted"
    WORKFLOW_STUCK = "workflow_stuck"
    HELD_BY_INCIDENT = "held_by_incident"
    HELD_FOR_PERMISSION = "held_for_permission"
    RESUMED_AFTER_INCIDENT = "resumed_after_incident"
    RESUMED_WITH_PERMISSION = "resumed_with_permission"
    RELEASED_BY_OPERATOR = "released_by_operator"
    GATE_OPENED_BY_OPERATOR = "gate_opened_by_operator"

    # Effects on Stripe
    ASKED_OF_STRIPE = "asked_of_stripe"
    CHANGED_IN_STRIPE = "changed_in_stripe"
    REFUSED_BY_STRIPE = "refused_by_stripe"
    POSTPONED = "postponed"

    # Approvals
    REVIEW_REQUESTED = "review_requested"
    ESCALATED = "escalated"
    RUNG_VACANT_ANY_ASKED = "rung_vacant_any_asked"
    RUNG_VACANT_ALL_ASKED = "rung_vacant_all_asked"
    RUNG_VACANT_LAST = "rung_vacant_last"
    APPROVERS_REMINDED = "approvers_reminded"
    DECISION_REFUSED = "decision_refused"
    PARTLY_APPROVED = "partly_approved"
    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes_requested"
    REVIEW_EXPIRED = "review_expired"
    REVIEW_DISMISSED = "review_dismissed"
    AWAITING_REVISION = "awaiting_revision"
    REQUEST_REVISED = "request_revised"
    EXPIRED_UNANSWERED = "expired_unanswered"
    EXPIRED_UNREVISED = "expired_unrevised"
    DELEGATION_OFFERED = "delegation_offered"
    DELEGATION_ACCEPTED = "delegation_accepted"
    DELEGATION_DECLINED = "delegation_declined"
    DELEGATION_REVOKED = "delegation_revoked"

    # Notices to Finance
    FINANCE_TOLD = "finance_told"
    NOTICE_ESCALATED = "notice_escalated"
    NOTICE_ACKNOWLEDGED = "notice_acknowledged"
    NOTICE_SUPERSEDED = "notice_superseded"

    # Plan changes
    PREVIEWED = "previewed"
    PREVIEWED_AGAIN = "previewed_again"
    LINES_DRIFTED = "lines_drifted"
    BLOCKED_BY_LIMITS = "blocked_by_limits"
    APPLYING = "applying"
    CARD_DECLINED = "card_declined"
    VERIFIED = "verified"
    LINES_DIFFER = "lines_differ"
    OUTCOME_UNKNOWN = "outcome_unknown"
    ACCEPTED_AS_IN_STRIPE = "accepted_as_in_stripe"
    REVERTING = "reverting"
    REVERTED = "reverted"
    REVERT_REFUSED = "revert_refused"
    SUBSCRIPTION_CANCELLED = "subscription_cancelled"
    SCHEDULING = "scheduling"
    SCHEDULED = "scheduled"
    SCHEDULE_UNREADABLE = "schedule_unreadable"
    SCHEDULE_DIFFERS = "schedule_differs"
    SCHEDULE_REMOVED = "schedule_removed"

    # Refunds and credits
    CHECKED = "checked"
    CHECKED_AGAIN = "checked_again"
    CHANGED_SINCE_APPROVAL = "changed_since_approval"
    NOT_POSSIBLE = "not_possible"
    NOT_POSSIBLE_ANY_MORE = "not_possible_any_more"
    WITHIN_REQUESTERS_AUTHORITY = "within_requesters_authority"
    BEYOND_REQUESTERS_AUTHORITY = "beyond_requesters_authority"
    REVIEWED_WHATEVER_REQUESTERS_AUTHORITY = "reviewed_whatever_requesters_authority"
    WITHIN_REVISERS_AUTHORITY = "within_revisers_authority"
    BEYOND_REVISERS_AUTHORITY = "beyond_revisers_authority"
    REVIEWED_WHATEVER_REVISERS_AUTHORITY = "reviewed_whatever_revisers_authority"
    MONEY_RELEASED = "money_released"
    ISSUING_REFUND = "issuing_refund"
    REFUND_PENDING = "refund_pending"
    REFUND_AWAITS_CUSTOMER = "refund_awaits_customer"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    REFUND_FAILED_AFTER_SUCCESS = "refund_failed_after_success"
    REFUND_RETRIED = "refund_retried"
    PARTLY_REFUNDED = "partly_refunded"
    CLOSED_WITHOUT_REFUND = "closed_without_refund"
    ISSUING_CREDIT = "issuing_credit"
    CREDITED = "credited"
    CREDIT_DIFFERS = "credit_differs"

    # Cases
    NOTE_OWED = "note_owed"
    COUNTED_FOR_CUSTOMER = "counted_for_customer"
    CAME_TO_NOTHING = "came_to_nothing"
    AWAITING_NOTE = "awaiting_note"
    REMINDED_OF_NOTE = "reminded_of_note"
    ESCALATED_TO_CONTROLLER = "escalated_to_controller"
    ASSIGNMENT_REQUESTED = "assignment_requested"
    ASSIGNED = "assigned"
    AWAITING_MAKER = "awaiting_maker"
    MAKER_CONFIRMED = "maker_confirmed"
    MAKER_DENIED = "maker_denied"
    MAKER_REFUTED = "maker_refuted"
    NOTE_GIVEN = "note_given"
    WITHIN_MAKERS_AUTHORITY = "within_makers_authority"
    BEYOND_MAKERS_AUTHORITY = "beyond_makers_authority"
    CLOSED_WITH_NOTE = "closed_with_note"

    # Customers who can't get at an invoice
    TROUBLE_NOTICED = "trouble_noticed"
    TROUBLE_NOTICED_AGAIN = "trouble_noticed_again"
    DIAGNOSED = "diagnosed"
    NEW_LINK_MAILED = "new_link_mailed"
    DEADLINE_MISSED = "deadline_missed"
    CUSTOMER_GOT_IN = "customer_got_in"
    INVOICE_PAID = "invoice_paid"
    INVOICE_NOT_PAYABLE = "invoice_not_payable"
    CLOSED_BY_PERSON = "closed_by_person"

    # Reminder runs
    RUN_BEGUN = "run_begun"
    PAUSE_REQUESTED = "pause_requested"
    PAUSED = "paused"
    RESUME_REQUESTED = "resume_requested"
    RESUMED = "resumed"


FIRST = {
    Kind.PLAN_CHANGE: EventCode.PLAN_CHANGE_REQUESTED,
    Kind.REFUND: EventCode.REFUND_REQUESTED,
    Kind.CREDIT: EventCode.CREDIT_REQUESTED,
    Kind.REMINDER_RUN: EventCode.REMINDER_RUN_REQUESTED,
    Kind.PORTAL_ACCESS: EventCode.PORTAL_ACCESS_REQUESTED,
    Kind.CASE: EventCode.CASE_NOTICED,
}
"""The event that an operation's timeline begins with."""

WITHIN_AUTHORITY = frozenset({EventCode.WITHIN_REQUESTERS_AUTHORITY, EventCode.WITHIN_REVISERS_AUTHORITY})
"""Whoever shaped it last may give the amount alone."""
