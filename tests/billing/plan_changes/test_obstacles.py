from typing import Any

import pytest

from billing.core.money import Money
from billing.core.operations import Problem
from billing.plan_changes.obstacles import OpenInvoice, SubscriptionState, in_the_way, overtaken

from ..builders import some_facts

MAY = 1_777_593_600
OWED = OpenInvoice(id="in_1", number="ACME-0002", remaining=Money(amount_minor=6000, currency="usd"))


def a_state(**fields: Any) -> SubscriptionState:
    return SubscriptionState.model_validate({"status": "active"} | fields)


def codes(**fields: Any) -> list[str]:
    return [problem.code for problem in in_the_way(a_state(**fields))]


@pytest.mark.parametrize("status", ["active", "trialing"])
def test_nothing_stands_in_the_way_of_a_subscription_that_runs(status: str) -> None:
    assert in_the_way(some_facts(status=status)) == ()


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        (
            {"status": "canceled"},
            "subscription_ended",
            "The subscription was cancelled in Stripe: there is nothing left to change.",
        ),
        (
            {"status": "incomplete_expired"},
            "subscription_ended",
            "The subscription was cancelled in Stripe: there is nothing left to change.",
        ),
        (
            {"status": "incomplete", "open_invoice": OWED},
            "subscription_incomplete",
            "The subscription's first payment is missing. Pay invoice ACME-0002 first, of which USD 60.00 is "
            "open: its pay link is at /console/plans/invoices/in_1. Then ask again.",
        ),
        (
            {"status": "past_due", "open_invoice": OWED},
            "subscription_past_due",
            "The last payment for the subscription has failed or is late. Pay invoice ACME-0002 first, of "
            "which USD 60.00 is open: its pay link is at /console/plans/invoices/in_1. Then ask again.",
        ),
        (
            {"status": "unpaid"},
            "subscription_unpaid",
            "The subscription is unpaid, and Stripe has stopped charging it. Pay the open invoice first, "
            "under Billing → Plans → Invoices from Plixo, then ask again.",
        ),
        (
            {"status": "paused"},
            "subscription_paused",
            "The subscription is paused in Stripe. Ask Plixo to resume it, then ask again.",
        ),
        (
            {"status": "novel"},
            "subscription_not_active",
            "The subscription is novel in Stripe. Ask Plixo to settle that first.",
        ),
        (
            {"schedule": "sub_sched_1"},
            "subscription_scheduled",
            "Schedule sub_sched_1 already plans a change in Stripe. Ask Plixo to release it.",
        ),
        (
            {"cancel_at": MAY},
            "subscription_cancelling",
            "The subscription is set to end on May 1, 2026. Keep it so, or take the end back: with the "
            "plan change itself, or first by a cancellation of its own, under Plans.",
        ),
        (
            {"pending_update": MAY},
            "subscription_update_pending",
            "An earlier change in Stripe still waits for its payment, until May 1, 2026. Pay its invoice or "
            "let it expire, then ask again.",
        ),
        (
            {"pause_collection": "void", "resumes_at": MAY},
            "collection_paused",
            "Payment collection is paused in Stripe until May 1, 2026: nothing that a change costs "
            "would be charged. Ask Plixo to resume it, then ask again.",
        ),
        (
            {"pause_collection": "keep_as_draft"},
            "collection_paused",
            "Payment collection is paused in Stripe: nothing that a change costs would be "
            "charged. Ask Plixo to resume it, then ask again.",
        ),
        (
            {"billing_thresholds": True},
            "billing_thresholds",
            "The subscription has billing thresholds in Stripe, which may bill it at any time. Ask Plixo to "
            "remove them, then ask again.",
        ),
    ],
)
def test_each_obstacle_has_its_code_and_says_what_would_mend_it(
    fields: dict[str, Any], code: str, message: str
) -> None:
    assert in_the_way(a_state(**fields)) == (Problem(code=code, message=message),)


def test_everything_in_the_way_is_said_at_once() -> None:
    assert codes(status="past_due", cancel_at=MAY, pause_collection="void") == [
        "subscription_past_due",
        "subscription_cancelling",
        "collection_paused",
    ]


def test_of_one_that_has_ended_nothing_else_is_said() -> None:
    assert codes(status="canceled", cancel_at=MAY) == ["subscription_ended"]


@pytest.mark.parametrize("fields", [{}, {"schedule": "sub_sched_ours"}, {"status": "past_due"}])
def test_a_change_that_waits_goes_on_with_its_schedule_and_while_a_payment_is_tried_again(
    fields: dict[str, Any],
) -> None:
    assert overtaken(a_state(**fields)) is None


def test_a_change_that_waits_is_overtaken_by_any_other_obstacle() -> None:
    found = overtaken(a_state(status="past_due", schedule="sub_sched_ours", pause_collection="void"))
    assert found is not None
    assert found.code == "collection_paused"
