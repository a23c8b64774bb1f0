"""The words that people read for an event, in the API's timeline and wherever else it is shown."""

from collections.abc import Mapping
from typing import Any

from ..core.events import EventCode
from ..policy.phrases import ROLE_WORDS

WORDS: Mapping[EventCode, str] = {
    # Operations
    EventCode.PLAN_CHANGE_REQUESTED: "plan change requested",
    EventCode.REFUND_REQUESTED: "refund requested",
    EventCode.CREDIT_REQUESTED: "credit requested",
    EventCode.VOID_REQUESTED: "void requested",
    EventCode.WRITE_OFF_REQUESTED: "write-off requested",
    EventCode.PLAN_CANCELLATION_REQUESTED: "cancellation of the plan requested",
    EventCode.REMINDER_RUN_REQUESTED: "reminder run requested",
    EventCode.PORTAL_ACCESS_REQUESTED: "portal trouble noticed",
    EventCode.CASE_NOTICED: "case opened",
    EventCode.CANCELLATION_REQUESTED: "cancellation requested",
    EventCode.REVISION_REQUESTED: "revision submitted",
    EventCode.RESOLUTION_REQUESTED: "resolution requested",
    EventCode.CLOSE_REQUESTED: "close requested",
    EventCode.COMMAND_REFUSED: "not accepted: {message}",
    EventCode.NOTE_ADDED: "note added",
    EventCode.COMMENT_ADDED: "comment added",
    EventCode.CUSTOMER_ERASED: "the customer's personal data was erased",
    EventCode.RECORDS_WRITTEN: "{parts:and} recorded",
    EventCode.MAIL_SENT: "mail sent",
    EventCode.MAIL_REFUSED: "mail refused",
    EventCode.MAIL_GIVEN_UP: "mail given up: the mail server did not take it for days",
    # How any operation ends, and how its workflow fares
    EventCode.COMPLETED: "completed",
    EventCode.CANCELLED: "cancelled",
    EventCode.GIVEN_UP: "a step could not be completed",
    EventCode.ENDED_BEFORE: "the operation had already ended",
    EventCode.CLOSED_BY_OPERATOR: "closed by an operator",
    EventCode.WORKFLOW_CANCELLED: "the workflow was cancelled in Temporal",
    EventCode.WORKFLOW_ENDED: "the workflow was ended in Temporal",
    EventCode.WORKFLOW_RESTARTED: "the workflow was {how} in Temporal and is running again",
    EventCode.RECORDS_RESTORED: "the records were restored from a backup; it continues from where they stand",
    EventCode.WORKFLOW_STUCK: "stopped by a fault in Plixo; its operators have been alerted",
    EventCode.HELD_BY_INCIDENT: "held: Stripe is degraded; nothing is sent until it recovers",
    EventCode.HELD_FOR_PERMISSION: "held: {message}",
    EventCode.RESUMED_AFTER_INCIDENT: "resumed: Stripe has recovered",
    EventCode.RESUMED_WITH_PERMISSION: "resumed: the permission was granted",
    EventCode.RELEASED_BY_OPERATOR: "released by an operator",
    EventCode.GATE_OPENED_BY_OPERATOR: "requests to Stripe allowed again by an operator",
    # Effects on Stripe
    EventCode.ASKED_OF_STRIPE: "sending the request to Stripe",
    EventCode.CHANGED_IN_STRIPE: "changed in Stripe",
    EventCode.REFUSED_BY_STRIPE: "refused by Stripe",
    EventCode.POSTPONED: "postponed: Stripe accepts no more changes to this object for now",
    # Approvals
    EventCode.REVIEW_REQUESTED: "review requested",
    EventCode.ESCALATED: "escalated to {to:and}",
    EventCode.RUNG_VACANT_ANY_ASKED: "{why}: asking {instead:or} instead",
    EventCode.RUNG_VACANT_ALL_ASKED: "{why}: asking {instead:and} instead",
    EventCode.RUNG_VACANT_LAST: "{why}: the review stays open until its deadline",
    EventCode.APPROVERS_REMINDED: "approvers reminded",
    EventCode.PARTLY_APPROVED: "approved by {role}; still needs {missing:and}",
    EventCode.APPROVED: "approved",
    EventCode.REJECTED: "rejected",
    EventCode.CHANGES_REQUESTED: "changes requested",
    EventCode.REVIEW_EXPIRED: "review expired",
    EventCode.REVIEW_DISMISSED: "review dismissed",
    EventCode.REVIEW_SUPERSEDED: "review replaced",
    EventCode.AWAITING_REVISION: "waiting for the request to be revised",
    EventCode.REQUEST_REVISED: "request revised",
    EventCode.EXPIRED_UNANSWERED: "expired without an answer",
    EventCode.EXPIRED_UNREVISED: "expired without a revision",
    EventCode.DELEGATION_OFFERED: "delegation offered",
    EventCode.DELEGATION_ACCEPTED: "delegation accepted",
    EventCode.DELEGATION_DECLINED: "delegation declined",
    EventCode.DELEGATION_REVOKED: "delegation revoked",
    # Notices to Finance
    EventCode.FINANCE_TOLD: "Finance notified",
    EventCode.NOTICE_ESCALATED: "notice escalated to the controller",
    EventCode.NOTICE_ACKNOWLEDGED: "notice acknowledged",
    EventCode.NOTICE_SUPERSEDED: "notice replaced",
    # Plan changes
    EventCode.PREVIEWED: "previewed",
    EventCode.PREVIEWED_AGAIN: "previewed again",
    EventCode.LINES_DRIFTED: "invoice lines or amounts changed since the review",
    EventCode.BLOCKED_BY_LIMITS: "blocked by the plan's limits",
    EventCode.APPLYING: "applying the approved change",
    EventCode.CARD_DECLINED: "card declined; nothing was changed",
    EventCode.PAYMENT_DUE: "waiting for the payment; until then the plan stays as it is",
    EventCode.PAYMENT_UNDER_WAY: "waiting for the bank debit",
    EventCode.PAYMENT_MADE: "paid: the change is there",
    EventCode.PAYMENT_EXPIRED: "not paid in time; Stripe dropped the change, nothing was changed",
    EventCode.PAYMENT_VOIDED: "its invoice was voided in Stripe; nothing was changed",
    EventCode.PAYMENT_MISSING: "applied, but not paid",
    EventCode.VERIFIED: "verified: every line and amount matches the approval",
    EventCode.LINES_DIFFER: "invoice lines or amounts differ from the approval",
    EventCode.OUTCOME_UNKNOWN: "the outcome in Stripe is unknown",
    EventCode.ACCEPTED_AS_IN_STRIPE: "accepted as it is in Stripe",
    EventCode.REVERTING: "reverting to the previous plan",
    EventCode.REVERTED: "reverted to the previous plan",
    EventCode.REVERT_REFUSED: "the previous plan could not be restored",
    EventCode.REVERT_VERIFIED: "revert verified: every line and amount is as it was shown",
    EventCode.REVERT_DIFFERS: "invoice lines or amounts of the revert differ from what was shown",
    EventCode.REVERT_UNREAD: "what the revert billed could not be read from Stripe",
    EventCode.SUBSCRIPTION_CANCELLED: "the subscription was cancelled in Stripe",
    EventCode.SCHEDULING: "scheduling the approved change",
    EventCode.SCHEDULED: "scheduled for the end of the billing period",
    EventCode.SCHEDULE_UNREADABLE: "the schedule could not be read back from Stripe",
    EventCode.SCHEDULE_DIFFERS: "the schedule differs from the approval",
    EventCode.SCHEDULE_REMOVED: "the schedule was removed in Stripe",
    EventCode.PLAN_CHANGE_REPLACED: "replaced by another plan change",
    EventCode.TOOK_ITS_PLACE: "took the place of another plan change",
    # Cancellations of the plan
    EventCode.CANCELLING_PLAN: "changing the end of the plan as approved",
    EventCode.PLAN_END_PLANNED: "set to end with its period, with the note in Stripe",
    EventCode.PLAN_ENDED: "ended as approved",
    EventCode.PLAN_ENDED_SOONER: "another request ended the plan before its period did",
    EventCode.PLAN_KEPT: "cancellation taken back: the plan renews",
    EventCode.PLAN_END_TAKEN_BACK: "the cancellation was taken back",
    EventCode.PLAN_END_MOVED: "another end was set in Stripe",
    EventCode.CANCELLATION_DIFFERS: "the end of the plan differs from the approval",
    # Refunds, credits, voids and write-offs
    EventCode.CHECKED: "checked against Stripe",
    EventCode.CHECKED_AGAIN: "checked again",
    EventCode.CHANGED_SINCE_APPROVAL: "changed in Stripe since the approval",
    EventCode.NOT_POSSIBLE: "not possible as requested",
    EventCode.NOT_POSSIBLE_ANY_MORE: "no longer possible",
    EventCode.WITHIN_REQUESTERS_AUTHORITY: "within the requester's authority",
    EventCode.BEYOND_REQUESTERS_AUTHORITY: "beyond the requester's authority",
    EventCode.REVIEWED_WHATEVER_REQUESTERS_AUTHORITY: "review needed regardless of the requester's authority",
    EventCode.WITHIN_REVISERS_AUTHORITY: "within the reviser's authority",
    EventCode.BEYOND_REVISERS_AUTHORITY: "beyond the reviser's authority",
    EventCode.REVIEWED_WHATEVER_REVISERS_AUTHORITY: "review needed regardless of the reviser's authority",
    EventCode.MONEY_RELEASED: "reserved money released",
    EventCode.ISSUING_REFUND: "issuing the refund",
    EventCode.REFUND_PENDING: "refund pending in Stripe",
    EventCode.REFUND_AWAITS_CUSTOMER: "waiting for the customer to say where to send the refund",
    EventCode.REFUNDED: "refunded, with the note in Stripe",
    EventCode.REFUND_FAILED: "the refund failed",
    EventCode.REFUND_FAILED_AFTER_SUCCESS: "the refund failed after it had succeeded",
    EventCode.REFUND_RETRIED: "retrying the refund",
    EventCode.PARTLY_REFUNDED: "closed with a partial refund",
    EventCode.CLOSED_WITHOUT_REFUND: "closed without a refund",
    EventCode.ISSUING_CREDIT: "issuing the credit",
    EventCode.CREDITED: "credited as agreed, with the note in Stripe",
    EventCode.CREDIT_DIFFERS: "the credit in Stripe differs from what was agreed",
    EventCode.VOIDING: "voiding the invoice",
    EventCode.VOIDED: "invoice voided as agreed, with the note in Stripe",
    EventCode.VOID_DIFFERS: "the voided invoice differs from what was agreed",
    EventCode.WRITING_OFF: "writing the invoice off",
    EventCode.WRITTEN_OFF: "invoice written off as agreed, with the note in Stripe",
    EventCode.WRITE_OFF_DIFFERS: "the invoice that was written off differs from what was agreed",
    # Cases
    EventCode.NOTE_OWED: "a note is required",
    EventCode.COUNTED_FOR_CUSTOMER: "counted toward the customer's limits",
    EventCode.CAME_TO_NOTHING: "it did not go through in Stripe and no longer counts toward the limits",
    EventCode.AWAITING_NOTE: "waiting for the note",
    EventCode.REMINDED_OF_NOTE: "note reminder sent",
    EventCode.ESCALATED_TO_CONTROLLER: "escalated to the controller",
    EventCode.ASSIGNMENT_REQUESTED: "case assignment requested",
    EventCode.ASSIGNED: "case assigned",
    EventCode.AWAITING_MAKER: "waiting for the person named to confirm",
    EventCode.MAKER_CONFIRMED: "confirmed by the person named",
    EventCode.MAKER_DENIED: "denied by the person named",
    EventCode.MAKER_REFUTED: "the person named did not make it",
    EventCode.NOTE_GIVEN: "note received",
    EventCode.WITHIN_MAKERS_AUTHORITY: "within the authority of the person who made it",
    EventCode.BEYOND_MAKERS_AUTHORITY: "beyond the authority of the person who made it",
    EventCode.CLOSED_WITH_NOTE: "closed with a note",
    # Customers who can't get at an invoice
    EventCode.TROUBLE_NOTICED: "access problem detected",
    EventCode.TROUBLE_NOTICED_AGAIN: "access problem detected again",
    EventCode.DIAGNOSED: "diagnosed",
    EventCode.NEW_LINK_MAILED: "new link sent",
    EventCode.DEADLINE_MISSED: "deadline missed",
    EventCode.CUSTOMER_GOT_IN: "the customer opened the invoice",
    EventCode.INVOICE_PAID: "the invoice was paid",
    EventCode.INVOICE_NOT_PAYABLE: "the invoice no longer needs to be paid",
    EventCode.CLOSED_BY_PERSON: "closed manually",
    # Reminder runs
    EventCode.RUN_BEGUN: "started",
    EventCode.PAUSE_REQUESTED: "pause requested",
    EventCode.PAUSED: "paused",
    EventCode.RESUME_REQUESTED: "resume requested",
    EventCode.RESUMED: "resumed",
}
"""By code. Names in braces come from the event's detail, roles as people call them; a list is joined with the
word after the colon."""


_ROLES: Mapping[str, str] = {role.value: called for role, called in ROLE_WORDS.items()}


class _WordList(list[str]):
    """Formats as its parts with a word between them."""

    def __format__(self, word: str) -> str:
        return f" {word} ".join(self)


def _called(part: Any) -> Any:
    return _ROLES.get(part, part) if isinstance(part, str) else part


def words(code: str, detail: Mapping[str, Any] | None = None) -> str:
    """What happened, for people to read.

    Raises ValueError for what is no code, KeyError where the detail lacks a part of its words.
    """
    parts = (detail or {}).items()
    shown = {
        name: _WordList(map(_called, part)) if isinstance(part, list) else _called(part)
        for name, part in parts
    }
    said = WORDS[EventCode(code)].format_map(shown)
    if code == EventCode.PLAN_CANCELLATION_REQUESTED and shown.get("action") == "take_back":
        said = "taking back the plan's cancellation requested"
    return f"{said}, by the link in the mail" if shown.get("by_link") else said
