"""The shapes of requests for money back, of its notes, and of payments."""

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from billing.credit import CreditReason, CreditWanted, Instrument
from billing.money import MOST_MINOR, Money
from billing.notes import NOTE_MAX, NOTE_MIN
from billing.refund import Reason, RefundWanted

from .models import Answer, Body, Comment, OtherId, Query, plain


def _visible(text: str) -> str:
    """Format characters, such as zero-width spaces, are no words."""
    if sum(unicodedata.category(c) != "Cf" for c in text) < NOTE_MIN:
        raise PydanticCustomError("string_too_short", "too short")
    return text


NoteText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=NOTE_MIN, max_length=NOTE_MAX),
    AfterValidator(plain),
    AfterValidator(_visible),
]
Amount = Annotated[int, Field(ge=1, le=MOST_MINOR, description="In minor units of the currency")]
Currency = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$")]
PaymentId = Annotated[str, StringConstraints(pattern=r"^pi_[A-Za-z0-9_]{1,120}$")]
InvoiceId = Annotated[str, StringConstraints(pattern=r"^in_[A-Za-z0-9_]{1,120}$")]
CustomerId = Annotated[str, StringConstraints(pattern=r"^cus_[A-Za-z0-9_]{1,120}$")]


class RefundBody(Body):
    """What to refund: a payment, or the payments of an invoice. No amount: all that is left."""

    payment_intent: PaymentId | None = Field(default=None, description="A payment of GET /v1/payments")
    invoice: InvoiceId | None = Field(default=None, description="Instead of payment_intent")
    amount_minor: Amount | None = None
    currency: Currency | None = Field(default=None, description="If given, it must be the payment's")
    reason: Reason
    note: NoteText = Field(description="Why, in words; the Stripe payment's id is added by itself")
    confirm_fraudulent: bool = Field(
        default=False,
        description="With the reason fraudulent Stripe also blocks the card and mail address: say true",
    )

    def wanted(self) -> RefundWanted:
        return RefundWanted(**self.model_dump())


class CreditBody(Body):
    """What to credit: the customer's balance, for the next bills, or one invoice by a credit note."""

    customer: CustomerId
    amount_minor: Amount
    currency: Currency
    instrument: Instrument
    invoice: InvoiceId | None = Field(default=None, description="For a credit note only")
    reason: CreditReason
    note: NoteText = Field(description="Why, in words")

    def wanted(self) -> CreditWanted:
        return CreditWanted(**self.model_dump())


class RefundResolutionBody(Body):
    """What to do about a refund that failed."""

    action: Literal["retry", "close"]
    comment: Comment


class CreditResolutionBody(Body):
    """That Stripe made something else of the credit than was agreed, and that it may stay so."""

    action: Literal["accept"]
    comment: Comment


class NoteBody(Body):
    note: NoteText


class PaymentsQuery(Query):
    customer: OtherId | None = None
    invoice: OtherId | None = None
    refundable: bool | None = Field(
        default=None, description="true: only those of which something can still be refunded"
    )


class NoteAnswer(Answer):
    """`text` ends with the Stripe payments that it is about; nothing of a note is ever changed."""

    id: str
    operation: str
    seq: int = Field(description="Counts from 1, which is the request's own")
    text: str
    author: str
    at: datetime


class PaymentAnswer(Answer):
    """A mirror of Stripe's, read at `synced_at`. What a customer disputes can't be refunded."""

    id: str
    customer: str
    invoice: str | None
    amount: Money
    amount_refunded: Money
    refundable: Money = Field(description="What can still be refunded")
    disputed: bool
    status: str
    created_at: datetime
    synced_at: datetime


class RefundAnswer(Answer):
    """A mirror of Stripe's, read at `synced_at`; without `operation` it was made elsewhere."""

    id: str
    operation: str | None
    amount: Money
    status: str
    reason: str | None
    failure_reason: str | None
    created_at: datetime
    synced_at: datetime


class PaymentWithRefunds(PaymentAnswer):
    refunds: list[RefundAnswer]


EvidenceDocument = dict[str, Any]
