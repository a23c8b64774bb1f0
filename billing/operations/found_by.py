"""By what an operation's workflow is found in Temporal, where everybody who reaches it can read this: ids and
states, no personal data."""

from ..core.operations import Kind, Message, State

REVIEWED_ALWAYS = frozenset({Kind.PLAN_CHANGE, Kind.CANCELLATION})
"""Nobody has one within their own authority: a moment after its start it waits for an approval."""


class FoundBy(Message):
    """`customer` is Stripe's id of whom it is about: the organization itself where its own plan is concerned,
    None where nobody knows at the start. `state` is where it will be in a moment, if nothing is in its way:
    each later change of it is an action that Temporal bills."""

    organization: str
    kind: Kind
    state: State
    customer: str | None = None

    @classmethod
    def at_start(cls, organization: str, kind: Kind, customer: str | None) -> "FoundBy":
        state = State.AWAITING_APPROVAL if kind in REVIEWED_ALWAYS else State.RUNNING
        return cls(organization=organization, kind=kind, state=state, customer=customer)
