"""What an adversary does to get money past a window: steps that hypothesis draws, and takes away to shrink.

Amounts are in hundreds of the currency's units, so that a few of them fill a window. A step that finds
nothing to act on, or that is refused, does nothing. Whatever is pointed at is counted back from the newest.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from hypothesis import strategies as st

OursKind = Literal["refund", "note", "balance", "void", "write off"]
StripeKind = Literal[
    "refund",
    "note",
    "note with refund",
    "balance",
    "void",
    "write off",
    "item",
    "pay",
    "pay elsewhere",
    "void what is written off",
    "customer with credit",
    "dispute",
    "invoice coupon",
    "customer coupon",
    "subscription coupon",
]


@dataclass(frozen=True)
class Ask:
    """An admin asks us for it."""

    kind: OursKind
    amount: int = 1


@dataclass(frozen=True)
class Decide:
    """What waits for an approval is approved, or given up."""

    of: int = 0
    approve: bool = True


@dataclass(frozen=True)
class Issue:
    """So many of those that may be given are looked at once more, all of them, and then given."""

    together: int = 1


@dataclass(frozen=True)
class InStripe:
    """Somebody does it in Stripe itself."""

    kind: StripeKind
    amount: int = 1


@dataclass(frozen=True)
class Events:
    """Stripe's events since the last such step come: late, in another order, twice, some or none of them."""

    order: Literal["in order", "newest first"] = "in order"
    times: int = 1
    every: int = 1
    """Only each so many-th of them; the others are lost. 0: all are."""


@dataclass(frozen=True)
class Compare:
    """Everything is compared, as reconciliation does."""


@dataclass(frozen=True)
class Bill:
    """The customer gets another invoice, open or paid, of so many lines."""

    paid: bool = False
    lines: int = 1


Step = Ask | Decide | Issue | InStripe | Events | Compare | Bill

OURS: tuple[OursKind, ...] = get_args(OursKind)
IN_STRIPE: tuple[StripeKind, ...] = get_args(StripeKind)
_amounts = st.integers(1, 6)
_asks = st.builds(Ask, st.sampled_from(OURS), _amounts)
_outside = st.builds(InStripe, st.sampled_from(IN_STRIPE), _amounts)
_rest = st.one_of(
    st.builds(Decide, st.integers(0, 2), st.booleans()),
    st.builds(Issue, st.integers(1, 3)),
    st.builds(Events, st.sampled_from(["in order", "newest first"]), st.integers(1, 2), st.integers(0, 2)),
    st.builds(Bill, st.booleans()),
    st.just(Compare()),
)
steps = st.lists(st.one_of(_asks, _outside, _rest), min_size=3, max_size=6)

_FULL = (Compare(), Ask("refund", 3), Ask("balance", 1), Ask("void", 1))
"""What a window that is full leaves for us."""

ALWAYS: tuple[list[Step], ...] = (
    # Each instrument, learnt of by events that come twice, or by the comparison alone.
    [*(InStripe(kind, 2) for kind in IN_STRIPE[:7]), Events(times=2), Ask("balance", 2)],
    [InStripe("subscription coupon"), Events()],
    [InStripe("subscription coupon"), Events("newest first")],
    [
        Bill(),
        InStripe("write off"),
        Compare(),
        InStripe("pay"),
        *(InStripe(kind, 1) for kind in IN_STRIPE[10:]),
    ],
    # Credit that is used and comes back with a void: given twice.
    [InStripe("balance", 2), Bill(), InStripe("void"), Events(), Ask("balance", 1)],
    [InStripe("balance", 2), Bill(), InStripe("void")],
    [InStripe("write off"), InStripe("void what is written off"), Compare(), Ask("balance", 1)],
    [
        *(InStripe("balance", 2), Bill(), InStripe("write off"), Events()),
        *(InStripe("void what is written off"), Events("newest first")),
    ],
    [InStripe("balance", 2), Bill(), Ask("void"), Decide(), Issue(), Events(times=2)],
    # What was written off is said to be paid elsewhere, before or after it is learnt of.
    [InStripe("write off"), InStripe("pay elsewhere"), Events(), Ask("balance", 1)],
    [InStripe("write off"), Events(), InStripe("pay elsewhere"), Compare()],
    [Ask("write off"), Decide(), Issue(), InStripe("pay elsewhere"), Events()],
    # Of invoices with more lines than Stripe lists with them, known by then.
    [Bill(lines=12), Bill(lines=12), Events(), InStripe("void"), InStripe("write off"), Compare()],
    # Of a change in the balance nobody is told, and one of ours comes after it.
    [Ask("note", 1), InStripe("balance", 1), Issue()],
    [InStripe("balance", 2), Bill(), Ask("note", 1), Issue()],
    # A window that is filled in Stripe is full for us, whatever filled it.
    [InStripe("refund", 6), InStripe("note", 4), InStripe("dispute", 6), *_FULL],
    [*(3 * [InStripe("balance", 6)]), *_FULL],
    [*(3 * [InStripe("item", 6)]), *_FULL],
    [*(3 * [InStripe("dispute", 6)]), *_FULL],
    [*(3 * [Bill()]), *(4 * [InStripe("void")]), *_FULL],
    [*(3 * [Bill()]), *(4 * [InStripe("write off")]), Events("newest first", 2), *_FULL],
    # By turns, so that each alone is within: the last ones are beyond what the window has.
    [
        *(step for kind in ("balance", "refund", "note", "balance") for step in (Ask(kind, 2), Issue())),
        *(Ask("balance", 2), Ask("balance", 2), Issue(3)),
    ],
    [
        *(Ask("void"), Issue(), Bill(), Ask("write off"), Decide(), Issue()),
        *(Events("newest first", 2, 2), Ask("balance", 1)),
    ],
    # Several of the same invoice: what the first holds, the others can't have.
    [Ask("refund", 5), Ask("note", 2), Ask("refund", 4), Decide(), Decide(1), Issue(2)],
    [Ask("refund", 4), Ask("note", 2), Decide(), InStripe("refund", 5), Issue(2)],
    [Ask("refund", 4), Ask("note", 2), Decide(), InStripe("note", 5), Issue(2)],
)
"""Always played: each instrument, and each way in which a window could be got round."""
