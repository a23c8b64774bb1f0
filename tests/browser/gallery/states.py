"""The states that operations and their reviews are shown in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from billing.core.operations import Role, State
from db.core.clock import utc_now

from .kept import After

ADMIN, CONTROLLER, LEGAL, FINANCE = Role.BILLING_ADMIN, Role.CONTROLLER, Role.LEGAL, Role.FINANCE

ENDS: Mapping[str, str] = {
    "plan change: done": "plan_change_now",
    "plan change: done at renewal": "plan_change_later_1",
    "plan change: declined": "plan_change_declined",
    "plan change: cancelled": "plan_change_cancelled",
    "plan change: mismatch accepted": "plan_change_mismatched",
    "plan change: reverted": "plan_change_reverted",
    "plan change: revised": "plan_change_revised",
    "cancellation: done with the period": "cancellation_planned",
    "cancellation: done now": "cancellation_now",
    "refund: done": "refund_by_two",
    "refund: done by a delegate": "refund_by_delegate",
    "refund: of several payments": "refund_of_several",
    "refund: blocked": "refund_blocked_or_rejected_1",
    "refund: rejected": "refund_blocked_or_rejected_2",
    "refund: failed": "refund_failed",
    "refund: tried again": "refund_retried",
    "refund: taken back": "refund_taken_back",
    "refund: revised": "refund_revised",
    "credit: done": "credit_within_authority",
    "credit: by credit note": "credit_note",
    "credit: held and given": "credit_held",
    "void: done": "void_held",
    "write-off: done": "write_off_held",
    "case: closed": "case_1",
    "refund: waits for nobody": "case_4",
    "portal access: solved after failures": "portal_access_2",
    "portal access: solved": "portal_access_1",
    "reminder run: done": "reminder_run",
}
"""Operations as they ended: what their pages are called, and under what name their evidence is kept."""


@dataclass(frozen=True)
class Cut:
    """An operation on its way: the evidence `kept`, after its event `upto` and what came `then`, in a state.

    `fields` are those of its row, `subject` of what it is about, `approval` of its last round.
    """

    kept: str
    upto: str
    state: State
    stage: str = "done"
    then: Sequence[After] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    subject: Mapping[str, Any] = field(default_factory=dict)
    approval: Mapping[str, Any] = field(default_factory=dict)


def _may(*actions: str) -> dict[str, Any]:
    return {"allowed_actions": list(actions)}


def _usd(amount: int) -> dict[str, Any]:
    return {"amount_minor": amount, "currency": "usd"}


SOON = int((utc_now() + timedelta(hours=20)).timestamp())
SENT_BACK: After = ("awaiting_revision", None, {"revise_by": datetime.fromtimestamp(SOON, UTC).isoformat()})
HELD: After = ("held_by_incident", None, {})
DISMISSED: Sequence[After] = (
    ("cancellation_requested", ADMIN, {"comment": "Too early."}),
    ("review_dismissed", None, {}),
    ("cancelled", ADMIN, {"comment": "Too early."}),
)
EXPIRED: Sequence[After] = (("review_expired", None, {}), ("expired_unanswered", None, {}))
REJECTED: Sequence[After] = (("rejected", CONTROLLER, {"comment": "Not before the new contract."}),)
PAID_LATER: Mapping[str, Any] = {
    "subscription": "sub_1",
    "invoice": "in_1",
    "number": "PLX-0007",
    "amount": _usd(6_000),
    "needs": "authentication",
    "until": SOON,
}
DECLINED = {"code": "card_declined", "message": "Your card has insufficient funds."}
DIFFERS = {"differences": ["The amount is USD 500.00 instead of USD 600.00."], "verified": False}
UNREAD = {"code": "unexpected", "message": "Stripe did not say whether the plan was changed."}
GAVE_UP = {"code": "unexpected", "message": "Stripe refused the request three times."}
TAKEN_BACK = {"action": "take_back", "unused_time": None, "ends_at": None, "at_period_end": True}


def _due(**fields: Any) -> dict[str, Any]:
    return {"result": {**PAID_LATER, **fields}}


ON_THE_WAY: Mapping[str, Cut] = {
    "plan change: requested": Cut(
        "plan_change_now", "plan_change_requested", State.ACCEPTED, "accepted", fields=_may("cancel")
    ),
    "plan change: running": Cut("plan_change_now", "applying", State.RUNNING, "applying"),
    "plan change: held": Cut("plan_change_now", "applying", State.HELD, "applying", [HELD]),
    "plan change: held for a permission": Cut(
        "plan_change_now", "applying", State.HELD, "applying",
        [("held_for_permission", None, {"message": "the key in Stripe may not write subscriptions"})],
    ),
    "plan change: stopped by a fault": Cut(
        "plan_change_now", "applying", State.RUNNING, "applying", [("workflow_stuck", None, {})]
    ),
    "plan change: failed": Cut(
        "plan_change_now", "applying", State.FAILED, then=[("given_up", None, {})], fields={"error": GAVE_UP}
    ),
    "plan change: mismatched": Cut(
        "plan_change_mismatched", "lines_differ", State.MISMATCHED, "mismatched",
        fields=_may("accept", "revert", "read_again"),
    ),
    "plan change: outcome unknown": Cut(
        "plan_change_mismatched", "changed_in_stripe", State.MISMATCHED, "mismatched",
        [("outcome_unknown", None, {})], _may("read_again") | {"error": UNREAD, "result": {
            "about": "plan_change", "verified": False, "subscription": "sub_1", "problem": UNREAD}},
    ),
    "plan change: scheduled": Cut(
        "plan_change_later_1", "scheduled", State.RUNNING, "scheduled", fields=_may("cancel")
    ),
    "plan change: replaced": Cut(
        "plan_change_later_1", "scheduled", State.CANCELLED,
        then=[("plan_change_replaced", ADMIN, {"change": "op_01M8PQV3VVHA0T1SZF0KYN034B"})],
        fields={"result": {"replaced_by": "op_01M8PQV3VVHA0T1SZF0KYN034B"},
            "error": {"code": "replaced", "message": "Another plan change has taken its place."}},
    ),
    "plan change: to be confirmed": Cut(
        "plan_change_now", "applying", State.RUNNING, "payment_due", [("payment_due", None, {})],
        _may("cancel") | _due(),
    ),
    "plan change: to be paid otherwise": Cut(
        "plan_change_now", "applying", State.RUNNING, "payment_due", [("payment_due", None, {})],
        _may("cancel") | _due(needs="payment_method", problem=DECLINED),
    ),
    "plan change: bank debit before it": Cut(
        "plan_change_now", "applying", State.RUNNING, "payment_due", [("payment_due", None, {})],
        _may("cancel") | _due(needs="time"),
    ),
    "plan change: bank debit after it": Cut(
        "plan_change_now", "applying", State.RUNNING, "payment_under_way", [("payment_under_way", None, {})],
        _due(needs="time", until=None),
    ),
    "plan change: not paid in time": Cut(
        "plan_change_now", "applying", State.EXPIRED,
        then=[("payment_due", None, {}), ("payment_expired", None, {})],
        fields={"error": {"code": "payment_expired", "message": "The change was not paid in time: Stripe has "
            "dropped it and voided its invoice. Nothing was changed or charged."}},
    ),
    "plan change: takes the end back": Cut(
        "plan_change_now", "applying", State.RUNNING, "applying",
        subject={"takes_back": {"at": SOON, "at_period_end": True}},
    ),
    "plan change: blocked by limits": Cut(
        "plan_change_now", "previewed", State.BLOCKED, then=[("blocked_by_limits", None, {})],
        fields={"error": {"code": "limits_exceeded",
            "message": "Customers: 61 in use, 50 allowed after the change: 11 too many."}},
    ),
    "plan change: expired": Cut(
        "plan_change_now", "review_requested", State.EXPIRED, then=EXPIRED, approval={"state": "expired"}
    ),
    "plan change: rejected": Cut(
        "plan_change_now", "review_requested", State.REJECTED, then=REJECTED, approval={"state": "rejected"}
    ),
    "cancellation: requested": Cut(
        "cancellation_planned", "note_added", State.ACCEPTED, "accepted", fields=_may("cancel")
    ),
    "cancellation: running": Cut("cancellation_now", "cancelling_plan", State.RUNNING, "applying"),
    "cancellation: held": Cut("cancellation_now", "cancelling_plan", State.HELD, "applying", [HELD]),
    "cancellation: set to end": Cut(
        "cancellation_planned", "plan_end_planned", State.RUNNING, "ending"
    ),
    "cancellation: withdrawn": Cut(
        "cancellation_planned", "review_requested", State.CANCELLED, then=DISMISSED,
        approval={"state": "dismissed"},
    ),
    "cancellation: taken back later": Cut(
        "cancellation_planned", "plan_end_planned", State.CANCELLED,
        then=[("plan_end_taken_back", ADMIN, {})],
        fields={"error": {"code": "cancellation_taken_back",
            "message": "The end of the plan was taken back: it renews."}},
    ),
    "cancellation: ended sooner": Cut(
        "cancellation_planned", "plan_end_planned", State.CANCELLED,
        then=[("plan_ended_sooner", None, {})],
        fields={"error": {"code": "cancellation_overtaken",
            "message": "Another request ended the plan before its period did."}},
    ),
    "cancellation: that one is taken back": Cut(
        "cancellation_now", "approved", State.COMPLETED,
        then=[("cancelling_plan", None, {}), ("plan_kept", None, {})],
        subject={**TAKEN_BACK, "cancel_at": SOON},
    ),
    "cancellation: mismatched": Cut(
        "cancellation_now", "cancelling_plan", State.MISMATCHED, "mismatched",
        [("cancellation_differs", None, {})], _may("accept") | {"result": {"differences": [
            "The plan ends May 1, 2026 instead of at once."]}},
    ),
    "cancellation: rejected": Cut(
        "cancellation_now", "review_requested", State.REJECTED, then=REJECTED, approval={"state": "rejected"}
    ),
    "cancellation: expired": Cut(
        "cancellation_planned", "review_requested", State.EXPIRED, then=EXPIRED,
        approval={"state": "expired"},
    ),
    "cancellation: blocked": Cut(
        "cancellation_planned", "note_added", State.BLOCKED, then=[("not_possible", None, {})],
        fields={"error": {"code": "already_ending",
            "message": "The plan is already set to end May 1, 2026. Take that back first."}},
    ),
    "refund: issuing": Cut("refund_by_two", "issuing_refund", State.RUNNING, "issuing"),
    "refund: held": Cut("refund_by_two", "approved", State.HELD, "issuing", [HELD]),
    "refund: pending": Cut(
        "refund_by_two", "changed_in_stripe", State.RUNNING, "pending", [("refund_pending", None, {})]
    ),
    "refund: waits for the customer": Cut(
        "refund_taken_back", "refund_awaits_customer", State.RUNNING, "requires_action",
        fields=_may("cancel"),
    ),
    "refund: failed and open": Cut(
        "refund_failed", "refund_failed_after_success", State.FAILED, "refund_failed",
        fields=_may("retry", "close"),
    ),
    "refund: partly failed and open": Cut(
        "refund_of_several", "changed_in_stripe", State.MISMATCHED, "refund_failed",
        [("refund_failed", None, {})], _may("retry", "close") | {"error": {"code": "refund_failed",
            "message": "The refund of USD 10.00 of pi_7cd51f0ef96116d5f3e21540 failed, because the card was "
            "reported lost or stolen."}},
    ),
    "refund: cancelled": Cut(
        "refund_by_two", "review_requested", State.CANCELLED, then=DISMISSED, approval={"state": "dismissed"}
    ),
    "refund: expired": Cut(
        "refund_by_two", "review_requested", State.EXPIRED, then=EXPIRED, approval={"state": "expired"}
    ),
    "refund: mails refused": Cut(
        "refund_by_two", "approved", State.RUNNING, "issuing",
        [("mail_refused", None, {"person": "per_1"}), ("mail_given_up", None, {"people": ["per_1"]}),
         ("rung_vacant_any_asked", None, {"why": "no controller can decide it", "instead": ["legal"]})],
    ),
    "credit: giving": Cut("credit_held", "issuing_credit", State.RUNNING, "issuing"),
    "credit: held": Cut("credit_held", "held_by_incident", State.HELD, "issuing"),
    "credit: mismatched": Cut(
        "credit_held", "issuing_credit", State.MISMATCHED, "mismatched", [("credit_differs", None, {})],
        _may("accept") | {"result": DIFFERS},
    ),
    "credit: rejected": Cut(
        "credit_held", "review_requested", State.REJECTED, then=REJECTED, approval={"state": "rejected"}
    ),
    "credit: cancelled": Cut(
        "credit_held", "review_requested", State.CANCELLED, then=DISMISSED, approval={"state": "dismissed"}
    ),
    "credit: expired": Cut(
        "credit_held", "review_requested", State.EXPIRED, then=EXPIRED, approval={"state": "expired"}
    ),
    "credit: blocked": Cut(
        "credit_held", "note_added", State.BLOCKED, then=[("not_possible", None, {})],
        fields={"error": {"code": "customer_unknown", "message": "Stripe has no customer cus_1 of yours."}},
    ),
    "void: held": Cut("void_held", "approved", State.HELD, "issuing", [HELD]),
    "void: mismatched": Cut(
        "void_held", "voiding", State.MISMATCHED, "mismatched", [("void_differs", None, {})],
        _may("accept") | {"result": {"differences": ["The invoice is paid instead of void."]}},
    ),
    "void: rejected": Cut(
        "void_held", "review_requested", State.REJECTED, then=REJECTED, approval={"state": "rejected"}
    ),
    "void: blocked": Cut(
        "void_held", "note_added", State.BLOCKED, then=[("not_possible", None, {})],
        fields={"error": {"code": "invoice_part_paid", "message": "USD 20.00 of it is paid: give that back "
            "first, or write the rest off."}},
    ),
    "write-off: under way": Cut("write_off_held", "writing_off", State.RUNNING, "issuing"),
    "write-off: mismatched": Cut(
        "write_off_held", "writing_off", State.MISMATCHED, "mismatched", [("write_off_differs", None, {})],
        _may("accept") | {"result": {"differences": ["The invoice is paid instead of uncollectible."]}},
    ),
    "write-off: expired": Cut(
        "write_off_held", "review_requested", State.EXPIRED, then=EXPIRED, approval={"state": "expired"}
    ),
    "portal access: diagnosed": Cut(
        "portal_access_1", "diagnosed", State.RUNNING, "waiting", fields=_may("close")
    ),
    "portal access: late": Cut(
        "portal_access_2", "new_link_mailed", State.RUNNING, "waiting", [("deadline_missed", None, {})],
        _may("close"), {"cause": "reported", "description": "They see an empty page."},
    ),
    "portal access: paid": Cut(
        "portal_access_1", "diagnosed", State.COMPLETED, then=[("invoice_paid", None, {})]
    ),
    "portal access: closed by a person": Cut(
        "portal_access_2", "diagnosed", State.COMPLETED,
        then=[("closed_by_person", CONTROLLER, {"comment": "They pay by bank transfer."})],
    ),
    "case: note owed": Cut(
        "case_1", "finance_told", State.RUNNING, "note_owed", fields=_may("take", "close")
    ),
    "case: waits for its maker": Cut(
        "case_1", "awaiting_maker", State.RUNNING, "maker_to_confirm",
        fields=_may("confirm") | {"result": {"named": None, "named_by": None}}
    ),
    "case: came to nothing": Cut(
        "case_1", "finance_told", State.COMPLETED, then=[("came_to_nothing", None, {})]
    ),
    "reminder run: paused": Cut(
        "reminder_run", "run_begun", State.HELD, "paused",
        [("pause_requested", ADMIN, {}), ("paused", ADMIN, {"comment": "The amounts are being checked."})],
        _may("resume", "cancel"),
    ),
    "reminder run: cancelled": Cut(
        "reminder_run", "run_begun", State.CANCELLED, then=[("cancelled", ADMIN, {"comment": "Too early."})]
    ),
    "reminder run: failed": Cut(
        "reminder_run", "run_begun", State.FAILED, then=[("given_up", None, {})], fields={"error": GAVE_UP}
    ),
}  # fmt: skip


def _waiting(kept: str, **more: Any) -> Cut:
    given = {"fields": _may("cancel")} | more
    return Cut(kept, "review_requested", State.AWAITING_APPROVAL, "review", **given)


REVIEWS: Mapping[str, Cut] = {
    "plan change: waiting": _waiting("plan_change_now"),
    "refund: waiting": _waiting("refund_by_two"),
    "credit: waiting": _waiting("credit_held"),
    "void: waiting": _waiting("void_held"),
    "write-off: waiting": _waiting("write_off_held"),
    "cancellation: waiting": _waiting("cancellation_now"),
    "cancellation: taken back, waiting": _waiting(
        "cancellation_now", subject={**TAKEN_BACK, "cancel_at": SOON}
    ),
    "refund: approved by one": Cut(
        "refund_by_two", "partly_approved", State.AWAITING_APPROVAL, "review", fields=_may("cancel")
    ),
    "refund: changes requested": Cut(
        "refund_revised", "changes_requested", State.AWAITING_APPROVAL, "changes_requested", [SENT_BACK],
        fields=_may("revise", "cancel"),
    ),
    "refund: second round": Cut(
        "refund_revised", "review_requested:2", State.AWAITING_APPROVAL, "review", fields=_may("cancel"),
        approval={"since": {"why": "revised", "changes": [], "comment": "Only for March."}},
    ),
    "refund: expired": Cut(
        "refund_by_two", "review_requested", State.EXPIRED, then=EXPIRED, approval={"state": "expired"}
    ),
    "credit: withdrawn": Cut(
        "credit_held", "review_requested", State.CANCELLED, then=DISMISSED, approval={"state": "dismissed"}
    ),
    "void: superseded": _waiting("void_held", approval={"state": "superseded"}),
    "plan change: changes requested": Cut(
        "plan_change_revised", "changes_requested", State.AWAITING_APPROVAL, "changes_requested", [SENT_BACK],
        fields=_may("revise", "cancel"),
    ),
}  # fmt: skip
"""Reviews, whose pages the controller looks at."""

DECIDED: Mapping[str, str] = {
    "plan change, approved": "plan_change_now",
    "refund, rejected": "refund_blocked_or_rejected_2",
    "refund, by two": "refund_by_two",
    "cancellation, approved": "cancellation_planned",
}


OPEN_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "to be confirmed": {"state": State.RUNNING, "stage": "payment_due", **_due()},
    "scheduled": {"state": State.RUNNING, "stage": "scheduled", **_may("cancel")},
    "mismatched": {"state": State.MISMATCHED, "stage": "mismatched", **_may("accept")},
    "changes requested": {"state": State.AWAITING_APPROVAL, "stage": "changes_requested", **_may("revise")},
}
"""What the page of the plan says of the change that is open."""
