"""Disputes: a customer's bank asks for a charge's money back, or first only asks about it.

    inquiry     warning_needs_response -> warning_under_review -> warning_closed | needs_response
    chargeback  needs_response -> under_review -> won | lost
    resolution  prevented

The test card says which comes (test_cards.py). A chargeback takes its money at once, and a fee; what is won
brings the money back. Evidence whose text is one of Stripe's words decides itself a minute later; any other
waits for the bank (`/_sandbox/disputes`, where a customer disputes any charge at any later time, too). What
is prevented has taken its money by a rule of the card network's, without a fee and without an answer. Who
does not respond in time has lost; an inquiry is then closed.
https://docs.stripe.com/disputes, https://docs.stripe.com/testing#disputes
"""

from collections.abc import Callable
from typing import Any, Literal

from ..core.kernel import Ctx, Obj, attends, invalid, public
from ..core.updates import changed, differences
from ..customers.test_cards import Case
from .dispute_shapes import FEE, KIND, RESPOND_WITHIN, movement, new_dispute

DECIDED_AFTER = 60
"""Seconds after which evidence decides itself."""
Verdict = Literal["won", "lost", "warning_closed", "escalated"]
VERDICTS: dict[str, dict[str, Verdict]] = {
    "winning_evidence": {"under_review": "won", "warning_under_review": "warning_closed"},
    "losing_evidence": {"under_review": "lost", "warning_under_review": "warning_closed"},
    "escalate_inquiry_evidence": {"warning_under_review": "escalated"},
}
"""What the `uncategorized_text` of evidence leads to, by the status in which it is looked at."""
TAKEN: list[Callable[[Ctx, Obj], None]] = []
"""What others do about a charge whose money a dispute takes, before it does."""
ANSWERABLE = ("needs_response", "warning_needs_response")
POSSIBLE: dict[str, tuple[Verdict, ...]] = {
    "needs_response": ("won", "lost"),
    "under_review": ("won", "lost"),
    "warning_needs_response": ("warning_closed", "escalated"),
    "warning_under_review": ("warning_closed", "escalated"),
}
"""What may become of a dispute, by its status; of others, nothing any more."""


def open_dispute(ctx: Ctx, charge: Obj, reason: str, case: Case) -> Obj:
    """The customer disputes what is left of a charge; all but an inquiry takes the money away at once.

    Raises 400 where nothing is left, or a dispute has taken it already.
    """
    refuse_disputed(ctx, charge)
    if case != "inquiry":
        _stop_refunds(ctx, charge)
    dispute = new_dispute(ctx, charge, reason, case)
    if dispute["amount"] <= 0 or not charge["paid"]:
        raise invalid(f"Nothing is left to dispute of the charge {charge['id']}.", param="charge")
    charge["disputed"] = True
    ctx.store.put(charge)
    ctx.store.put(dispute)
    ctx.emit("charge.dispute.created", dispute)
    if case != "inquiry":
        _withdraw(ctx, dispute, 0 if case == "resolution" else FEE)
    return dispute


def _withdraw(ctx: Ctx, dispute: Obj, fee: int) -> None:
    """Take the money away."""
    before = public(dispute)
    dispute["balance_transactions"].append(movement(ctx, dispute, -dispute["amount"], fee))
    ctx.store.put(dispute)
    ctx.emit("charge.dispute.funds_withdrawn", dispute, differences(before, dispute))


def _stop_refunds(ctx: Ctx, charge: Obj) -> None:
    for hook in TAKEN:
        hook(ctx, charge)


def refuse_disputed(ctx: Ctx, charge: Obj) -> None:
    """Refuse to refund what a chargeback has taken, as its dispute says: recorded behavior."""
    if any(not one["is_charge_refundable"] for one in ctx.store.related(KIND, "charge", charge["id"])):
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )


def close_refunded(ctx: Ctx, charge: Obj) -> None:
    """Nothing is left to withdraw of a charge that was refunded in full: its inquiry is over."""
    for dispute in ctx.store.related(KIND, "charge", charge["id"]):
        if dispute["status"].startswith("warning_") and dispute["status"] in POSSIBLE:
            decide(ctx, dispute, "warning_closed")


def respond(ctx: Ctx, dispute: Obj, evidence: dict[str, Any], *, submit: bool) -> None:
    """Stage evidence, and submit it to the bank unless told otherwise; that is possible once."""
    if dispute["status"] not in ANSWERABLE:
        raise invalid(f"This dispute is {dispute['status']}: its evidence can't be changed any more.")
    before = public(dispute)
    for name, value in evidence.items():
        dispute["evidence"][name] = None if value == "" else public(value)
    details = dispute["evidence_details"]
    details["has_evidence"] = any(value for value in dispute["evidence"].values())
    if submit:
        inquiry = dispute["status"].startswith("warning_")
        details.update(
            past_due=ctx.now > details["due_by"],
            submission_count=details["submission_count"] + 1,
            submission_method="manual",
        )
        dispute["status"] = "warning_under_review" if inquiry else "under_review"
        text = dispute["evidence"]["uncategorized_text"] or ""
        dispute["_verdict"] = VERDICTS.get(text, {}).get(dispute["status"])
        dispute["_due"] = ctx.now + DECIDED_AFTER if dispute["_verdict"] else None
    changed(ctx, dispute, before, "charge.dispute.updated")


def decide(ctx: Ctx, dispute: Obj, verdict: Verdict) -> None:
    """The bank's answer. Raises 400 for one that can't be given any more."""
    if verdict not in POSSIBLE.get(dispute["status"], ()):
        raise invalid(f"A dispute that is {dispute['status']} can't become {verdict}.")
    if verdict == "escalated":
        _escalate(ctx, dispute)
        return
    before = public(dispute)
    dispute.update(status=verdict, _due=None, _verdict=None)
    if verdict == "won":
        fee = -FEE if ctx.switches.dispute_fee == "returned" else 0
        dispute["balance_transactions"].append(movement(ctx, dispute, dispute["amount"], fee))
        dispute["is_charge_refundable"] = True
    ctx.store.put(dispute)
    changes = differences(before, dispute)
    ctx.emit("charge.dispute.closed", dispute, changes)
    if verdict == "won":
        ctx.emit("charge.dispute.funds_reinstated", dispute, changes)


@attends(KIND)
def attend(ctx: Ctx, dispute: Obj) -> None:
    """The evidence decides itself, or the time to respond is over."""
    inquiry = dispute["status"].startswith("warning_")
    if dispute["status"] in ANSWERABLE:
        dispute["evidence_details"]["past_due"] = True
    decide(ctx, dispute, dispute["_verdict"] or ("warning_closed" if inquiry else "lost"))


def _escalate(ctx: Ctx, dispute: Obj) -> None:
    """An inquiry becomes a chargeback, which can be answered anew."""
    before, charge = public(dispute), ctx.store.get("charge", dispute["charge"])
    _stop_refunds(ctx, charge)
    dispute["evidence_details"]["due_by"] = ctx.now + RESPOND_WITHIN
    if details := dispute["payment_method_details"]:
        details["card"]["case_type"] = "chargeback"
    dispute.update(
        amount=charge["amount"] - charge["amount_refunded"],
        is_charge_refundable=False,
        status="needs_response",
        _due=ctx.now + RESPOND_WITHIN,
        _verdict=None,
    )
    ctx.store.put(dispute)
    ctx.emit("charge.dispute.updated", dispute, differences(before, dispute))
    _withdraw(ctx, dispute, FEE)
