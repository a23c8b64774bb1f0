"""Programs of strangers, written for Stripe, run against the stand-in as they are."""

from collections.abc import Iterator
from importlib.resources import files

import pytest
import stripe
from billing_e2e.runner import Runner
from billing_e2e.safety import check_key, confirm_test_mode
from billing_e2e.scenario import Config, load_scenario

from sandbox.stripe.server.inprocess import StandIn

from .conftest import client_of

KEY = "sk_test_strangers"
SCENARIOS = sorted(path.name for path in (files("billing_e2e") / "scenarios").iterdir())


@pytest.fixture(scope="module")
def shop() -> Iterator[stripe.StripeClient]:
    """An account that cancels what it can't collect."""
    with StandIn(check=True) as stand_in:
        stand_in.control("retries", {"after": "cancel"})
        yield client_of(stand_in.url, KEY)
        assert stand_in.violations() == []


def monthly(shop: stripe.StripeClient, name: str, amount: int) -> str:
    """A monthly price of a new product."""
    return shop.v1.prices.create(
        {
            "unit_amount": amount,
            "currency": "usd",
            "recurring": {"interval": "month"},
            "product_data": {"name": name},
        }
    ).id


def test_billing_e2e_takes_it_for_stripes_test_mode(shop: stripe.StripeClient) -> None:
    check_key(KEY)
    confirm_test_mode(shop)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_of_billing_e2e_passes(shop: stripe.StripeClient, name: str) -> None:
    prices = {
        "monthly_price": monthly(shop, "Starter", 1900),
        "upgrade_price": monthly(shop, "Business", 4900),
    }
    config = Config(KEY, vars=prices)
    scenario = load_scenario(str(files("billing_e2e") / "scenarios" / name))

    result = Runner(config, shop).run(scenario)

    assert [step.detail for step in result.steps if not step.passed] + result.errors == []
    assert len(result.steps) == len(scenario.steps)
    assert shop.v1.test_helpers.test_clocks.list().data == []
