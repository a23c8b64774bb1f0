"""What an object of Stripe's is now, with what hangs on it: a class, in a module, for each kind.

    read       asks Stripe for the object by its id: one request, two for a schedule. Raises StripeError.
    owner      says whose it is, by Stripe's metadata and our records
    completed  asks for what takes another request, once it is known to be ours
    store      writes its rows into the mirror
    wakes      names the stories that wait for it

Its parts are Stripe's documents, each with ids where it names another.
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
    """Whose an object is."""

    organization: str
    subscriber: bool = False
    """Whether it is of the organization's own subscription to Plixo, and not of one of its customers."""


class Snapshot(Protocol):
    """An object of Stripe's, as it was when it was read."""

    async def owner(self, session: AsyncSession) -> Owner | None:
        """None for what is no organization's of ours."""
        ...

    async def completed(self, client: stripe.StripeClient, database: Database) -> "Snapshot":
        """With what takes another request. Stripe's errors are translated."""
        ...

    async def store(self, session: AsyncSession, rules: CaseRules, owner: Owner, read_at: datetime) -> None:
        """Mirrors it as of `read_at`, the time just before Stripe was asked. What nobody of us made opens a
        case."""
        ...

    async def wakes(self, session: AsyncSession, owner: Owner) -> tuple[str, ...]:
        """The workflows of the stories that wait for it."""
        ...


def taken_out(document: Document, name: str) -> Document | None:
    """An expanded property, of which the document keeps the id."""
    expanded: Document | None = document.get(name)
    if expanded is not None:
        document[name] = expanded["id"]
    return expanded


def time_of(seconds: int) -> datetime:
    """Of Stripe's seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def claim_of(document: Document) -> str | None:
    """The effect of ours that the object's metadata names, which anybody can write there."""
    found = (document.get("metadata") or {}).get(EFFECT_MARK)
    return str(found) if found else None
