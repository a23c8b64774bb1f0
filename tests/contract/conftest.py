"""The contract tests' Stripe: the stand-in, or real Stripe test mode when STRIPE_TEST_KEY is set.

Tests that steer the stand-in ask for `stand_in` and are skipped against real Stripe.
"""

import os
from collections.abc import Iterator

import httpx
import pytest
import stripe

from sandbox.stripe.core.kernel import API_VERSION
from sandbox.stripe.server.inprocess import StandIn

from .billing import APRIL, Business

REAL_KEY = os.environ.get("STRIPE_TEST_KEY")
KEY = REAL_KEY or "sk_test_contract"


HERE = "tests/contract/"
STEERING = {"stand_in", "frozen_stand_in", "business"}
"""The fixtures of tests that need the stand-in itself."""
TALKING = {"stripe_client", "raw"}
"""The fixtures of tests that talk to any Stripe."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that can run against real Stripe as `live`."""
    for item in items:
        if item.nodeid.startswith(HERE):
            asked = set(getattr(item, "fixturenames", ()))
            if asked & TALKING and not asked & STEERING:
                item.add_marker("live")


@pytest.fixture(scope="session")
def running_stand_in() -> Iterator[StandIn | None]:
    """The stand-in of the whole session; None when the tests run against real Stripe."""
    if REAL_KEY:
        yield None
        return
    with StandIn(check=True) as running:
        yield running


@pytest.fixture(autouse=True)
def _answers_conform_to_the_sdk(running_stand_in: StandIn | None) -> Iterator[None]:
    """After each test: every answer and event so far was one that the pinned SDK's types describe."""
    yield
    if running_stand_in is not None:
        assert running_stand_in.violations() == []


@pytest.fixture
def stand_in(running_stand_in: StandIn | None) -> Iterator[StandIn]:
    """The stand-in, to be steered; afterwards it is left without faults, limits or webhooks."""
    if running_stand_in is None:
        pytest.skip("steers the stand-in; real Stripe has no such endpoints")
    yield running_stand_in
    running_stand_in.clear_faults()
    running_stand_in.control("limits", {"per_second": None, "lock_wait_ms": 250})
    running_stand_in.webhooks(url=None, events=None, mode="normal")


def client_of(url: str | None, key: str = KEY) -> stripe.StripeClient:
    """The SDK's client without retries, synchronous and asynchronous; url None is real Stripe."""
    return stripe.StripeClient(
        key,
        base_addresses={"api": url} if url else {},
        max_network_retries=0,
        http_client=stripe.HTTPXClient(timeout=30, allow_sync_methods=True),
    )


@pytest.fixture(scope="session")
def stripe_client(running_stand_in: StandIn | None) -> stripe.StripeClient:
    """The SDK's client of the Stripe under test."""
    return client_of(running_stand_in.url if running_stand_in else None)


@pytest.fixture(scope="session")
def raw(running_stand_in: StandIn | None) -> Iterator[httpx.Client]:
    """Plain HTTP with key and version, for what the SDK would not send."""
    headers = {"Authorization": f"Bearer {KEY}", "Stripe-Version": API_VERSION}
    url = running_stand_in.url if running_stand_in else "https://api.stripe.com"
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def customer(stripe_client: stripe.StripeClient) -> stripe.Customer:
    """A customer of the test's own."""
    return stripe_client.v1.customers.create({"name": "Contract test"})


@pytest.fixture(scope="session")
def frozen_stand_in() -> Iterator[StandIn]:
    """A stand-in whose clock stands still; the tests of billing use it one after the other."""
    if REAL_KEY:
        pytest.skip("counts seconds on a clock that stands still")
    with StandIn(check=True) as running:
        yield running


@pytest.fixture
def business(frozen_stand_in: StandIn) -> Iterator[Business]:
    """An empty Stripe on 1 April 2026; afterwards its answers must have been in Stripe's shapes."""
    frozen_stand_in.reset()
    known = len(frozen_stand_in.violations())
    made = Business(frozen_stand_in, client_of(frozen_stand_in.url))
    made.at(APRIL)
    yield made
    assert frozen_stand_in.violations()[known:] == []
