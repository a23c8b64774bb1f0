"""Following an event of Stripe's as the worker does, without a worker."""

import stripe

from activities.mirror.events import StripeEvents
from billing.stripe.events import FOLLOWED
from db.core.session import Database
from db.stripe.event_turns import EventTurn

from .case_rules import case_rules
from .money_rows import an_event


async def follow(
    client: stripe.StripeClient, database: Database, type_: str, object_: str, event: str = "evt_1"
) -> None:
    """An event of the type, about the object, is followed, whether or not it was kept."""
    told = an_event(id=event, type=type_, object_id=object_)
    turn = EventTurn(FOLLOWED[type_], object_, [told])
    await StripeEvents(client, database, case_rules()).follow(turn)
