import pytest

from billing.plan_changes.phases import MadePhase, new_cycle_phase, schedule_phases
from billing.plan_changes.stripe_params import (
    apply_params,
    preview_params,
    renewal_preview_params,
    schedule_params,
)
from billing.plan_changes.subject import PreviewQuery, Terms, WaitingChange

from ..builders import MID_APRIL, a_line, a_query, a_subject, some_facts, some_terms

YEARLY = some_terms(plan="growth", price="price_growth_year", interval="year")
TO_GROWTH = [{"id": "si_1", "price": "price_growth_month", "quantity": 5}]
TO_YEARLY = [{"id": "si_1", "price": "price_growth_year", "quantity": 5}]
BACK = [{"id": "si_1", "price": "price_starter_month", "quantity": 5}]


@pytest.mark.parametrize(
    ("invoicing", "behavior"), [("immediately", "always_invoice"), ("next_invoice", "create_prorations")]
)
def test_a_change_now_is_applied_exactly_as_it_was_previewed(invoicing: str, behavior: str) -> None:
    change = {"items": TO_GROWTH, "proration_behavior": behavior, "proration_date": MID_APRIL}

    assert preview_params(a_query(invoicing=invoicing)) == {
        "subscription": "sub_1",
        "subscription_details": change,
    }
    assert apply_params(a_subject(a_line(), invoicing=invoicing)) == change | {
        "payment_behavior": "error_if_incomplete"
    }


def test_a_second_that_is_not_pinned_yet_is_left_to_stripe() -> None:
    details = preview_params(a_query(proration_date=None))["subscription_details"]
    assert details == {"items": TO_GROWTH, "proration_behavior": "always_invoice"}


def test_an_interval_change_always_starts_a_new_period() -> None:
    change = {
        "items": TO_YEARLY,
        "proration_behavior": "always_invoice",
        "billing_cycle_anchor": {"type": "now"},
        "proration_date": MID_APRIL,
    }
    assert preview_params(a_query(to=YEARLY))["subscription_details"] == change
    assert apply_params(a_subject(a_line(), to=YEARLY)) == change | {
        "payment_behavior": "error_if_incomplete"
    }


def test_a_change_at_period_end_is_previewed_as_the_renewal_that_it_becomes() -> None:
    query = a_query(effective="period_end")
    assert preview_params(query) == renewal_preview_params(query)


@pytest.mark.parametrize(
    "query",
    [a_query(effective="period_end", to=YEARLY), a_query(effective="period_end", new_cycle=True)],
    ids=["another interval", "unasked"],
)
def test_a_new_cycle_at_period_end_is_previewed_as_the_phase_with_which_it_begins(
    query: PreviewQuery,
) -> None:
    """On the subscription itself it would begin at once."""
    query = query.model_copy(update={"facts": some_facts(billing_mode="classic")})
    assert preview_params(query) == {
        "customer": "cus_1",
        "schedule_details": {
            "billing_mode": {"type": "classic"},
            "end_behavior": "release",
            "phases": [new_cycle_phase(query)],
        },
    }


def test_the_renewal_before_a_new_cycle_is_that_of_the_subscription_as_it_is() -> None:
    query = a_query(effective="period_end", new_cycle=True)
    assert renewal_preview_params(query.unchanged)["subscription_details"] == {
        "items": BACK,
        "proration_behavior": "none",
    }


def test_the_renewal_is_previewed_without_prorations() -> None:
    assert renewal_preview_params(a_query()) == {
        "subscription": "sub_1",
        "subscription_details": {"items": TO_GROWTH, "proration_behavior": "none"},
    }


def test_the_renewal_after_an_interval_change_is_previewed_as_a_period_that_begins_now() -> None:
    assert renewal_preview_params(a_query(to=YEARLY))["subscription_details"] == {
        "items": TO_YEARLY,
        "proration_behavior": "none",
        "billing_cycle_anchor": {"type": "now"},
    }


def test_a_schedule_is_sent_whole_and_lets_the_subscription_go_after_it() -> None:
    subject = a_subject(a_line(), effective="period_end")
    made = MadePhase(phase={"items": [{"price": "price_starter_month", "quantity": 5}]})
    assert schedule_params(subject, made) == {
        "end_behavior": "release",
        "proration_behavior": "none",
        "phases": list(schedule_phases(subject, made)),
    }


@pytest.mark.parametrize("to", [some_terms(plan="growth", price="price_growth_month"), YEARLY])
def test_what_takes_the_place_of_another_is_previewed_by_its_schedule_as_it_will_be_sent(to: Terms) -> None:
    made = MadePhase(phase={"items": [{"price": "price_starter_month", "quantity": 5}]})
    waiting = WaitingChange(
        operation="op_1", schedule="sub_sched_1", to=some_terms(seats=4), effective_at=1_769_904_000
    )
    query = a_query(effective="period_end", to=to, replaces=waiting)
    query = query.model_copy(update={"phases": schedule_phases(query, made)})
    sent = schedule_params(a_subject(a_line(), effective="period_end", to=to), made)
    assert preview_params(query) == {"schedule": "sub_sched_1", "schedule_details": sent}
