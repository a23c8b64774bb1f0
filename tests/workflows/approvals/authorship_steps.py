"""What people do around what others decide: steps that hypothesis draws, and takes away again to shrink.

A step that finds nothing to act on does nothing. Whatever is pointed at is counted back from the newest.
"""

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from billing.core.operations import Role

Person = Literal["admin", "deputy", "both", "controller", "partner", "legal", "finance"]
ROLES: dict[Person, list[Role]] = {
    "admin": [Role.BILLING_ADMIN],
    "deputy": [Role.BILLING_ADMIN],
    "both": [Role.BILLING_ADMIN, Role.CONTROLLER],
    "controller": [Role.CONTROLLER],
    "partner": [Role.CONTROLLER],
    "legal": [Role.LEGAL],
    "finance": [Role.FINANCE],
}
PEOPLE: tuple[Person, ...] = tuple(ROLES)
SMALL, LARGE, HUGE = 10_000, 60_000, 1_100_000
"""Within an admin's own authority; within a controller's; for a controller and Legal together."""

Kind = Literal["plan_change", "credit", "refund", "hopeless"]
"""A hopeless one is a refund that fails at once, so that somebody may have it tried again."""


@dataclass(frozen=True)
class Ask:
    kind: Kind = "credit"
    by: Person = "admin"
    amount: int = LARGE


@dataclass(frozen=True)
class Decide:
    verdict: Literal["approve", "reject", "request_changes"] = "approve"
    by: Person = "controller"
    disturbed: bool = False
    """Whether somebody changes the seats in Stripe before an approved plan change gets there."""


@dataclass(frozen=True)
class Revise:
    by: Person = "admin"
    amount: int = LARGE


@dataclass(frozen=True)
class Resolve:
    action: Literal["retry", "close", "accept", "revert"] = "retry"
    by: Person = "admin"


@dataclass(frozen=True)
class Cancel:
    by: Person = "admin"


@dataclass(frozen=True)
class Offer:
    """Somebody asks somebody else to decide in their place: of everything, or of what is open now."""

    by: Person = "admin"
    to: Person = "controller"
    everything: bool = True


@dataclass(frozen=True)
class Answer:
    """The delegate says yes or no to the newest offer, or either of both ends it."""

    how: Literal["accept", "decline", "revoke"] = "accept"
    which: int = 0


Step = Ask | Decide | Revise | Resolve | Cancel | Offer | Answer
Scenario = tuple[Step, ...]


# --- How they are drawn -----------------------------------------------------------------------------------

_anybody = st.sampled_from(PEOPLE)
_amounts = st.sampled_from([SMALL, LARGE, LARGE, HUGE])
_asks = st.builds(
    Ask,
    st.sampled_from(["plan_change", "credit", "credit", "refund", "hopeless", "hopeless"]),
    st.sampled_from(["admin", "deputy", "both", "controller"]),
    _amounts,
)
_verdicts = st.sampled_from(["approve", "approve", "request_changes", "request_changes", "reject"])
_answers = st.one_of(
    st.builds(Decide, _verdicts, _anybody),
    st.builds(Decide, st.just("approve"), st.sampled_from(["controller", "partner", "both"])),
    st.builds(Decide, st.just("request_changes"), st.sampled_from(["controller", "partner", "both"])),
    st.builds(Revise, st.sampled_from(["admin", "deputy", "both", "controller"]), _amounts),
    st.builds(Resolve, st.sampled_from(["retry", "retry", "close", "accept", "revert"]), _anybody),
    st.builds(Offer, _anybody, _anybody, st.booleans()),
    st.builds(
        Answer, st.sampled_from(["accept", "accept", "accept", "decline", "revoke"]), st.integers(0, 1)
    ),
    st.builds(Cancel, st.sampled_from(["admin", "deputy"])),
)
_episodes = st.tuples(_asks, st.lists(_answers, min_size=2, max_size=6)).map(lambda one: (one[0], *one[1]))
scenarios = st.lists(_episodes, min_size=1, max_size=2).map(lambda told: tuple(sum(told, ())))

# --- Those that are always played -------------------------------------------------------------------------

TAKEN_OVER: Scenario = (
    Ask("credit"),
    Decide("request_changes", "controller"),
    Revise("controller", HUGE),
    Decide("approve", "controller"),
    Decide("approve", "partner"),
    Decide("approve", "legal"),
)
"""A controller revises what they were asked to approve."""
ON_ANOTHERS: Scenario = (
    Ask("credit"),
    Decide("request_changes", "controller"),
    Revise("deputy", SMALL),
)
"""A colleague revises it to what the requester could have given alone."""
DELEGATED: Scenario = (
    Offer("admin", "controller"),
    Answer("accept"),
    Ask("credit"),
    Decide("approve", "controller"),
    Decide("approve", "partner"),
)
UNDELEGATED: Scenario = (
    Offer("admin", "controller"),
    Answer("accept"),
    Ask("credit"),
    Answer("revoke"),
    Decide("approve", "controller"),
)
"""The delegation is ended before the delegate decides."""
NAMED: Scenario = (
    Offer("admin", "controller"),
    Offer("admin", "partner"),
    Offer("admin", "both"),
    Answer("decline"),
    Ask("credit"),
    Decide("approve", "controller"),
)
"""A requester names every controller their delegate, and none agrees."""
LENT: Scenario = (
    Offer("controller", "finance"),
    Answer("accept"),
    Ask("credit", "controller", HUGE),
    Decide("approve", "finance"),
    Ask("hopeless", "admin"),
    Decide("approve", "finance"),
    Resolve("retry", "controller"),
    Resolve("retry", "admin"),
)
"""Somebody decides for a controller, who then wants what was decided tried again."""
AGAIN: Scenario = (
    Ask("hopeless", "admin"),
    Decide("approve", "controller"),
    Resolve("retry", "controller"),
    Resolve("retry", "deputy"),
    Ask("hopeless", "admin", SMALL),
    Resolve("retry", "deputy"),
    Resolve("retry", "admin"),
)
MISMATCHED: Scenario = (
    Ask("plan_change", "admin"),
    Decide("request_changes", "controller"),
    Revise("both"),
    Decide("approve", "both"),
    Decide("approve", "controller", disturbed=True),
    Resolve("accept", "both"),
    Resolve("accept", "partner"),
)
"""Who revised a change wants to accept that it came out otherwise."""

ALWAYS = (TAKEN_OVER, ON_ANOTHERS, DELEGATED, UNDELEGATED, NAMED, LENT, AGAIN, MISMATCHED)
