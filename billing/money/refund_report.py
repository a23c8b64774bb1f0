"""What is told of a refund: its result, and what is wrong with it."""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add
from typing import Any, Literal, Self

from ..core.money import Money
from ..core.operations import Message, Payload, Problem
from .notes import with_objects
from .refund import RefundFound, RefundPart, RefundSubject

FAILURES = {
    "lost_or_stolen_card": "the card was reported lost or stolen",
    "expired_or_canceled_card": "the card has expired or was cancelled",
    "charge_for_pending_refund_disputed": "the customer disputed the charge while the refund was pending",
    "insufficient_funds": "your Stripe balance does not cover it",
    "declined": "the customer's bank declined it",
    "merchant_request": "it was stopped at the merchant's request",
    "unknown": "the bank gave no reason",
}
"""Stripe's failure reasons (Stripe, Refund object), in words that follow "because"."""

WORST_FIRST = ("failed", "canceled", "refused", "not_tried", "requires_action", "pending", "succeeded")


class Share(Message):
    """One part of a refund on its way: what Stripe has of it, or why Stripe refused it."""

    part: RefundPart
    currency: str
    version: int = 0
    """Tries that a person asked for so far."""
    found: RefundFound | None = None
    refused: Problem | None = None

    @property
    def status(self) -> str:
        """Stripe's word, or `refused` or `not_tried` where there is no refund."""
        if self.found is not None:
            return self.found.status
        return "refused" if self.refused is not None else "not_tried"

    @property
    def through(self) -> bool:
        return self.status == "succeeded"

    @property
    def under_way(self) -> bool:
        return self.status in ("pending", "requires_action")

    @property
    def problem(self) -> Problem | None:
        """What is wrong with it, for the admin; None while it may still come through."""
        named = f"The refund of {self._money().format()}"
        if self.found is None:
            return self.refused or Problem(code="refund_not_tried", message=f"{named} was not tried.")
        if self.status == "failed":
            why = FAILURES.get(self.found.failure_reason or "unknown", FAILURES["unknown"])
            return Problem(code="refund_failed", message=f"{named} failed, because {why}.")
        if self.status == "canceled":
            return Problem(code="refund_canceled", message=f"{named} was cancelled in Stripe.")
        if (self.found.amount, self.found.payment_intent) != (self.part.amount, self.part.payment_intent):
            theirs, other = self._money(self.found.amount).format(), self.found.payment_intent
            where = f" of another payment, {other}" if other != self.part.payment_intent else ""
            message = f"{named} differs: Stripe has {theirs}{where} instead."
            return Problem(code="refund_differs", message=message)
        return None

    @property
    def no_room(self) -> Problem:
        """Why it can't be tried again."""
        return Problem(
            code="amount_above_refundable",
            message=f"The payment has less than {self._money().format()} left by now, beside what others "
            "will give back.",
        )

    def tried(
        self, version: int, *, found: RefundFound | None = None, refused: Problem | None = None
    ) -> Self:
        """What became of a try: there is a refund now, or Stripe refused it."""
        return self.model_copy(update={"version": version, "found": found, "refused": refused})

    def _money(self, amount: int | None = None) -> Money:
        return Money(amount_minor=self.part.amount if amount is None else amount, currency=self.currency)


def first_found(refund: str, detail: dict[str, Any]) -> RefundFound:
    """The refund as the request that made it was answered; it is read anew before anything is told of it."""
    return RefundFound(
        refund=refund,
        status=detail["status"],
        amount=detail["amount"],
        currency=detail["currency"],
        payment_intent=detail["payment_intent"],
        metadata={},
    )


class RefundedPart(Message):
    """What was to be returned of one payment, and what became of that in Stripe."""

    refund: str | None
    status: str
    """Stripe's word, or `refused` or `not_tried` where there is no refund."""
    payment_intent: str
    amount: Money
    failure_reason: str | None

    @property
    def succeeded(self) -> bool:
        return self.status == "succeeded"

    @property
    def lost(self) -> bool:
        """Whether the money will not reach the customer."""
        return self.status in ("failed", "canceled", "refused", "not_tried")

    @property
    def why(self) -> str | None:
        """Why Stripe could not return it, in words that follow a colon; None unless it failed."""
        if self.status != "failed":
            return None
        reason = self.failure_reason or "unknown"
        return FAILURES.get(reason, f"Stripe's reason is {reason}")


class RefundResult(Payload):
    """What Stripe made of a refund: the refund where it is of one payment, and every part of it.

    `status` is the worst of the parts', `refunded` what the customer has.
    """

    about: Literal["refund"] = "refund"
    refund: str | None
    status: str
    payment_intent: str | None
    amount: Money
    refunded: Money
    note: str
    parts: tuple[RefundedPart, ...]
    note_problem: Problem | None = None
    """Why Stripe did not take the note of whoever closed it."""

    def document(self) -> dict[str, Any]:
        """Without a problem that there is not."""
        said = super().document()
        return {name: value for name, value in said.items() if name != "note_problem" or value is not None}

    @property
    def made(self) -> bool:
        """Whether Stripe has any refund of it."""
        return any(part.refund for part in self.parts)

    @property
    def complete(self) -> bool:
        """Whether all of it was returned."""
        return all(part.succeeded for part in self.parts)

    @property
    def returned(self) -> Money | None:
        """What the customer has; None for nothing."""
        return _together(part.amount for part in self.parts if part.succeeded)

    @property
    def lost_amount(self) -> Money | None:
        """What came to nothing; None for nothing."""
        return _together(part.amount for part in self.parts if part.lost)


def refund_report(subject: RefundSubject, shares: Sequence[Share]) -> RefundResult:
    """The operation's result: the refund (of one payment) or the refunds, with the worst status first."""
    statuses = [share.status for share in shares]
    currency = subject.amount.currency
    through = sum(share.part.amount for share in shares if share.through)
    parts = tuple(
        RefundedPart(
            refund=share.found.refund if share.found else None,
            status=share.status,
            payment_intent=share.part.payment_intent,
            amount=Money(amount_minor=share.part.amount, currency=currency),
            failure_reason=share.found.failure_reason if share.found else None,
        )
        for share in shares
    )
    return RefundResult(
        refund=parts[0].refund if len(parts) == 1 else None,
        status=next((status for status in WORST_FIRST if status in statuses), "not_tried"),
        payment_intent=shares[0].part.payment_intent if len(shares) == 1 else None,
        amount=subject.amount,
        refunded=Money(amount_minor=through, currency=currency),
        note=with_objects(subject.note, [share.part.payment_intent for share in shares]),
        parts=parts,
    )


def _together(amounts: Iterable[Money]) -> Money | None:
    known = list(amounts)
    return reduce(add, known) if known else None
