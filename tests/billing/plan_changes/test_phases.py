"""What a schedule carries over of its subscription, what it can't, and whether it is as it was sent."""

from typing import Any

import pytest

from billing.plan_changes.checks import not_schedulable
from billing.plan_changes.messages import ScheduleFacts
from billing.plan_changes.phase_fields import carried, kept, phase_ahead, uncarried, uncarried_of
from billing.plan_changes.phases import (
    MadePhase,
    differences,
    differently_billed,
    made_phase,
    new_cycle_phase,
    not_as_approved,
    not_as_reviewed,
    schedule_phases,
    undone,
)

from ..builders import APRIL_END, APRIL_START, a_line, a_query, a_subject, some_facts, some_terms

YEARLY = some_terms(plan="growth", price="price_growth_year", interval="year")
AHEAD = a_subject(a_line(), effective="period_end")

ITEM = {
    "billing_thresholds": None,
    "discounts": [{"coupon": None, "discount": "di_item", "promotion_code": None}],
    "metadata": {"team": "billing"},
    "plan": "price_starter_month",
    "price": "price_starter_month",
    "quantity": 5,
    "tax_rates": [{"id": "txr_item", "percentage": 5}],
}
PHASE: dict[str, Any] = {
    "add_invoice_items": [],
    "application_fee_percent": 2.5,
    "automatic_tax": {"enabled": False, "liability": None, "disabled_reason": None},
    "billing_cycle_anchor": None,
    "billing_thresholds": None,
    "collection_method": "send_invoice",
    "currency": "usd",
    "default_payment_method": {"id": "pm_1"},
    "default_tax_rates": [{"id": "txr_1", "percentage": 20}],
    "description": "The plan of all of Acme.",
    "discounts": [{"coupon": None, "discount": {"id": "di_1", "end": None}, "promotion_code": None}],
    "end_date": APRIL_END,
    "invoice_settings": {
        "account_tax_ids": ["txi_1"],
        "custom_fields": [{"name": "PO", "value": "17"}],
        "days_until_due": 14,
        "description": None,
        "footer": "Thank you.",
        "issuer": {"type": "account", "account": "acct_1"},
    },
    "items": [ITEM],
    "metadata": {"phase": "first"},
    "on_behalf_of": "acct_2",
    "proration_behavior": "create_prorations",
    "start_date": APRIL_START,
    "transfer_data": {"destination": "acct_3", "amount_percent": None},
    "trial_end": None,
}
SAID = {
    "application_fee_percent": 2.5,
    "automatic_tax": {"enabled": False},
    "collection_method": "send_invoice",
    "currency": "usd",
    "default_payment_method": "pm_1",
    "default_tax_rates": ["txr_1"],
    "description": "The plan of all of Acme.",
    "discounts": [{"discount": "di_1"}],
    "end_date": APRIL_END,
    "invoice_settings": {
        "account_tax_ids": ["txi_1"],
        "custom_fields": [{"name": "PO", "value": "17"}],
        "days_until_due": 14,
        "footer": "Thank you.",
        "issuer": {"type": "account", "account": "acct_1"},
    },
    "items": [
        {
            "discounts": [{"discount": "di_item"}],
            "metadata": {"team": "billing"},
            "price": "price_starter_month",
            "quantity": 5,
            "tax_rates": ["txr_item"],
        }
    ],
    "metadata": {"phase": "first"},
    "on_behalf_of": "acct_2",
    "proration_behavior": "create_prorations",
    "start_date": APRIL_START,
    "transfer_data": {"destination": "acct_3"},
}


def test_all_that_a_phase_says_is_said_again_in_parameters() -> None:
    assert carried(PHASE) == SAID
    assert uncarried(PHASE) == ()


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"add_invoice_items": [{"price": "price_setup"}]}, "add_invoice_items"),
        ({"billing_thresholds": {"amount_gte": 5000}}, "billing_thresholds"),
        ({"novelty": {"mode": "on"}}, "novelty"),
        ({"items": [ITEM | {"billing_thresholds": {"usage_gte": 5}}]}, "items.billing_thresholds"),
        ({"items": [ITEM | {"trial_offer": "offer_1"}]}, "items.trial_offer"),
        ({"invoice_settings": {"rendering": {"template": "tmpl_1"}}}, "invoice_settings.rendering"),
        ({"automatic_tax": {"enabled": True, "provider": "other"}}, "automatic_tax.provider"),
    ],
)
def test_what_nobody_knows_how_to_carry_over_is_named(more: dict[str, Any], name: str) -> None:
    assert uncarried(PHASE | more) == (name,)
    assert made_phase(PHASE | more).uncarried == (name,)


def test_the_current_phase_is_sent_as_it_is_and_the_next_one_with_everything_but_the_new_terms() -> None:
    current, later = schedule_phases(AHEAD, made_phase(PHASE | {"trial_end": APRIL_END}))
    assert current == SAID | {"trial_end": APRIL_END, "proration_behavior": "none"}
    item = SAID["items"][0]  # type: ignore[index]
    assert later == {
        **{name: value for name, value in SAID.items() if name not in ("start_date", "end_date")},
        "items": [item | {"price": "price_growth_month", "quantity": 5}],
        "duration": {"interval": "month", "interval_count": 1},
        "proration_behavior": "none",
    }


def test_a_new_interval_counts_from_the_start_of_its_phase() -> None:
    _, later = schedule_phases(a_subject(a_line(), effective="period_end", to=YEARLY), made_phase(PHASE))
    assert (later["billing_cycle_anchor"], later["duration"]) == (
        "phase_start",
        {"interval": "year", "interval_count": 1},
    )


def test_a_discount_that_is_over_by_then_is_left_out_of_the_next_phase() -> None:
    over = [{"discount": {"id": "di_1", "end": APRIL_END}}, {"discount": {"id": "di_2", "end": None}}]
    on_item = [{"discount": {"id": "di_item", "end": APRIL_END - 1}}]
    made = made_phase(PHASE | {"discounts": over, "items": [ITEM | {"discounts": on_item}]})
    current, later = schedule_phases(AHEAD, made)
    assert made.ended == ("di_1", "di_item")
    assert current["discounts"] == [{"discount": "di_1"}, {"discount": "di_2"}]
    assert (later["discounts"], "discounts" in later["items"][0]) == ([{"discount": "di_2"}], False)


def test_a_phase_is_as_reviewed_while_price_seats_and_end_are() -> None:
    assert not_as_reviewed(AHEAD, made_phase(PHASE)) == ()


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"items": [ITEM | {"price": "price_other"}]}, ("price",)),
        ({"items": [ITEM | {"quantity": 6}]}, ("quantity",)),
        ({"items": [ITEM, ITEM]}, ("items",)),
        ({"items": [ITEM, ITEM | {"price": "price_more"}]}, ("items",)),
        ({"end_date": APRIL_END + 1}, ("end_date",)),
    ],
)
def test_what_a_phase_has_otherwise_than_was_reviewed_is_named(
    more: dict[str, Any], names: tuple[str, ...]
) -> None:
    assert not_as_reviewed(AHEAD, made_phase(PHASE | more)) == names


# --- As it was sent ---------------------------------------------------------------------------------------


def sent_and_found(**of_the_later: Any) -> tuple[list[dict[str, Any]], ScheduleFacts]:
    current, later = schedule_phases(AHEAD, made_phase(PHASE))
    there = {name: value for name, value in later.items() if name != "duration"}
    there |= {"start_date": APRIL_END, "end_date": APRIL_END + 31 * 86_400} | of_the_later
    found = ScheduleFacts(
        schedule="sub_sched_1", status="active", end_behavior="release", phases=(current, there)
    )
    return [current, later], found


def test_a_schedule_is_as_it_was_sent() -> None:
    assert differences(*sent_and_found()) == ()


@pytest.mark.parametrize("name", sorted({*SAID} - {"items", "start_date", "end_date"}))
def test_each_field_of_a_phase_that_differs_is_named(name: str) -> None:
    sent, found = sent_and_found()
    current, later = found.phases
    without = {one: value for one, value in later.items() if one != name}
    assert differences(sent, found.model_copy(update={"phases": (current, without)})) == (name,)
    without = {one: value for one, value in current.items() if one != name}
    assert differences(sent, found.model_copy(update={"phases": (without, later)})) == (name,)


@pytest.mark.parametrize("name", ["discounts", "metadata", "price", "quantity", "tax_rates"])
def test_each_field_of_an_item_that_differs_is_named(name: str) -> None:
    sent, _ = sent_and_found()
    item = {one: value for one, value in sent[1]["items"][0].items() if one != name}
    assert differences(*sent_and_found(items=[item])) == (f"items.{name}",)


def test_what_a_phase_says_unasked_is_named() -> None:
    assert differences(*sent_and_found(trial_end=APRIL_END + 1)) == ("trial_end",)
    sent, found = sent_and_found()
    assert differences(sent, found.model_copy(update={"uncarried": ("novelty",)})) == ("novelty",)


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"status": "released"}, ("status",)),
        ({"end_behavior": "cancel"}, ("end_behavior",)),
        ({"phases": ()}, ("phases",)),
    ],
)
def test_another_course_of_the_schedule_is_named(more: dict[str, Any], names: tuple[str, ...]) -> None:
    sent, found = sent_and_found()
    assert differences(sent, found.model_copy(update=more)) == names


@pytest.mark.parametrize(
    ("times", "name"),
    [
        ({"start_date": APRIL_END + 1}, "start_date"),
        ({"end_date": APRIL_END + 27 * 86_400}, "end_date"),
        ({"end_date": APRIL_END + 32 * 86_400}, "end_date"),
    ],
)
def test_a_later_phase_that_begins_or_ends_otherwise_is_named(times: dict[str, int], name: str) -> None:
    assert differences(*sent_and_found(**times)) == (name,)


@pytest.mark.parametrize("days", [28, 30, 31])
def test_a_later_phase_is_a_month_long_whichever_it_is(days: int) -> None:
    assert differences(*sent_and_found(end_date=APRIL_END + days * 86_400)) == ()


# --- While it waits ---------------------------------------------------------------------------------------

KEPT = {"default_payment_method": "pm_1", "items": [{"price": "price_starter_month", "quantity": 5}]}
WAITING = a_subject(a_line(), effective="period_end").model_copy(update={"keeps": KEPT})


def test_a_subscription_is_as_approved_while_it_keeps_all_that_it_had() -> None:
    assert not_as_approved(WAITING, some_facts(keeps=KEPT)) == ()


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"keeps": KEPT | {"default_payment_method": "pm_2"}}, ("default_payment_method",)),
        ({"keeps": {"items": KEPT["items"]}}, ("default_payment_method",)),
        ({"keeps": KEPT | {"discounts": [{"discount": "di_1"}]}}, ("discounts",)),
        ({"keeps": KEPT | {"items": []}}, ("items",)),
        ({"terms": some_terms(seats=6)}, ("items.seats",)),
        ({"uncarried": ("default_source",)}, ("default_source",)),
        ({"period_start": APRIL_START + 1}, ("current_period_start",)),
        ({"period_end": APRIL_END + 1}, ("current_period_end",)),
    ],
)
def test_what_somebody_changes_while_it_waits_is_named(more: dict[str, Any], names: tuple[str, ...]) -> None:
    assert not_as_approved(WAITING, some_facts(**{"keeps": KEPT, **more})) == names


def parted(**of_the_second: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """As sent, and as somebody who changed the subscription at half of the period has left it."""
    sent, found = sent_and_found()
    current, later = found.phases
    half = (APRIL_START + APRIL_END) // 2
    first, second = current | {"end_date": half}, current | {"start_date": half} | of_the_second
    return sent, [first, second, later]


def test_what_was_put_into_the_phase_before_is_undone_by_the_next_and_named() -> None:
    assert undone(*parted()) == ()
    assert undone(*parted(discounts=[{"discount": "di_2"}])) == ("discounts",)
    item = SAID["items"][0] | {"quantity": 6}  # type: ignore[index]
    assert undone(*parted(items=[item])) == ("items.quantity",)


def test_a_discount_that_was_over_by_itself_is_not_undone() -> None:
    [current, later], found = parted(discounts=[])
    assert undone([current, later], found) == ("discounts",)
    without = {name: value for name, value in later.items() if name != "discounts"}
    assert undone([current, without], found) == ()


def test_a_next_phase_that_was_sent_otherwise_is_named_but_for_discounts() -> None:
    sent, [first, second, later] = parted()
    assert undone(sent, [first, second, later | {"default_payment_method": "pm_2"}]) == (
        "default_payment_method",
    )
    used = {name: value for name, value in later.items() if name != "discounts"}
    assert undone(sent, [first, second, used]) == ()


def test_what_comes_after_the_next_phase_has_begun_is_not_undone() -> None:
    sent, [first, second, later] = parted()
    rest = later | {"start_date": APRIL_END + 86_400, "default_payment_method": "pm_2"}
    assert undone(sent, [first, second, later, rest]) == ()


def test_what_a_schedule_will_bill_otherwise_is_named() -> None:
    other = a_subject(a_line(amount_minor=1), effective="period_end")
    assert {"lines", "total", "next_invoice"} <= set(differently_billed(AHEAD, other))
    assert "customer" in differently_billed(AHEAD, AHEAD.model_copy(update={"customer": "cus_2"}))
    assert differently_billed(AHEAD, AHEAD) == ()
    discounted = AHEAD.model_copy(update={"keeps": {"discounts": [{"discount": "di_1"}]}})
    assert differently_billed(AHEAD, discounted) == ("discounts",)


# --- Before there is a schedule ---------------------------------------------------------------------------


def a_subscription(**fields: Any) -> dict[str, Any]:
    item = {
        "id": "si_1",
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": APRIL_START,
        "current_period_end": APRIL_END,
        "current_period_start": APRIL_START,
        "discounts": [],
        "metadata": {},
        "plan": {"id": "price_starter_month"},
        "price": {"id": "price_starter_month", "product": {"id": "prod_1"}},
        "quantity": 5,
        "subscription": "sub_1",
        "tax_rates": [{"id": "txr_item"}],
    } | fields.pop("item", {})
    return {
        "id": "sub_1",
        "object": "subscription",
        "automatic_tax": {"enabled": True, "liability": {"type": "self"}, "disabled_reason": None},
        "billing_mode": {"type": "flexible"},
        "collection_method": "send_invoice",
        "currency": "usd",
        "customer": "cus_1",
        "days_until_due": 14,
        "default_payment_method": "pm_1",
        "default_source": None,
        "discounts": [
            {"id": "di_1", "end": None, "source": {"type": "coupon", "coupon": "SPRING"}},
            {"id": "di_2", "end": APRIL_END, "source": {"type": "coupon", "coupon": "WINTER"}},
        ],
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": {"data": [item]},
        "managed_payments": {"enabled": False},
        "metadata": {"cost_center": "4711"},
        "payment_settings": {"save_default_payment_method": "off"},
        "status": "active",
        **fields,
    }


def test_what_is_kept_is_the_same_with_discounts_by_their_ids() -> None:
    ahead = phase_ahead(a_subscription(), APRIL_END)
    assert kept(a_subscription(), APRIL_END) == ahead | {"discounts": [{"discount": "di_1"}]}


def test_the_phase_ahead_has_all_that_the_subscription_has_and_discounts_by_their_coupons() -> None:
    assert phase_ahead(a_subscription(), APRIL_END) == {
        "automatic_tax": {"enabled": True, "liability": {"type": "self"}},
        "collection_method": "send_invoice",
        "currency": "usd",
        "default_payment_method": "pm_1",
        "discounts": [{"coupon": "SPRING"}],
        "invoice_settings": {"days_until_due": 14, "issuer": {"type": "self"}},
        "items": [{"price": "price_starter_month", "quantity": 5, "tax_rates": ["txr_item"]}],
    }
    assert uncarried_of(a_subscription()) == ()


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"default_source": "card_1"}, "default_source"),
        ({"pending_invoice_item_interval": {"interval": "week"}}, "pending_invoice_item_interval"),
        ({"managed_payments": {"enabled": True}}, "managed_payments"),
        ({"item": {"current_trial": {"end_date": APRIL_END}}}, "items.current_trial"),
        ({"novelty": "on"}, "novelty"),
    ],
)
def test_what_a_schedule_would_take_away_is_refused_by_its_name_at_period_end_only(
    fields: dict[str, Any], name: str
) -> None:
    names = uncarried_of(a_subscription(**fields))
    assert names == (name,)
    facts = some_facts(uncarried=names)
    refused = not_schedulable(a_query(facts=facts, effective="period_end"))
    assert refused is not None
    assert (refused.code, f" {name}." in refused.message) == ("not_schedulable", True)
    assert not_schedulable(a_query(facts=facts)) is None
    assert not_schedulable(a_query(effective="period_end")) is None


def test_a_new_cycle_is_previewed_with_all_of_it() -> None:
    facts = some_facts(ahead=phase_ahead(a_subscription(), APRIL_END))
    phase = new_cycle_phase(a_query(facts=facts, to=YEARLY, effective="period_end"))
    assert phase == facts.ahead | {
        "items": [{"price": "price_growth_year", "quantity": 5, "tax_rates": ["txr_item"]}],
        "duration": {"interval": "year", "interval_count": 1},
        "proration_behavior": "none",
        "start_date": APRIL_END,
    }


def test_a_made_phase_survives_json() -> None:
    made = made_phase(PHASE)
    assert MadePhase.model_validate(made.model_dump(mode="json")) == made
