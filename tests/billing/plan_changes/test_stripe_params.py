import pytest

from billing.plan_changes.stripe_params import (
    apply_params,
    preview_params,
    renewal_preview_params,
    schedule_params,
)

from ..builders import APRIL_END, APRIL_START, MID_APRIL, a_line, a_query, a_subject, some_terms

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


def test_another_interval_at_period_end_is_previewed_as_a_subscription_that_starts_then() -> None:
    """On the subscription itself it would start a new period at once."""
    assert preview_params(a_query(effective="period_end", to=YEARLY)) == {
        "customer": "cus_1",
        "subscription_details": {
            "items": [{"price": YEARLY.price, "quantity": YEARLY.seats}],
            "start_date": APRIL_END,
        },
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


def test_a_new_cycle_that_stripe_begins_unasked_is_previewed_so_too() -> None:
    query = a_query(effective="period_end", new_cycle=True)
    assert preview_params(query)["subscription_details"] == {
        "items": [{"price": "price_growth_month", "quantity": 5}],
        "start_date": APRIL_END,
    }
    assert renewal_preview_params(query.unchanged)["subscription_details"] == {
        "items": BACK,
        "proration_behavior": "none",
    }


def test_a_schedule_repeats_the_current_phase_and_adds_one_period_of_the_new_terms() -> None:
    subject = a_subject(a_line(), effective="period_end", to=YEARLY)
    assert schedule_params(subject, APRIL_START, APRIL_END) == {
        "end_behavior": "release",
        "proration_behavior": "none",
        "phases": [
            {
                "items": [{"price": "price_starter_month", "quantity": 5}],
                "start_date": APRIL_START,
                "end_date": APRIL_END,
                "proration_behavior": "none",
            },
            {
                "items": [{"price": "price_growth_year", "quantity": 5}],
                "duration": {"interval": "year", "interval_count": 1},
                "proration_behavior": "none",
                "billing_cycle_anchor": "phase_start",
            },
        ],
    }


def test_a_schedule_keeps_the_trial_and_without_a_new_interval_the_day_of_the_month() -> None:
    subject = a_subject(a_line(), effective="period_end")
    current, later = schedule_params(subject, APRIL_START, APRIL_END, APRIL_END)["phases"]
    assert current["trial_end"] == APRIL_END
    assert "billing_cycle_anchor" not in later
