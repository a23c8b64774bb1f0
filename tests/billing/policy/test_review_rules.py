"""A rule of an ordered list that can never fit is refused, by its place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.money import Money
from billing.policy.review_rules import ReviewRule, unreachable

REASONS = ("duplicate", "fraudulent", "other")
FRAUD = {"ladder": "legal", "reasons": ["fraudulent"]}
LARGE = {"ladder": "large", "above": [{"amount_minor": 1_000_000, "currency": "usd"}]}
ALL = {"ladder": "money"}


def wrong(*rules: dict[str, Any]) -> list[str]:
    return list(unreachable("refund", list(rules), REASONS))


def above(*amounts: tuple[int, str]) -> list[dict[str, Any]]:
    return [{"amount_minor": amount, "currency": currency} for amount, currency in amounts]


def test_rules_from_narrow_to_broad_are_right():
    assert wrong(FRAUD, LARGE, ALL) == []


def test_what_comes_after_a_catch_all_can_never_fit():
    assert wrong(ALL, FRAUD, LARGE, ALL) == [
        f"refund.review[{n}]: can never fit, because refund.review[0] takes all of it first. "
        "Move it up, or remove it."
        for n in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        # a broader one before a narrower
        ([LARGE, {"ladder": "legal", "above": above((2_000_000, "usd"))}, ALL], ["refund.review[1]"]),
        ([LARGE, LARGE, ALL], ["refund.review[1]"]),
        ([FRAUD, FRAUD | {"above": above((5, "usd"))}, ALL], ["refund.review[1]"]),
        # for the same reasons a higher amount later
        ([LARGE | FRAUD, FRAUD | {"above": above((2_000_000, "usd"))}, ALL], ["refund.review[1]"]),
        # two together
        (
            [FRAUD, {"ladder": "x", "reasons": ["other"]}, FRAUD | {"reasons": ["other", "fraudulent"]}, ALL],
            ["refund.review[2]"],
        ),
        ([FRAUD, {"ladder": "x", "reasons": ["other", "duplicate"]}, ALL], ["refund.review[2]"]),
        # a part of it
        ([FRAUD, {"ladder": "x", "reasons": ["other", "fraudulent"]}, ALL], ["refund.review[1].reasons[1]"]),
        (
            [LARGE, {"ladder": "x", "above": above((500, "usd"), (100, "eur"))}, ALL],
            ["refund.review[1].above[1]"],
        ),
        # a lower amount later is reached
        ([LARGE, {"ladder": "x", "above": above((500_000, "usd"))}, ALL], []),
    ],
)
def test_a_rule_that_earlier_ones_take_whole_is_named(rules, named):
    assert [error.split(": ")[0] for error in wrong(*rules)] == named


amounts = st.integers(0, 4)
rules = st.fixed_dictionaries(
    {
        "ladder": st.just("x"),
        "reasons": st.lists(st.sampled_from(REASONS), max_size=3, unique=True),
        "above": st.lists(
            st.builds(
                lambda amount, currency: {"amount_minor": amount, "currency": currency},
                amounts,
                st.sampled_from(["usd", "eur"]),
            ),
            max_size=2,
            unique_by=lambda bound: bound["currency"],
        ),
    }
)


@given(st.lists(rules, max_size=4))
def test_exactly_the_rules_that_nothing_reaches_are_named(drawn):
    listed = [*drawn, ALL]
    parsed = [ReviewRule.model_validate(rule) for rule in listed]
    reached = {
        next(
            n
            for n, rule in enumerate(parsed)
            if rule.fits(reason, Money(amount_minor=amount, currency=currency))
        )
        for reason in REASONS
        for currency in ("usd", "eur", "jpy")
        for amount in range(1, 7)
    }
    named = {
        n for n in range(len(listed)) if any(e.startswith(f"refund.review[{n}]: ") for e in wrong(*listed))
    }
    assert named == set(range(len(listed))) - reached


@pytest.mark.parametrize("rules", [None, "rules", [1], [{"ladder": 5}], [{"above": "much"}]])
def test_what_is_wrong_in_itself_is_left_to_others(rules):
    assert list(unreachable("refund", rules, REASONS)) == []
