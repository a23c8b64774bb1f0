"""Money in Stripe is ours by the intent that knows its id; its metadata is a claim that anybody can write."""

from typing import Any

import pytest
from sqlmodel import select

from db.core.session import Database
from db.tables import Case

from ...support.followed import follow
from ...support.shop import Shop
from ..effects.effecting import Killed, dying
from ..giving_back import GIVINGS, Giving

TYPES = {
    "refund": "refund.created",
    "credit note": "credit_note.created",
    "balance": "customer.updated",
}


@pytest.fixture(params=list(GIVINGS))
async def watched(request: pytest.FixtureRequest, shop: Shop, database: Database) -> tuple[str, Giving]:
    """What gives money, and its kind."""
    return request.param, await GIVINGS[request.param](shop, database)


async def told(kind: str, giving: Giving, made: str) -> None:
    """Stripe's event of the object is followed."""
    object_ = giving.effect.target if kind == "balance" else made
    await follow(giving.job.shop.client, giving.job.database, TYPES[kind], object_)


async def cased(giving: Giving) -> list[str]:
    async with giving.job.database.reading() as session:
        return list(await session.exec(select(Case.object_id).order_by(Case.object_id)))


async def copied(kind: str, giving: Giving, mark: dict[str, str], **changed: Any) -> str:
    """Somebody makes the same in Stripe itself, with metadata that they copied; gives its id."""
    v1 = giving.job.shop.client.v1
    params: Any = giving.effect.params | {"metadata": mark} | changed
    if kind == "refund":
        return (await v1.refunds.create_async(params)).id
    if kind == "credit note":
        return (await v1.credit_notes.create_async(params)).id
    return (await v1.customers.balance_transactions.create_async(giving.effect.target, params)).id


def mark_of(giving: Giving) -> dict[str, str]:
    return {"plixo_operation": giving.job.operation.id, "plixo_effect": giving.effect.key}


@pytest.mark.both_databases
async def test_metadata_that_was_copied_from_ours_makes_a_case(watched: tuple[str, Giving]) -> None:
    kind, giving = watched
    await giving.job.attempt(giving.effect)
    [ours] = [one["id"] for one in await giving.made()]
    await told(kind, giving, ours)
    assert await cased(giving) == []
    other = await copied(kind, giving, mark_of(giving))
    await told(kind, giving, other)
    assert await cased(giving) == [other]
    assert {row.id: row.operation_id for row in await giving.mirrored()} == {
        ours: giving.job.operation.id,
        other: None,
    }


@pytest.mark.both_databases
async def test_an_event_that_comes_before_the_intent_is_closed_makes_no_case(
    watched: tuple[str, Giving],
) -> None:
    kind, giving = watched
    with pytest.raises(Killed):
        await giving.job.attempt(giving.effect, kinds=dying(giving.effect.kind, after=True))
    [made] = await giving.made()
    await told(kind, giving, made["id"])
    assert await cased(giving) == []
    performed = await giving.job.attempt(giving.effect)
    assert (performed.outcome, performed.stripe_id) == ("done", made["id"])
    await giving.check_given_once()
    await told(kind, giving, made["id"])
    assert await cased(giving) == []


@pytest.mark.both_databases
async def test_what_bears_the_mark_of_an_open_intent_and_is_something_else_is_not_taken_for_its_work(
    watched: tuple[str, Giving],
) -> None:
    kind, giving = watched
    with pytest.raises(Killed):
        await giving.job.attempt(giving.effect, kinds=dying(giving.effect.kind, after=False))
    amount = abs(giving.effect.params["amount"]) - 100
    signed = -amount if kind == "balance" else amount
    other = await copied(kind, giving, mark_of(giving), amount=signed)
    await told(kind, giving, other)
    performed = await giving.job.attempt(giving.effect)
    assert performed.outcome == "done"
    assert performed.stripe_id not in (None, other)
    assert await cased(giving) == [other]


@pytest.mark.both_databases
async def test_two_that_bear_the_mark_of_an_open_intent_are_one_of_ours_and_a_case(
    watched: tuple[str, Giving],
) -> None:
    kind, giving = watched
    with pytest.raises(Killed):
        await giving.job.attempt(giving.effect, kinds=dying(giving.effect.kind, after=True))
    other = await copied(kind, giving, mark_of(giving))
    for one in await giving.made():
        await told(kind, giving, one["id"])
    performed = await giving.job.attempt(giving.effect)
    ids = {one["id"] for one in await giving.made()}
    assert len(ids) == 2
    assert other in ids
    assert {performed.stripe_id, *await cased(giving)} == ids
    assert len(await cased(giving)) == 1
