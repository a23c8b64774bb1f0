"""How the console puts states, kinds and roles into words."""

from collections.abc import Mapping
from typing import NamedTuple

from billing.approvals.ladder import ApprovalState
from billing.cases.case import CaseObject
from billing.core.operations import Kind, Role, State


class StateWords(NamedTuple):
    """`look` is the style of the mark: wait, run, done, bad or quiet."""

    text: str
    look: str


STATES: Mapping[str, StateWords] = {
    State.ACCEPTED.value: StateWords("Requested", "run"),
    State.RUNNING.value: StateWords("Running", "run"),
    State.AWAITING_APPROVAL.value: StateWords("Awaiting approval", "wait"),
    State.HELD.value: StateWords("Held", "wait"),
    State.COMPLETED.value: StateWords("Done", "done"),
    State.REJECTED.value: StateWords("Rejected", "bad"),
    State.CANCELLED.value: StateWords("Cancelled", "quiet"),
    State.EXPIRED.value: StateWords("Expired", "quiet"),
    State.BLOCKED.value: StateWords("Blocked", "bad"),
    State.DECLINED.value: StateWords("Card declined", "bad"),
    State.MISMATCHED.value: StateWords("Differs from the approval", "bad"),
    "outcome_unknown": StateWords("Outcome unknown", "bad"),
    State.FAILED.value: StateWords("Failed", "bad"),
    ApprovalState.OPEN.value: StateWords("Open", "wait"),
    ApprovalState.APPROVED.value: StateWords("Approved", "done"),
    ApprovalState.CHANGES_REQUESTED.value: StateWords("Changes requested", "wait"),
    ApprovalState.DISMISSED.value: StateWords("Withdrawn", "quiet"),
    "overdue": StateWords("Overdue", "bad"),
    "scheduled": StateWords("Scheduled", "run"),
    "withdrawn": StateWords("Withdrawn", "quiet"),
    "cancellation_taken_back": StateWords("Taken back", "quiet"),
    "cancellation_overtaken": StateWords("Ended sooner", "quiet"),
    "ending": StateWords("Set to end", "run"),
    "payment_due": StateWords("Awaiting payment", "wait"),
    "payment_under_way": StateWords("Payment in progress", "wait"),
    "refund_failed": StateWords("Failed, needs a decision", "bad"),
    "partly_refunded": StateWords("Partly refunded, needs a decision", "bad"),
    "paused": StateWords("Paused", "wait"),
    "reverted": StateWords("Reverted", "quiet"),
    "too_much": StateWords("Too much", "bad"),
    "not_paid": StateWords("Not paid", "bad"),
    "invoice_under_way": StateWords("Payment in progress", "wait"),
    "invoice_open": StateWords("Open", "wait"),
    "invoice_paid": StateWords("Paid", "done"),
    "invoice_draft": StateWords("Draft", "quiet"),
    "invoice_void": StateWords("Void", "quiet"),
    "invoice_uncollectible": StateWords("Uncollectible", "bad"),
    "promise_open": StateWords("Promised", "wait"),
    "promise_kept": StateWords("Kept", "done"),
    "promise_broken": StateWords("Not kept", "bad"),
    "promise_over": StateWords("Closed", "quiet"),
    "promise_replaced": StateWords("Replaced", "quiet"),
    "mail_held": StateWords("Waiting for their hours", "wait"),
    "mail_due": StateWords("Being sent", "run"),
    "mail_sent": StateWords("Sent", "done"),
    "mail_skipped": StateWords("Not sent", "quiet"),
    "mail_bounced": StateWords("Refused", "bad"),
    "dispute_needs_response": StateWords("Needs a response", "bad"),
    "dispute_under_review": StateWords("Under review", "wait"),
    "dispute_won": StateWords("Won", "done"),
    "dispute_lost": StateWords("Lost", "bad"),
    "dispute_prevented": StateWords("Prevented", "done"),
    "dispute_warning_needs_response": StateWords("Inquiry needs a response", "wait"),
    "dispute_warning_under_review": StateWords("Inquiry under review", "wait"),
    "dispute_warning_closed": StateWords("Inquiry closed", "quiet"),
    "succeeded": StateWords("Succeeded", "done"),
    "pending": StateWords("Pending", "wait"),
    "requires_action": StateWords("Waiting for the customer", "wait"),
    "canceled": StateWords("Cancelled", "quiet"),
    "link_live": StateWords("Active", "done"),
    "link_expired": StateWords("Expired", "quiet"),
    "link_replaced": StateWords("Replaced", "quiet"),
    "link_revoked": StateWords("Revoked", "quiet"),
    "delegation_offered": StateWords("Awaiting an answer", "wait"),
    "delegation_declined": StateWords("Declined", "bad"),
    "delegation_upcoming": StateWords("Upcoming", "wait"),
    "delegation_active": StateWords("Active", "done"),
    "delegation_over": StateWords("Ended", "quiet"),
    "delegation_revoked": StateWords("Revoked", "quiet"),
    "person_active": StateWords("Active", "done"),
    "person_gone": StateWords("Inactive", "quiet"),
    "key_live": StateWords("Active", "done"),
    "key_expired": StateWords("Expired", "quiet"),
    "key_revoked": StateWords("Revoked", "quiet"),
    "session_live": StateWords("Signed in", "done"),
    "session_idle": StateWords("Ended, not used", "quiet"),
    "session_expired": StateWords("Ended, expired", "quiet"),
    "session_revoked": StateWords("Signed out", "quiet"),
    "escalated": StateWords("Escalated", "bad"),
    "acknowledged": StateWords("Acknowledged", "done"),
    "superseded": StateWords("Replaced", "quiet"),
    "degraded": StateWords("Degraded", "bad"),
    "down": StateWords("Down", "bad"),
    "recovered": StateWords("Recovered, note missing", "wait"),
    "cleared": StateWords("Cleared", "done"),
}
MARKS: Mapping[str, str] = {"wait": "◔", "run": "●", "done": "✓", "bad": "✕", "quiet": "–"}
"""Beside the words, so that no state is told by its color alone."""

OBJECTS: Mapping[str, tuple[str, str]] = {
    "subscription": ("subscription", "subscriptions"),
    "customer": ("customer", "customers"),
    "invoice": ("invoice", "invoices"),
    "payment": ("payment", "payments"),
    "refund": ("refund", "refunds"),
    "credit_note": ("credit note", "credit notes"),
    "balance_transaction": ("change of a balance", "changes of balances"),
    "dispute": ("dispute", "disputes"),
    "organization_invoice": ("invoice from Plixo", "invoices from Plixo"),
}
"""What is compared with Stripe: one, and several."""

CASES: Mapping[CaseObject, str] = {
    CaseObject.REFUND: "Refund",
    CaseObject.CREDIT_NOTE: "Credit note",
    CaseObject.BALANCE_TRANSACTION: "Credit on the balance",
    CaseObject.VOID: "Invoice voided",
    CaseObject.WRITE_OFF: "Invoice written off",
    CaseObject.INVOICE_ITEM: "Negative invoice item",
    CaseObject.DISCOUNT: "Coupon",
    CaseObject.DISPUTE: "Lost dispute",
    CaseObject.SUBSCRIPTION: "Change of the subscription",
    CaseObject.CANCELLATION: "Planned cancellation",
}
"""What was made in Stripe itself."""

ROLES: Mapping[str, str] = {
    Role.BILLING_ADMIN.value: "Billing admin",
    Role.CONTROLLER.value: "Controller",
    Role.LEGAL.value: "Legal",
    Role.FINANCE.value: "Finance",
    Role.AUDITOR.value: "Auditor",
}


SEEN_TO_BY_PEOPLE = frozenset({Kind.CASE.value, Kind.PORTAL_ACCESS.value})
TOLD_BY_STAGE: Mapping[str, tuple[State, ...]] = {
    "scheduled": (State.RUNNING,),
    "ending": (State.RUNNING,),
    "changes_requested": (State.AWAITING_APPROVAL,),
    "payment_due": (State.RUNNING,),
    "payment_under_way": (State.RUNNING,),
    "pending": (State.RUNNING,),
    "requires_action": (State.RUNNING,),
    "refund_failed": (State.FAILED,),
    "paused": (State.HELD,),
}
"""Stages that say more than the state that they are in, with that."""


def state_words(state: str) -> StateWords:
    return STATES.get(state) or StateWords(state.replace("_", " ").capitalize(), "quiet")
