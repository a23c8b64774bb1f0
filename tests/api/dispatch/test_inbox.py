"""Events that come together are committed together, and each is answered after its own commit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel.ext.asyncio.session import AsyncSession

from api.dispatch.inbox import AT_ONCE, Inbox
from db.core.session import Database
from db.stripe.events import ArrivedEvent
from db.tables import StripeEvent

from ...support.builders import NOW
from ..conftest import ON_ONE_DATABASE, counted


def an_arrival(number: int) -> ArrivedEvent:
    return ArrivedEvent(f"evt_{number}", "refund.updated", "re_1", False, NOW, NOW)


class Watched(Database):
    """Counts what was committed; breaks as often as it is told to."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.commits = self.breaks = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        if self.breaks:
            self.breaks -= 1
            raise OperationalError("BEGIN", None, Exception("gone"))
        async with super().transaction() as session:
            yield session
        self.commits += 1


@pytest.fixture
async def watched(database_url: str) -> AsyncIterator[Watched]:
    opened = Watched(database_url)
    yield opened
    await opened.dispose()


async def test_what_arrives_together_is_committed_together(watched: Watched) -> None:
    inbox = Inbox(watched)
    kept = await asyncio.gather(*(inbox.keep(an_arrival(number % 50)) for number in range(60)))
    assert [one.new for one in kept] == [True] * 50 + [False] * 10
    assert watched.commits == 1
    assert await counted(watched, StripeEvent) == [50]


async def test_one_that_comes_alone_does_not_wait_for_company(watched: Watched) -> None:
    inbox = Inbox(watched)
    for number in range(3):
        assert (await inbox.keep(an_arrival(number))).new
    assert watched.commits == 3


@ON_ONE_DATABASE
async def test_a_commit_has_a_limit(watched: Watched) -> None:
    inbox = Inbox(watched)
    await asyncio.gather(*(inbox.keep(an_arrival(number)) for number in range(AT_ONCE + 1)))
    assert watched.commits == 2


@ON_ONE_DATABASE
async def test_when_a_commit_fails_all_of_it_are_told_and_the_next_ones_are_kept(watched: Watched) -> None:
    inbox = Inbox(watched)
    watched.breaks = 1
    failed = await asyncio.gather(
        *(inbox.keep(an_arrival(number)) for number in range(3)), return_exceptions=True
    )
    assert [type(one) for one in failed] == [OperationalError] * 3
    assert (await inbox.keep(an_arrival(0))).new


@ON_ONE_DATABASE
async def test_whoever_gives_up_waiting_takes_nobody_elses_event_along(watched: Watched) -> None:
    inbox = Inbox(watched)
    waiting = [asyncio.create_task(inbox.keep(an_arrival(number))) for number in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    kept = await asyncio.gather(*waiting[1:])
    assert all(one.new for one in kept)
    assert await counted(watched, StripeEvent) == [3]
