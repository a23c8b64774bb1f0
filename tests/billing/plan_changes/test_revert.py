"""A revert is a change of its own: from the second of the change, and with what Stripe bills for it."""

from typing import Any

import pytest

from billing.core.money import Money
from billing.core.operations import Problem
from billing.plan_changes.items.others import ItemFacts, in_order
from billing.plan_changes.proration import Line
from billing.plan_changes.revert import (
    Revert,
    revert_query,
    revert_report,
    revert_words,
    still_as_shown,
    unread_revert_problem,
)
from billing.plan_changes.stripe_params import apply_params, preview_params
from billing.plan_changes.subject import PlanChangeSubject, PreviewQuery, build_subject
from billing.plan_changes.verification import ResultLines

from ...activities.mail.money_contexts import DISPUTED
from ..builders import (
    APRIL_END,
    APRIL_START,
    MAY_END,
    MID_APRIL,
    a_line,
    a_subject,
    previewed,
    some_facts,
    some_terms,
)

GROWTH = some_terms(plan="growth", price="price_growth_month")
YEARLY = some_terms(plan="growth", price="price_growth_year", interval="year")
BACK = [{"id": "si_1", "price": "price_starter_month", "quantity": 5}]
CREDIT = a_line(kind="credit", amount_minor=-5000, price="price_growth_month", quantity=5)
DEBIT = a_line(amount_minor=2500, price="price_starter_month", quantity=5)
MONTH = a_line(kind="renewal", amount_minor=5000, price="price_starter_month", start=MID_APRIL, end=MAY_END)


def a_revert(*lines: Line, invoicing: str = "immediately") -> PlanChangeSubject:
    """Of the change to Growth at half of April."""
    query = revert_query(a_subject(a_line(), invoicing=invoicing), some_facts(terms=GROWTH))
    found = previewed(*lines)
    return build_subject(query, found, found, limits=())


@pytest.mark.parametrize(
    ("changed", "period_start", "since"),
    [
        (MID_APRIL, APRIL_START, MID_APRIL),
        (MID_APRIL, MID_APRIL, MID_APRIL),
        (MID_APRIL, APRIL_END, APRIL_END),
        (None, APRIL_END, APRIL_END),
        (None, APRIL_START, None),
    ],
    ids=["same period", "new period by the change", "later", "at the renewal", "nothing prorated"],
)
def test_a_revert_is_prorated_from_the_change_or_from_the_period_that_stripe_takes(
    changed: int | None, period_start: int, since: int | None
) -> None:
    subject = a_subject(a_line()).model_copy(update={"proration_date": changed})
    facts = some_facts(terms=GROWTH, period_start=period_start, period_end=MAY_END)
    assert revert_query(subject, facts).proration_date == since


def test_a_second_that_stripe_chose_for_what_was_shown_stays() -> None:
    subject = a_subject(a_line()).model_copy(update={"proration_date": None})
    shown = a_revert(CREDIT, DEBIT)
    query = revert_query(subject, some_facts(terms=GROWTH), shown)
    assert query.proration_date == shown.proration_date == MID_APRIL


def test_a_revert_is_done_exactly_as_it_was_previewed() -> None:
    query = revert_query(a_subject(a_line()), some_facts(terms=GROWTH))
    details = {"items": BACK, "proration_behavior": "always_invoice", "proration_date": MID_APRIL}
    assert preview_params(query) == {"subscription": "sub_1", "subscription_details": details}
    assert apply_params(a_revert(CREDIT, DEBIT)) == details | {"payment_behavior": "error_if_incomplete"}


@pytest.mark.parametrize("effective", ["now", "period_end"])
def test_a_revert_of_another_interval_starts_a_new_period_too(effective: str) -> None:
    subject = a_subject(a_line(), to=YEARLY, effective=effective)
    facts = some_facts(terms=YEARLY, period_start=APRIL_END, period_end=APRIL_END + 365 * 86_400)
    details = preview_params(revert_query(subject, facts))["subscription_details"]
    assert details["billing_cycle_anchor"] == {"type": "now"}
    assert details["proration_date"] == APRIL_END


@pytest.mark.parametrize(
    ("revert", "words"),
    [
        (a_revert(CREDIT, DEBIT), "A revert credits USD 25.00 to the balance at once."),
        (a_revert(), "A revert bills nothing."),
        (
            a_revert(DEBIT),
            "A revert bills USD 25.00 at once; USD 25.00 of it is charged to the payment method.",
        ),
        (
            a_revert(MONTH, invoicing="next_invoice"),
            "A revert bills USD 50.00 at once, with a new billing period; "
            "USD 50.00 of it is charged to the payment method.",
        ),
        (
            a_revert(CREDIT, DEBIT, invoicing="next_invoice"),
            "A revert puts USD -25.00 on the next invoice.",
        ),
        (Problem(code="x", message="No such price."), "It can't be reverted: No such price."),
        (None, "What a revert would bill can't be previewed now; it isn't done before it can."),
    ],
)
def test_what_a_revert_would_bring_is_said_in_a_sentence(revert: Revert, words: str) -> None:
    assert revert_words(revert) == words


def test_only_a_revert_that_was_shown_as_it_is_now_is_done() -> None:
    shown = a_revert(CREDIT, DEBIT)
    assert still_as_shown(shown, a_revert(CREDIT, DEBIT))
    assert not still_as_shown(shown, a_revert(CREDIT, DEBIT, DEBIT))
    assert not still_as_shown(shown, None)
    assert not still_as_shown(None, shown)
    assert not still_as_shown(None, None)


def test_what_a_revert_left_is_held_against_what_was_shown() -> None:
    total = Money(amount_minor=-2500, currency="usd")
    found = ResultLines(lines=(CREDIT, DEBIT), invoice="in_2", invoice_status="paid", total=total)
    as_shown = revert_report(a_revert(CREDIT, DEBIT), found)
    other = revert_report(a_revert(CREDIT), found)

    assert (as_shown.verified, as_shown.total, as_shown.differences) == (True, total, ())
    assert (other.verified, [one.line for one in other.differences]) == (False, [DEBIT])


def test_a_revert_that_cannot_be_read_says_that_the_former_plan_is_back() -> None:
    problem = unread_revert_problem(DISPUTED)
    assert problem.code == "revert_unread"
    assert problem.message.startswith(
        "The previous plan is in place again, but what that billed can't be read"
    )


def test_what_was_removed_comes_back_with_all_that_it_had_but_discounts_that_are_over() -> None:
    of = {"item": "si_2", "interval": "month", "interval_count": 1, "unit_amount": 900}
    own = {"tax_rates": ["txr_1"], "discounts": [{"coupon": "half", "end": APRIL_END}, {"coupon": "ten"}]}
    storage = ItemFacts.model_validate({"price": "p", "quantity": 2, "name": "Storage", "keeps": own} | of)
    had = in_order([storage])
    before = some_facts(terms=some_terms(others=had), others=(storage,))
    found = previewed(a_line())
    query = PreviewQuery(facts=before, to=some_terms(), effective="now", invoicing="immediately")
    removed = build_subject(query, found, found, limits=())

    def back(**facts: int) -> dict[str, Any]:
        sent = preview_params(revert_query(removed, some_facts(**facts)))
        _, added = sent["subscription_details"]["items"]
        return dict(added)

    whole = {"price": "p", "quantity": 2, "tax_rates": ["txr_1"]}
    assert back() == whole | {"discounts": [{"coupon": "half"}, {"coupon": "ten"}]}
    assert back(period_start=APRIL_END, period_end=MAY_END) == whole | {"discounts": [{"coupon": "ten"}]}
