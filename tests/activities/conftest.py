"""One stocked Stripe stand-in for all activities' tests; each test has organizations of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest

from sandbox.stripe.inprocess import StandIn

from ..shop import Shop, open_shop


@pytest.fixture(scope="session")
def running_stand_in() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture(scope="session")
async def stocked_shop(running_stand_in: StandIn) -> Shop:
    return await open_shop(running_stand_in)


@pytest.fixture
async def shop(stocked_shop: Shop) -> AsyncIterator[Shop]:
    """Plans for sale; afterwards no fault is left, and every answer so far was one that the SDK describes."""
    yield stocked_shop
    stocked_shop.stand_in.clear_faults()
    assert stocked_shop.stand_in.violations() == []
