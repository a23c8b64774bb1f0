"""One Stripe stand-in for all activities' tests, which is emptied and stocked for each of them."""

from collections.abc import AsyncIterator, Iterator

import pytest

from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn

from ..support.shop import Shop, open_shop
from .counter import Counter, a_counter
from .effects.effecting import Job, a_job
from .giving_back import GIVINGS, Giving
from .reviewing import Review, a_review


@pytest.fixture(scope="session")
def running_stand_in() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture
async def shop(running_stand_in: StandIn) -> AsyncIterator[Shop]:
    """Plans for sale, and nothing else, on the first of April, where time stands still until it is moved;
    afterwards, every answer so far was one that the SDK describes."""
    running_stand_in.reset()
    yield await open_shop(running_stand_in, frozen=True)
    assert running_stand_in.violations() == []


@pytest.fixture
async def job(shop: Shop, database: Database) -> Job:
    """A plan change of a subscribed organization that has come to its step in Stripe."""
    return await a_job(shop, database)


@pytest.fixture
async def review(database: Database) -> Review:
    """A plan change of an organization that is to be reviewed."""
    return await a_review(database)


@pytest.fixture(params=list(GIVINGS))
async def giving(request: pytest.FixtureRequest, shop: Shop, database: Database) -> Giving:
    """A refund, a credit note and a balance credit, one after the other."""
    return await GIVINGS[request.param](shop, database)


@pytest.fixture
async def counter(shop: Shop, database: Database) -> Counter:
    """An organization with a customer, and what it asks of Stripe."""
    return await a_counter(shop, database)
