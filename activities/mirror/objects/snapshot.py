"""A Stripe object as it is now, with the objects that belong to it: one class for each kind.

    read       retrieves the object by its id: one request, two for a schedule. Raises StripeError.
    owner      finds the organization that it belongs to, by Stripe's metadata and our records
    completed  retrieves what takes another request, once the object is known to be ours
    store      writes its rows to the mirror
    wakes      names the workflows that wait for it

The parts are Stripe's documents; where one refers to another, it has the id.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import stripe
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.stripe.effects import EFFECT_MARK
from db.cases.cases import CaseRules
from db.core.session import Database

Document = dict[str, Any]


class Owner(NamedTuple):
    """The organization that an object belongs to."""

    organization: str
    subscriber: bool = False
    """Whether it is part of the organization's own subscription to Plixo, rather than a customer's."""


class Snapshot(Protocol):
    """A Stripe object, as it was when it was read."""

    async def owner(self, session: AsyncSession) -> Owner | None:
        """None for an object of no organization of ours."""
        ...

    async def completed(self, client: stripe.StripeClient, database: Database) -> "Snapshot":
        """The snapshot with what takes another request. Stripe's errors are translated."""
        ...

    async def store(self, session: AsyncSession, rules: CaseRules, owner: Owner, read_at: datetime) -> None:
        """Mirrors it as of `read_at`, just before the request. What no operation made opens a case."""
        ...

    async def wakes(self, session: AsyncSession, owner: Owner) -> tuple[str, ...]:
        """The ids of the workflows that wait for it."""
        ...


def taken_out(document: Document, name: str) -> Document | None:
    """Removes an expanded property from a document, which keeps its id."""
    expanded: Document | None = document.get(name)
    if expanded is not None:
        document[name] = expanded["id"]
    return expanded


def time_of(seconds: int) -> datetime:
    """The time that Stripe gives as Unix seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def claim_of(document: Document) -> str | None:
    """The effect of ours that the object's metadata names, which anybody can write there."""
    found = (document.get("metadata") or {}).get(EFFECT_MARK)
    return str(found) if found else None
