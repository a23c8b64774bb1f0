"""Each kind of object that Stripe's events tell of is read by one entry of the table."""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import pytest

from activities.effects.perform import StripeEffects
from activities.mirror.events import StripeEvents
from activities.mirror.mirror import Mirror
from activities.mirror.objects.payment import PaymentSnapshot
from activities.mirror.readers import READERS
from billing.stripe.events import FOLLOWED, EventSubject
from db.cases import money_cases, subscription_cases
from db.mirror import mirror


def test_every_kind_of_object_that_events_tell_of_has_a_reader() -> None:
    assert set(READERS) == set(EventSubject) == set(FOLLOWED.values())


class Answer:
    """What the SDK gives of a document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def to_dict(self) -> dict[str, Any]:
        return self._document


def test_a_refund_shows_its_payment_with_ids_where_it_was_expanded() -> None:
    customer, charge = {"id": "cus_1"}, {"id": "ch_1"}
    payment = {"id": "pi_1", "customer": customer, "latest_charge": charge}
    answer: Any = Answer({"id": "re_1", "payment_intent": payment})
    snapshot = PaymentSnapshot.of_refund(answer)
    assert snapshot == PaymentSnapshot(
        customer={"id": "cus_1"},
        payment={"id": "pi_1", "customer": "cus_1", "latest_charge": "ch_1"},
        charge={"id": "ch_1"},
        refunds=({"id": "re_1", "payment_intent": "pi_1"},),
    )


@pytest.mark.parametrize("payment", [{}, {"payment_intent": None}])
def test_a_refund_of_a_charge_without_a_payment_is_nothing_of_ours(payment: dict[str, Any]) -> None:
    answer: Any = Answer({"id": "re_1"} | payment)
    assert PaymentSnapshot.of_refund(answer) is None


@pytest.mark.parametrize(
    "writer",
    [
        mirror.store,
        mirror.store_subscription,
        money_cases.notice,
        money_cases.closed,
        subscription_cases.notice,
        Mirror,
        StripeEffects,
        StripeEvents,
    ],
)
def test_nothing_writes_the_mirror_without_the_rules_of_cases(writer: Callable[..., Any]) -> None:
    assert signature(writer).parameters["rules"].default is Parameter.empty
