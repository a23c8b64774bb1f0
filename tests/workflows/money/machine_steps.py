"""What can happen around requests for money: steps that hypothesis draws, and takes away again to shrink.

No step depends on what became of those before it: one that finds nothing to act on does nothing. Whatever
is pointed at is counted back from the newest, so 0 is what was asked for last.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from hypothesis import strategies as st

Person = Literal["admin", "deputy", "controller", "partner", "stand_in", "legal"]
"""admin and deputy are billing admins. partner is a controller and acts for admin; stand_in has no role of
the ladders and acts for controller."""

Giver = Literal["admin", "deputy", "controller"]
"""Those who ask for money back."""

GIVERS: tuple[Giver, ...] = ("admin", "deputy", "controller")
PEOPLE: tuple[Person, ...] = ("controller", "legal", "controller", "stand_in", "partner", "admin", "deputy")
CARDS = [
    "pendingRefund",
    "refundFail",
    "refundFailAtOnce",
    "refundRequiresAction",
    "createDispute",
    "pendingRefundFail",
    "refundActionTaken",
]
"""Those whose refunds take another course than a Visa's."""
FAULTS = ("drop_after", "error_after", "drop_before", "lock_timeout", "decline")
MODES = ("normal", "hold", "drop", "duplicate", "reorder")


@dataclass(frozen=True)
class Payment:
    card: str = "visa"
    amount: int = 60_000
    customer: int = 0


@dataclass(frozen=True)
class Bill:
    """An invoice: open, paid at once or by two payments, of six and four tenths, the second by `card`."""

    paid: Literal["no", "whole", "in two"] = "no"
    amount: int = 60_000
    customer: int = 0
    card: str = "visa"


@dataclass(frozen=True)
class Refund:
    """Of a payment, or of the payments of a bill, so much percent; None is all that is left."""

    of: int = 0
    percent: int | None = None
    by: Giver = "admin"
    reason: str = "duplicate"
    bill: bool = False
    twice: bool = False
    """Sent twice at the same moment, as by a client that got no answer."""


@dataclass(frozen=True)
class Credit:
    """On a customer's balance, or with `bill` by a credit note on a bill."""

    amount: int = 5_000
    of: int = 0
    by: Giver = "admin"
    bill: bool = False
    reason: str = "duplicate"


@dataclass(frozen=True)
class Waive:
    """A bill is voided, or with `off` written off."""

    of: int = 0
    off: bool = False
    by: Giver = "admin"


@dataclass(frozen=True)
class Decide:
    verdict: Literal["approve", "reject", "request_changes"] = "approve"
    by: Person = "controller"
    which: int = 0


@dataclass(frozen=True)
class Revise:
    """The request that changes were asked for, now with another amount."""

    percent: int = 50
    which: int = 0


@dataclass(frozen=True)
class Cancel:
    by: Giver = "admin"
    which: int = 0


@dataclass(frozen=True)
class Resolve:
    """What is done about a refund that failed."""

    action: Literal["retry", "close"] = "close"
    which: int = 0


@dataclass(frozen=True)
class AddNote:
    text: str = "Found again in the audit."
    which: int = 0


@dataclass(frozen=True)
class Elsewhere:
    """A refund that somebody makes in Stripe itself."""

    of: int = 0
    percent: int = 50


@dataclass(frozen=True)
class PayBill:
    """A customer pays an open invoice."""

    of: int = 0


Act = Refund | Credit | Waive | Decide | Revise | Cancel | Resolve | AddNote | Elsewhere | PayBill


@dataclass(frozen=True)
class AtOnce:
    """At the same moment."""

    acts: tuple[Act, ...]


@dataclass(frozen=True)
class Pass:
    """Time passes, at Stripe and here: 0 is two minutes."""

    hours: int = 0


@dataclass(frozen=True)
class Events:
    """How Stripe's events come from now on; any other mode than hold lets go what was held."""

    mode: str = "normal"


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with the next thing that Stripe is asked to give; decline is a definite no."""

    fault: str = "drop_after"


Step = Act | AtOnce | Pass | Events | Trouble


@dataclass(frozen=True)
class Scenario:
    """What customers have paid and owe, and what then happens."""

    payments: list[Payment]
    bills: list[Bill] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def acts(steps: Iterable[Step]) -> Iterator[Step]:
    """Every step, those at the same moment one by one."""
    for step in steps:
        yield from step.acts if isinstance(step, AtOnce) else [step]


# --- How they are drawn -----------------------------------------------------------------------------------

_which = st.integers(0, 2)
_customer = st.integers(0, 1)
_giver = st.sampled_from(GIVERS)

_cards = st.sampled_from(["visa"] * 6 + CARDS)
_payments = st.builds(Payment, _cards, st.sampled_from([60_000, 900, 250_000]), _customer)
_bills = st.builds(
    Bill, st.sampled_from(["no", "whole", "in two"]), st.sampled_from([60_000, 160_000]), _customer, _cards
)

_refunds = st.builds(
    Refund,
    of=_which,
    percent=st.sampled_from([None, 20, 40, 80, 101]),
    by=_giver,
    reason=st.sampled_from(["duplicate", "duplicate", "other", "fraudulent"]),
    bill=st.sampled_from([False, False, True]),
    twice=st.sampled_from([False, False, False, True]),
)
_credits = st.builds(
    Credit,
    amount=st.sampled_from([5_000, 20_000, 25_000, 25_001, 60_000, 160_000]),
    of=_customer,
    by=_giver,
    bill=st.booleans(),
    reason=st.sampled_from(["duplicate", "duplicate", "goodwill"]),
)
_waivers = st.builds(Waive, of=_which, off=st.booleans(), by=_giver)
_asks = st.one_of(_refunds, _refunds, _credits, _waivers)
_elsewhere = st.builds(Elsewhere, _which, st.sampled_from([50, 10, 100]))
_answers = st.one_of(
    st.builds(Decide, st.sampled_from(["approve", "approve", "reject"]), st.sampled_from(PEOPLE), _which),
    st.builds(Decide, st.sampled_from(["approve", "request_changes"]), st.just("controller"), _which),
    st.builds(Revise, st.sampled_from([50, 10, 100]), _which),
    st.builds(Cancel, _giver, _which),
    st.builds(Resolve, st.sampled_from(["retry", "close"]), _which),
    st.builds(AddNote, st.sampled_from(["Found again in the audit.", "Seen by the customer."]), _which),
)
_surroundings = st.one_of(
    _elsewhere,
    st.builds(PayBill, _which),
    st.builds(Pass, st.sampled_from([0, 0, 9, 25])),
    st.builds(Events, st.sampled_from(MODES)),
    st.builds(Trouble, st.sampled_from(FAULTS)),
)


def _at_once(acts: st.SearchStrategy[Act]) -> st.SearchStrategy[Step]:
    return st.lists(acts, min_size=2, max_size=3).map(lambda drawn: AtOnce(tuple(drawn)))


_episodes = st.tuples(
    st.lists(_surroundings, max_size=1),
    st.one_of(_asks, _asks, _at_once(_asks)).map(lambda ask: [ask]),
    st.lists(st.one_of(_answers, _answers, _surroundings, _at_once(_answers | _elsewhere)), max_size=3),
).map(lambda parts: [step for part in parts for step in part])
"""Something is asked for, something comes of it."""

scenarios = st.builds(
    Scenario,
    payments=st.lists(_payments, min_size=1, max_size=3),
    bills=st.lists(_bills, max_size=2),
    steps=st.lists(_episodes, min_size=2, max_size=5).map(
        lambda drawn: [step for one in drawn for step in one]
    ),
)
