"""What a kind of operation is. Beside this table each floor has one: the mail of its end, its workflow, its
routes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ..core.events import EventCode
from ..core.operations import Kind


class KindFacts(NamedTuple):
    begins_with: EventCode
    """The first event of its timeline."""
    done: str = "done"
    """What becomes of its subject: "nothing was refunded"."""
    on_request: bool = False
    """Somebody asked for a change in Stripe and waits for its end. While nothing of it was begun, it ends
    with its workflow, and an operator may close it."""
    gives_money: bool = False
    """It gives a customer money, or gives up what is owed: set aside first, and weighed against
    somebody's authority."""


KINDS: Mapping[Kind, KindFacts] = MappingProxyType(
    {
        Kind.PLAN_CHANGE: KindFacts(EventCode.PLAN_CHANGE_REQUESTED, done="changed", on_request=True),
        Kind.REFUND: KindFacts(
            EventCode.REFUND_REQUESTED, done="refunded", on_request=True, gives_money=True
        ),
        Kind.CREDIT: KindFacts(
            EventCode.CREDIT_REQUESTED, done="credited", on_request=True, gives_money=True
        ),
        Kind.VOID: KindFacts(EventCode.VOID_REQUESTED, done="voided", on_request=True, gives_money=True),
        Kind.WRITE_OFF: KindFacts(
            EventCode.WRITE_OFF_REQUESTED, done="written off", on_request=True, gives_money=True
        ),
        Kind.CANCELLATION: KindFacts(
            EventCode.PLAN_CANCELLATION_REQUESTED, done="cancelled", on_request=True
        ),
        Kind.REMINDER_RUN: KindFacts(EventCode.REMINDER_RUN_REQUESTED),
        Kind.PORTAL_ACCESS: KindFacts(EventCode.PORTAL_ACCESS_REQUESTED),
        Kind.CASE: KindFacts(EventCode.CASE_NOTICED),
    }
)

ON_REQUEST = tuple(kind for kind, facts in KINDS.items() if facts.on_request)
GIVE_MONEY = tuple(kind for kind, facts in KINDS.items() if facts.gives_money)
