"""Scenarios and requests that hypothesis draws: the same few each time, or as many others as
`make scenarios N=…` asks for."""

import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, example, settings

MORE = os.environ.get("PLIXO_TEST_SCENARIOS")

Test = TypeVar("Test", bound=Callable[..., Awaitable[None]])


def drawn(few: int) -> settings:
    """For scenarios in a running house, which has to last for all of them."""
    return settings(
        max_examples=number(few),
        deadline=None,
        derandomize=MORE is None,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def always(*told: Any) -> Callable[[Test], Test]:
    """Plays these scenarios before those that are drawn."""

    def decorated(test: Test) -> Test:
        for scenario in reversed(told):
            test = example(scenario=scenario)(test)
        return test

    return decorated


def patience(few: int) -> pytest.MarkDecorator:
    """A timeout that so many can keep."""
    return pytest.mark.timeout(340 + 10 * number(few))


def number(few: int) -> int:
    """How many are drawn: so many, unless more are asked for."""
    return int(MORE or few)
