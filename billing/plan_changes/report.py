"""What is said of a plan change's end: to the admin, to Finance, and on the timeline."""

from typing import Any

from ..core.operations import Problem
from .limits import excesses
from .subject import ResultLines, Subject, Verification


def applied_report(subject: Subject, found: ResultLines, checked: Verification) -> dict[str, Any]:
    """The operation's result: what Stripe holds, beside whether it is what was approved."""
    return {
        "verified": checked.ok,
        "subscription": subject.subscription,
        "invoice": found.invoice,
        "invoice_status": found.invoice_status,
        "invoice_items": list(found.invoice_items),
        "total": found.total.model_dump() if found.total else None,
        "lines": [line.model_dump(mode="json") for line in found.lines],
        "differences": [difference.model_dump(mode="json") for difference in checked.differences],
    }


def unread_report(subject: Subject) -> dict[str, Any]:
    """The result while nobody knows what Stripe holds."""
    return {
        "verified": False,
        "subscription": subject.subscription,
        "invoice": None,
        "invoice_status": None,
        "invoice_items": [],
        "total": None,
        "lines": [],
        "differences": [],
    }


def unread_problem(why: Problem) -> Problem:
    """The change was sent to Stripe, and what came of it can't be told."""
    return Problem(
        code="result_unread",
        message="The change was sent to Stripe, but its result can't be read: "
        f"{why.message.rstrip('.')} ({why.code}). Look at the subscription in Stripe, then have it read "
        "again, accept it as it is, or revert to the former plan.",
    )


def blocked_problem(subject: Subject) -> Problem:
    """Names every limit that the new plan would not keep."""
    sentences = excesses(subject.limits, subject.to.plan, subject.preview.currency)
    return Problem(code="limits_exceeded", message="; ".join(sentences) + ".")


def mismatch_problem(checked: Verification) -> Problem:
    """Counts what is missing and what was not approved; the lines themselves are in the result."""
    missing = sum(d.what == "missing" for d in checked.differences)
    unexpected = len(checked.differences) - missing
    return Problem(
        code="lines_mismatched",
        message=f"Stripe holds other lines than those approved: {missing} missing, {unexpected} unexpected. "
        "Accept them as they are, revert to the former plan, or have them read again.",
    )


def schedule_problem() -> Problem:
    return Problem(
        code="schedule_mismatched",
        message="The schedule in Stripe did not say what was approved; it was released and nothing changes.",
    )


def schedule_gone_problem() -> Problem:
    return Problem(
        code="schedule_gone",
        message="The schedule was released or cancelled in Stripe: the change will not happen by itself. "
        "Ask for it again where it is still wanted.",
    )


def subscription_ended_problem() -> Problem:
    return Problem(
        code="subscription_ended",
        message="The subscription was cancelled in Stripe: there is nothing to change any more.",
    )


def preview_detail(subject: Subject) -> dict[str, Any]:
    """A preview on the timeline: the pinned second, every line, what is due when, every limit."""
    return {
        "proration_date": subject.proration_date,
        "lines": [line.model_dump(mode="json") for line in subject.preview.lines],
        "due_now": subject.preview.due_now.model_dump(),
        "next_invoice": subject.preview.next_invoice.model_dump(),
        "limits": [check.model_dump() for check in subject.limits],
    }
