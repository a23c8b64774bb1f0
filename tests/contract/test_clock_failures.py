"""A test clock on whose way something breaks: it ends as a failure, and what was done stays done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import stripe

from sandbox.stripe.core.kernel import ATTENDED, Ctx, Obj
from sandbox.stripe.server.inprocess import StandIn

from .billing import APRIL, DAY, MAY, Business
from .conftest import REAL_KEY, client_of

pytestmark = pytest.mark.skipif(bool(REAL_KEY), reason="breaks the stand-in")


def raises(ctx: Ctx, invoice: Obj) -> None:
    raise RuntimeError("a fault of the stand-in's own")


def never_ends(ctx: Ctx, invoice: Obj) -> None:
    ctx.store.put(invoice)


@contextmanager
def running() -> Iterator[Business]:
    """A business of its own: what broke is noted among what is wrong with the stand-in's answers."""
    with StandIn() as stand_in:
        business = Business(stand_in, client_of(stand_in.url))
        business.at(APRIL)
        yield business


@pytest.mark.parametrize(("broken", "stands_at"), [(raises, MAY), (never_ends, MAY + 3600)])
def test_what_breaks_on_a_clocks_way_ends_it_and_keeps_what_was_done(
    monkeypatch: pytest.MonkeyPatch, broken: Callable[[Ctx, Obj], None], stands_at: int
) -> None:
    with running() as business:
        clock = business.v1.test_helpers.test_clocks.create({"frozen_time": APRIL})
        customer = business.customer(test_clock=clock.id)
        subscription = business.subscribe(1000, customer=customer.id)
        monkeypatch.setitem(ATTENDED, "invoice", broken)

        business.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": MAY + DAY})
        failed = business.v1.test_helpers.test_clocks.retrieve(clock.id)

        assert (failed.status, failed.frozen_time) == ("internal_failure", stands_at)
        draft = business.invoice(business.subscription(subscription.id).latest_invoice)
        assert (draft.status, draft.created) == ("draft", MAY)
        told = business.v1.events.list({"type": "test_helpers.test_clock.internal_failure"}).data
        assert [event.data.object.id for event in told] == [clock.id]
        assert business.v1.customers.update(customer.id, {"name": "Still here"}).name == "Still here"
        with pytest.raises(stripe.InvalidRequestError):
            business.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": MAY + 2 * DAY})
        [problem] = business.stand_in.violations()
        assert problem["where"] == "clock"
        assert business.v1.test_helpers.test_clocks.delete(clock.id).deleted is True


def test_another_clock_goes_on_beside_one_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as business:
        made: list[tuple[Any, Any]] = []
        for _ in range(2):
            clock = business.v1.test_helpers.test_clocks.create({"frozen_time": APRIL})
            customer = business.customer(test_clock=clock.id)
            made.append((clock.id, business.subscribe(1000, customer=customer.id)))
        with monkeypatch.context() as patch:
            patch.setitem(ATTENDED, "invoice", raises)
            business.v1.test_helpers.test_clocks.advance(made[0][0], {"frozen_time": MAY + DAY})
            assert business.v1.test_helpers.test_clocks.retrieve(made[0][0]).status == "internal_failure"

        business.v1.test_helpers.test_clocks.advance(made[1][0], {"frozen_time": MAY + DAY})

        assert business.v1.test_helpers.test_clocks.retrieve(made[1][0]).status == "ready"
        paid = business.invoice(business.subscription(made[1][1].id).latest_invoice)
        assert (paid.status, paid.created) == ("paid", MAY)
