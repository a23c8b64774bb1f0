"""What is said of a plan change's end: to the admin, to Finance, and on the timeline."""

from collections.abc import Collection
from typing import Any, Literal

from ..core.money import Money
from ..core.operations import Payload, Problem
from ..stripe.effects import NOT_WAITING
from ..stripe.invoice_amounts import InvoiceAmounts
from .proration import AnyDifference, Difference, Line
from .revert import RevertResult, revert_words
from .subject import PlanChangeSubject
from .verification import ResultLines, Verification

_UNSAID = frozenset(
    {
        "amounts",
        "problem",
        "unpaid",
        "revert",
        "irrevertible",
        "reverted",
        "accepted_by",
        "reverted_by",
        "comment",
    }
)
"""What a document leaves out while nobody has said it."""


class PlanChangeResult(Payload):
    """What Stripe holds after a plan change, beside whether it is what was approved."""

    about: Literal["plan_change"] = "plan_change"
    verified: bool
    subscription: str
    invoice: str | None = None
    invoice_status: str | None = None
    invoice_items: tuple[str, ...] = ()
    total: Money | None = None
    lines: tuple[Line, ...] = ()
    amounts: InvoiceAmounts | None = None
    """Of the invoice that the lines are on, or wait for."""
    differences: tuple[AnyDifference, ...] = ()
    problem: Problem | None = None
    """Why nobody knows what Stripe holds."""
    unpaid: Problem | None = None
    """Why the change is there, but not paid."""
    revert: PlanChangeSubject | None = None
    """What a revert would do, or was shown to do before it was done."""
    irrevertible: Problem | None = None
    """Why a revert is refused."""
    reverted: RevertResult | None = None
    """What Stripe holds of the revert."""
    accepted_by: str | None = None
    reverted_by: str | None = None
    comment: str | None = None
    """Of whoever accepted or reverted it."""

    @property
    def reverting(self) -> str:
        """What a revert would bring, in a sentence."""
        return revert_words(self.revert or self.irrevertible)

    def document(self) -> dict[str, Any]:
        """Without what nobody has said."""
        said = super().document()
        said["revert"] = self.revert.document() if self.revert else None
        return {name: value for name, value in said.items() if name not in _UNSAID or value is not None}


class ScheduledPlanChange(Payload):
    """What will happen in Stripe at the end of the period (`effective_at`, UTC seconds)."""

    about: Literal["scheduled_plan_change"] = "scheduled_plan_change"
    schedule: str
    effective_at: int
    verified: bool = True
    replaced_by: str | None = None
    """The plan change that has taken its place before that."""

    def document(self) -> dict[str, Any]:
        """Without what hasn't taken its place."""
        said = super().document()
        return {name: value for name, value in said.items() if name != "replaced_by" or value is not None}


def applied_report(
    subject: PlanChangeSubject, found: ResultLines, checked: Verification, unpaid: Problem | None = None
) -> PlanChangeResult:
    """The operation's result: what Stripe holds, beside whether it is what was approved, and paid."""
    return PlanChangeResult(
        verified=checked.ok and unpaid is None,
        subscription=subject.subscription,
        invoice=found.invoice,
        invoice_status=found.invoice_status,
        invoice_items=found.invoice_items,
        total=found.total,
        lines=found.lines,
        amounts=found.amounts,
        differences=checked.differences,
        unpaid=unpaid,
    )


def unread_report(subject: PlanChangeSubject) -> PlanChangeResult:
    """The result while nobody knows what Stripe holds."""
    return PlanChangeResult(verified=False, subscription=subject.subscription)


def unread_problem(why: Problem) -> Problem:
    """The change was sent to Stripe, and what came of it can't be told."""
    return Problem(
        code="result_unread",
        message="The change was sent to Stripe, but its result can't be read: "
        f"{why.message.rstrip('.')} ({why.code}). Look at the subscription in Stripe, then have it read "
        "again, accept it as it is, or revert to the previous plan.",
    )


def now_as_approved_problem() -> Problem:
    """A revert that was agreed on before, and would bring something else than was shown then."""
    return Problem(
        code="as_approved_by_now",
        message="Stripe has by now what was approved, and reverting it would bring something else than was "
        "shown. Accept it, or revert it as it is shown now.",
    )


def blocked_problem(subject: PlanChangeSubject) -> Problem:
    """Names every limit that the new plan would not keep."""
    return Problem(code="limits_exceeded", message="; ".join(subject.excesses) + ".")


def mismatch_problem(checked: Verification) -> Problem:
    """Names everything that is not as approved, and counts the lines; they themselves are in the result."""
    missing = sum(d.what == "missing" for d in checked.differences)
    unexpected = sum(d.what == "unexpected" for d in checked.differences)
    others = [d.words for d in checked.differences if not isinstance(d, Difference)]
    lines = [f"lines: {missing} missing, {unexpected} unexpected"] if missing or unexpected else []
    return Problem(
        code="lines_mismatched",
        message=f"Stripe holds something else than was approved: {'; '.join([*lines, *others])}. "
        "Accept it as it is, revert to the previous plan, or have it read again.",
    )


def schedule_problem(names: Collection[str]) -> Problem:
    """`names` are those of the fields that differ."""
    return Problem(
        code="schedule_mismatched",
        message="The schedule in Stripe did not say what was approved; it was released and nothing changes. "
        f"Different: {', '.join(names)}.",
    )


def changed_since_problem(names: Collection[str]) -> Problem:
    """`names` are those of the subscription's fields that differ."""
    return Problem(
        code="subscription_changed",
        message=f"The subscription was changed in Stripe since the approval: {', '.join(names)}. Nothing was "
        "done; ask for it again where it is still wanted.",
    )


def overtaken_problem(names: Collection[str]) -> Problem:
    """`names` are those of the subscription's fields that differ."""
    return Problem(
        code="subscription_changed",
        message="While the change waited for the end of the period, the subscription was changed in Stripe: "
        f"{', '.join(names)}. The change would have undone that; its schedule was released and nothing "
        "changes. Ask for it again where it is still wanted.",
    )


def replaced_problem(by: str) -> Problem:
    """How a change ends whose schedule is rewritten to another one."""
    return Problem(
        code="replaced",
        message=f"Its place was taken by {by}, which comes at the end of the period instead.",
    )


def not_replaced_now_problem(waiting: str) -> Problem:
    """Why a change that is to come now can't take the place of one that waits."""
    return Problem(
        code="plan_change_open",
        message=f"A plan change ({waiting}) waits for the end of the period. A change at the end of the "
        "period takes its place; for one from now, cancel it first.",
    )


def still_open_problem(other: str) -> Problem:
    """Why a change can't come beside another one that is being applied, or whose outcome is not settled."""
    return Problem(
        code="plan_change_open",
        message=f"Another plan change ({other}) is not over. Wait until it ends, or settle its mismatch "
        "(accept or revert it, or have it read again), then ask again where this one is still wanted.",
    )


def not_replaceable_problem(waiting: str) -> Problem:
    """Why a change can't take the place of another one, after all."""
    return Problem(
        code=NOT_WAITING,
        message=f"What it was to replace ({waiting}) has come or was cancelled meanwhile. "
        "Nothing was changed; ask again where it is still wanted.",
    )


def with_replaced(problem: Problem, subject: PlanChangeSubject) -> Problem:
    """A change that came to nothing after it had taken the place of another one: nothing comes any more."""
    if subject.replaces is None:
        return problem
    told = f"What it had replaced ({subject.replaces.operation}) doesn't come either."
    return problem.model_copy(update={"message": f"{problem.message.rstrip('.')}. {told}"})


def end_not_planned_problem(nothing: Problem | None, why: Problem | None) -> Problem:
    """A change came to `nothing`, or was cancelled, and the end that it took back can't be planned again."""
    first = f"{nothing.message} " if nothing else ""
    reason = f" ({why.message.rstrip('.')})" if why else ""
    return Problem(
        code="end_not_planned",
        message=f"{first}The planned end of the subscription, which the change had taken back, can't be "
        f"planned again{reason}: it renews. Ask for its cancellation anew where it is still wanted.",
    )


def schedule_released_problem() -> Problem:
    """An earlier run had given it up, and was ended before it told why."""
    return Problem(
        code="schedule_released",
        message="The change could not be scheduled as approved and was taken back in Stripe. Its "
        "workflow was ended in Temporal before it recorded why. Request it again if it is still needed.",
    )


def schedule_gone_problem() -> Problem:
    return Problem(
        code="schedule_gone",
        message="The schedule was released or cancelled in Stripe: the change will not happen by itself. "
        "Ask for it again where it is still wanted.",
    )


def preview_detail(subject: PlanChangeSubject) -> dict[str, Any]:
    """A preview on the timeline: the pinned second, every line and amount, what is due when, every limit."""
    return {
        "proration_date": subject.proration_date,
        "lines": [line.model_dump(mode="json") for line in subject.preview.lines],
        "amounts": subject.preview.amounts.model_dump(mode="json"),
        "due_now": subject.preview.due_now.model_dump(),
        "next_invoice": subject.preview.next_invoice.model_dump(),
        "limits": [check.model_dump() for check in subject.limits],
    }
