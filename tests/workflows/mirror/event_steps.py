"""What can happen in Stripe, and to its events: steps that hypothesis draws, and takes away to shrink.

No step depends on what became of those before it: one that finds nothing to act on, or that Stripe refuses,
does nothing. Whatever is pointed at is counted back from the newest.
"""

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

CARDS = (
    "visa",
    "pendingRefund",
    "refundFail",
    "refundFailAtOnce",
    "refundRequiresAction",
    "pendingRefundFail",
    "refundActionTaken",
    "createDispute",
)
MODES = ("normal", "duplicate", "reorder", "hold", "drop")


@dataclass(frozen=True)
class Customer:
    """One is added, renamed or deleted."""

    does: Literal["add", "rename", "delete"] = "add"
    of: int = 0


@dataclass(frozen=True)
class Pay:
    card: str = "visa"
    of: int = 0


@dataclass(frozen=True)
class Refund:
    """Made in Stripe itself, or asked of us by an admin."""

    of: int = 0
    by_us: bool = False
    percent: int = 30


@dataclass(frozen=True)
class Bill:
    """An invoice is made, or something is done to one."""

    does: Literal["draft", "open", "paid", "pay", "void", "write off", "delete", "send"] = "open"
    of: int = 0


@dataclass(frozen=True)
class Note:
    """A credit note is issued on an invoice, or voided."""

    does: Literal["issue", "void"] = "issue"
    of: int = 0


@dataclass(frozen=True)
class Balance:
    """A customer is credited."""

    amount: int = -500
    of: int = 0


@dataclass(frozen=True)
class Plan:
    """The organization's own subscription: seats are changed in Stripe, a downgrade is scheduled by us, or
    the schedule is released in Stripe."""

    does: Literal["seats", "schedule", "release"] = "seats"


@dataclass(frozen=True)
class Pass:
    """Time passes in Stripe: 0 is two minutes."""

    days: int = 0


@dataclass(frozen=True)
class Events:
    """How events come from now on; any other mode than hold lets go what was held."""

    mode: str = "normal"


@dataclass(frozen=True)
class CatchUp:
    """Stripe is asked for its events, as it is every minute, and they are followed."""


Step = Customer | Pay | Refund | Bill | Note | Balance | Plan | Pass | Events | CatchUp

_which = st.integers(0, 2)
_things = st.one_of(
    st.builds(Customer, st.sampled_from(["add", "rename", "delete"]), _which),
    st.builds(Pay, st.sampled_from(CARDS), _which),
    st.builds(Refund, _which, st.booleans(), st.sampled_from([30, 100])),
    st.builds(Refund, _which, st.booleans(), st.sampled_from([30, 100])),
    st.builds(Bill, st.sampled_from(["draft", "open", "paid"]), _which),
    st.builds(Bill, st.sampled_from(["pay", "void", "write off", "delete", "send"]), _which),
    st.builds(Note, st.sampled_from(["issue", "issue", "void"]), _which),
    st.builds(Balance, st.sampled_from([-500, 200]), _which),
    st.builds(Plan, st.sampled_from(["seats", "schedule", "release"])),
)
_surroundings = st.one_of(
    st.builds(Pass, st.sampled_from([0, 0, 1, 16])),
    st.builds(Events, st.sampled_from(MODES)),
    st.just(CatchUp()),
)
steps = st.lists(st.one_of(_things, _things, _things, _surroundings), min_size=4, max_size=14)

ALWAYS: tuple[list[Step], ...] = (
    [
        Plan("schedule"),
        *(step for card in CARDS for step in (Pay(card), Refund(by_us=True))),
        Events("drop"),
        Pass(),
        Pass(16),
    ],
    [
        Events("hold"),
        *(Bill(does) for does in ("draft", "delete", "open", "send", "pay", "open", "void", "open")),
        Note(),
        Note(),
        Note("void"),
        Bill("write off"),
        Pay("pendingRefund"),
        Refund(),
        Refund(by_us=True),
        Balance(),
        Bill("paid"),
        Events("reorder"),
        Plan("seats"),
        Pass(),
    ],
    [
        Events("drop"),
        Plan("schedule"),
        Bill("draft"),
        CatchUp(),
        Bill("delete"),
        Customer(),
        Pay(),
        Customer("delete"),
        Refund(),
        Plan("release"),
        Pass(16),
    ],
    [
        Plan("schedule"),
        Customer(),
        Events("duplicate"),
        Customer("rename"),
        CatchUp(),
        Pass(16),
        Pass(1),
        Customer("delete"),
    ],
)
"""Always played: each of the things, and each way in which its events go wrong, is in one of them."""
