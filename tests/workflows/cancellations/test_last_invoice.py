"""A last invoice that Stripe makes, or makes final, some time after the plan has ended."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from billing.cancellations.cancellation import CancellationSubject
from billing.cancellations.report import CancellationResult, ended_report
from billing.core.operations import State
from billing.operations.standing import Standing
from workflows.cancellations.ending import PlanEnding
from workflows.core.outcome import Outcome

from ...billing.cancellations.made import END, WAITS, a_cancellation, facts, last

ENDED = facts(status="canceled", ended_at=END)
PLANNED = Standing(state=State.RUNNING, stage="ending", keys=("planned",))


class Stripe:
    """Has the plan ended, and says one report after the other of it."""

    def __init__(self, *reports: CancellationResult) -> None:
        self.reports, self.waits, self.told = list(reports), 0, True

    async def facts(self) -> Any:
        return ENDED

    async def came(self, subject: CancellationSubject) -> CancellationResult:
        return self.reports.pop(0) if len(self.reports) > 1 else self.reports[0]

    async def sync(self, *_: Any) -> None:
        return None

    def notice(self, *_: Any, **__: Any) -> None:
        return None

    def clear(self) -> None:
        return None

    async def wait(self, what: str, delays: Iterator[timedelta], objects: Any) -> bool:
        self.waits += 1
        return self.told


async def ended(stripe: Any) -> Any:
    recorder: Any = SimpleNamespace(operation="op_1", notice=stripe.notice)
    effects: Any = SimpleNamespace(came_to_nothing=stripe.clear)
    ending = PlanEnding(recorder, effects, stripe, stripe, stripe)
    return await ending.carry_out(a_cancellation("at_period_end"), PLANNED)


@pytest.mark.parametrize("first", [None, last(WAITS).model_copy(update={"status": "draft"})])
async def test_it_is_waited_for_and_then_verified(first: Any) -> None:
    subject = a_cancellation("at_period_end")
    reports = [ended_report(subject, ENDED, one) for one in (first, first, last(WAITS))]
    stripe = Stripe(*reports)
    outcome = await ended(stripe)
    assert isinstance(outcome, Outcome)
    assert (outcome.state, outcome.result) == (State.COMPLETED, reports[-1])
    assert stripe.waits == 2


async def test_one_that_never_comes_is_told() -> None:
    stripe = Stripe(ended_report(a_cancellation("at_period_end"), ENDED, None))
    stripe.told = False
    problem = await ended(stripe)
    assert problem.code == "cancellation_differs"


async def test_an_end_without_any_invoice_waits_for_none() -> None:
    bare = a_cancellation("at_period_end").model_copy(update={"bill": None})
    stripe = Stripe(ended_report(bare, ENDED, None))
    recorder: Any = SimpleNamespace(operation="op_1", notice=stripe.notice)
    untyped: Any = stripe
    ending = PlanEnding(recorder, untyped, untyped, untyped, untyped)
    outcome = await ending.carry_out(bare, PLANNED)
    assert isinstance(outcome, Outcome)
    assert (outcome.state, stripe.waits) == (State.COMPLETED, 0)
