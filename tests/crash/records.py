"""What the records of a workload must say at its end, and how to wait for it without costing much."""

import asyncio
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import httpx
import stripe
from sqlmodel import SQLModel

from billing.evidence.timeline import Event, verify_chain
from billing.money.notes import with_objects
from db.core import timeline
from db.money import commitments
from db.operations import intents, notes
from db.tables import Operation

from ..support.builders import Member
from ..support.house import House

DIGEST = re.compile(r":[0-9a-f]{12}$")

LONGEST_PAUSE = 0.4
"""Seconds between two looks: many scenarios look at the same time."""


async def until(home: House, operation: str, there: Callable[[Operation], bool]) -> Operation:
    """The operation's row as soon as it is so; fails when it never is."""
    clock = asyncio.get_running_loop().time
    deadline, pause = clock() + home.patience, 0.05
    while True:
        async with home.database.reading() as session:
            row = await session.get(Operation, operation)
        assert row is not None
        if there(row):
            return row
        assert clock() < deadline, f"{operation} is {row.state}/{row.stage}: {row.error}"
        await asyncio.sleep(pause)
        pause = min(pause * 1.3, LONGEST_PAUSE)


async def until_state(home: House, operation: str, *states: str, stage: str | None = None) -> Operation:
    return await until(home, operation, lambda row: row.state in states and stage in (None, row.stage))


async def until_reviewed(home: House, operation: str) -> None:
    await until(home, operation, lambda row: row.stage == "review")


async def approve(home: House, who: Member, operation: str) -> None:
    await until_reviewed(home, operation)
    taken(await home.decide(who, operation))


def taken(answer: httpx.Response) -> None:
    """What was asked is done, or on its way."""
    assert answer.status_code in (200, 202), answer.text


async def deliver(home: House, type: str, is_about: Callable[[dict[str, Any]], bool]) -> None:
    """Stripe's newest event of this type about such an object arrives."""
    wanted: Any = {"type": type, "limit": 20}
    listed = await home.shop.client.v1.events.list_async(wanted)
    body = str(next(event for event in listed.data if is_about(event.data.object.to_dict())))
    signature = stripe.WebhookSignature.generate_signature_header(body, home.stand_in.webhook_secret)
    headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
    taken(await home.http.post("/webhooks/stripe", content=body, headers=headers))


async def check_records(
    home: House, operation: str, effects: Sequence[str], *, decisions: int = 0
) -> list[str]:
    """Every intent is closed, and the timeline is whole and says everything once; gives its events.

    `effects` are the steps and versions that were done, without the digests that some end in.
    """
    async with home.database.reading() as session:
        kept = await intents.of_operation(session, operation)
        events = await timeline.read(session, operation)
    assert [intent.state for intent in kept] == ["done"] * len(kept), [i.model_dump() for i in kept]
    done = [f"{DIGEST.sub('', intent.step)}:{intent.version}" for intent in kept]
    assert sorted(done) == sorted(effects)
    verify_chain(
        operation,
        [Event.model_validate(event.model_dump(exclude={"operation_id", "key"})) for event in events],
    )
    assert sum(event.code == "changed_in_stripe" for event in events) == len(effects)
    assert sum(event.key.endswith(":decided") for event in events) == decisions
    return [event.code for event in events]


async def check_commitment(
    home: House, operation: str, *, amount: int, authority_of: str, released: bool = False
) -> None:
    """The money is set aside once, on the right person's authority, and free only where nothing was given."""
    async with home.database.reading() as session:
        held = await commitments.of_operation(session, operation)
    assert [(row.amount_minor, row.authority_of) for row in held] == [(amount, authority_of)]
    assert [row.decided_at is not None for row in held] == [True]
    assert [row.released_at is not None for row in held] == [released]


async def check_notes(
    home: House, operation: str, texts: Sequence[str], metadata: Any, *, about: Collection[str] = ()
) -> None:
    """Our rows and Stripe's metadata say the same: every note, with its author and the payments."""
    async with home.database.reading() as session:
        rows = await notes.of_operation(session, operation)
    assert [row.text for row in rows] == list(texts)
    for row in rows:
        key = "plixo_note" if row.seq == 1 else f"plixo_note_{row.seq}"
        assert metadata[key] == with_objects(row.text, list(about))
        assert metadata[f"{key}_by"].startswith(f"{row.author} ")
    assert metadata["plixo_operation"] == operation


async def check_mirror(home: House, kind: type[SQLModel], found: Any, **values: Any) -> None:
    """Our mirror's row of an object in Stripe says what Stripe says."""
    async with home.database.reading() as session:
        row = await session.get(kind, found.id)
    assert row is not None
    wanted = {"amount": found.amount, "currency": found.currency} | values
    assert {name: getattr(row, name) for name in wanted} == wanted


def executed(home: House, path: str, since: int) -> list[dict[str, Any]]:
    """The writes to exactly this path that the stand-in executed itself, whatever it answered."""
    return [
        line
        for line in home.stand_in.requests(since)
        if line["method"] == "POST" and line["path"] == path and line["executed"] and not line["replayed"]
    ]
