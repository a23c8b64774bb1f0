"""Messages about the money that is set aside for an operation."""

from datetime import datetime

from pydantic import AwareDatetime

from ..core.operations import Kind, Message, Problem, Role
from ..policy.policy import AuthorityLimit, Policy
from .authority import AuthorityLeft
from .credit_lines import LineToCredit
from .invoice_money import InvoiceCap


class CommitPart(Message):
    """What is to be given, in minor units; of which payment, where it is of one."""

    payment_intent: str | None = None
    invoice: str | None = None
    """The invoice of whose payment it is given back; None for what is not, such as taking off what is due."""
    amount: int
    left: int | None = None
    """What Stripe said is left of the payment; None where nothing limits it."""
    in_stripe: tuple[str, ...] = ()
    """Operations whose refunds are already taken off `left`."""


class Commit(Message):
    """Set money aside for an operation, and see whether the person who shaped it last may give it alone.

    Counted under the organization's lock, so that of two requests at the same moment the second sees the
    first. `authority` is what each role may decide; the roles are the person's at this time.
    """

    organization: str
    operation: str
    kind: Kind
    person: str
    revised: bool = False
    """Whether the person revised what somebody else had asked for."""
    customer: str | None
    currency: str
    parts: tuple[CommitPart, ...]
    cap: InvoiceCap | None = None
    """Of the invoice that parts are given back of."""
    invoice: str | None = None
    """That it is about, where it is about one."""
    lines: tuple[LineToCredit, ...] = ()
    """Of the invoice, that are credited."""
    authority: dict[Role, tuple[AuthorityLimit, ...]]
    counted: tuple[Kind, ...]
    reviewed_anyway: bool = False
    """Whether it is reviewed whatever the person's authority."""
    round: int
    at: AwareDatetime

    @classmethod
    def under(
        cls,
        policy: Policy,
        kind: Kind,
        reason: str,
        *,
        organization: str,
        operation: str,
        person: str,
        customer: str | None,
        currency: str,
        parts: tuple[CommitPart, ...],
        at: datetime,
        cap: InvoiceCap | None = None,
        invoice: str | None = None,
        lines: tuple[LineToCredit, ...] = (),
        round: int = 1,
        revised: bool = False,
    ) -> "Commit":
        """As the policy weighs it."""
        return cls(
            organization=organization,
            operation=operation,
            kind=kind,
            person=person,
            revised=revised,
            customer=customer,
            currency=currency,
            parts=parts,
            cap=cap,
            invoice=invoice,
            lines=lines,
            authority=policy.authority.get(kind, {}),
            counted=policy.counted_with(kind),
            reviewed_anyway=reason in policy.money_rules(kind).always,
            round=round,
            at=at,
        )


class CommitmentResult(Message):
    """`alone`: within the person's authority, and counted in it; otherwise `why` it needs an approval.

    A `problem` means that nothing was set aside: other operations hold what is left of a payment.
    """

    alone: bool
    why: str = ""
    problem: Problem | None = None


class AuthorityCheck(Message):
    """What setting it aside would say, had it been done: nothing was.

    `within`: whoever asks may give it alone; otherwise `why` not. `limits` are theirs in its currency. A
    `problem` is why it can't be set aside beside the `held` minor units that other operations hold.
    """

    within: bool
    why: str
    limits: tuple[AuthorityLeft, ...]
    held: int
    problem: Problem | None = None
