from datetime import UTC, datetime
from pathlib import Path

import pytest

from billing.core.errors import InvalidPolicy
from billing.core.money import Money
from billing.core.operations import Kind, Role
from billing.policy.policy import (
    AuthorityLimit,
    CreditPolicy,
    LadderStep,
    NoticePolicy,
    PlanChangePolicy,
    Policy,
    RefundPolicy,
    ReviewRule,
    policy_from_toml,
)

DEFAULT = (Path(__file__).parents[3] / "policy.toml").read_text(encoding="utf-8")


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


def errors_of(text: str) -> list[str]:
    with pytest.raises(InvalidPolicy) as wrong:
        policy_from_toml(text)
    return wrong.value.errors


def changed(old: str, new: str) -> str:
    assert DEFAULT.count(old) >= 1
    return DEFAULT.replace(old, new, 1)


def test_the_policy_that_comes_with_the_product_is_right():
    policy = policy_from_toml(DEFAULT)
    assert policy.currency == "usd"
    assert policy.ladders == {
        "plan_change": (
            LadderStep(roles=(Role.CONTROLLER,), respond_within=480, remind_every=240),
            LadderStep(roles=(Role.LEGAL,), respond_within=480),
        ),
        "money": (
            LadderStep(roles=(Role.CONTROLLER,), respond_within=480, remind_every=240),
            LadderStep(roles=(Role.LEGAL,), respond_within=480, remind_every=240),
        ),
        "large_money": (
            LadderStep(
                roles=(Role.CONTROLLER, Role.LEGAL), needs="all", respond_within=960, remind_every=240
            ),
        ),
        "legal": (LadderStep(roles=(Role.LEGAL,), respond_within=960, remind_every=240),),
    }
    assert policy.plan_change == PlanChangePolicy(
        ladder="plan_change",
        calendar="office",
        revise_within=960,
        scheduled_poll=60,
        add_ons=("priority-support", "extra-storage", "data-export"),
        resolve=(Role.CONTROLLER,),
    )
    review = (
        ReviewRule(ladder="legal", reasons=("fraudulent",)),
        ReviewRule(ladder="large_money", above=(usd(1_000_000),)),
        ReviewRule(ladder="money"),
    )
    money = {"calendar": "office", "revise_within": 960, "review": review, "retype_above": (usd(10_000),)}
    assert policy.refund == RefundPolicy(**money, watch_days=30)
    assert policy.credit == CreditPolicy(**money)
    assert policy.notices == NoticePolicy(calendar="office", acknowledge_within=480)
    assert policy.stripe.requests_per_second == 20.0
    assert policy.authority[Kind.CREDIT][Role.BILLING_ADMIN] == (
        AuthorityLimit(
            per_item=usd(25_000),
            window_days=30,
            window_total=usd(100_000),
            customer_total=usd(150_000),
        ),
    )
    assert policy.authority[Kind.CREDIT][Role.LEGAL][0].customer_total is None
    assert policy.counted_with(Kind.CREDIT) == (Kind.REFUND, Kind.CREDIT, Kind.VOID, Kind.WRITE_OFF)
    assert policy.counted_with(Kind.PLAN_CHANGE) == (Kind.PLAN_CHANGE,)


@pytest.mark.parametrize(
    ("amount", "twice"),
    [(usd(10_000), False), (usd(10_001), True), (Money(amount_minor=1, currency="eur"), True)],
)
def test_an_amount_above_the_bound_of_its_currency_is_typed_twice(amount: Money, twice: bool) -> None:
    assert policy_from_toml(DEFAULT).money_rules(Kind.REFUND).wants_retyped(amount) is twice


@pytest.mark.parametrize(
    ("bounds", "wrong"),
    [
        ('[{ amount_minor = -1, currency = "usd" }]', "retype_above must not be negative"),
        (
            '[{ amount_minor = 1, currency = "usd" }, { amount_minor = 2, currency = "usd" }]',
            "retype_above has more than one amount in the same currency",
        ),
    ],
)
def test_a_bound_for_typing_twice_is_one_a_currency(bounds: str, wrong: str) -> None:
    text = DEFAULT.replace(
        'retype_above = [{ amount_minor = 10_000, currency = "usd" }]', f"retype_above = {bounds}"
    )
    assert errors_of(text) == [f"{section}: {wrong}" for section in ("refund", "credit", "void", "write_off")]


@pytest.mark.parametrize("kind", [Kind.PLAN_CHANGE, Kind.CANCELLATION, Kind.REFUND, Kind.VOID])
def test_requested_changes_are_waited_for_in_business_time(kind: Kind) -> None:
    friday = datetime(2026, 3, 6, 20, tzinfo=UTC)  # three in the afternoon in New York
    assert policy_from_toml(DEFAULT).revise_by(kind, friday) == datetime(2026, 3, 10, 19, tzinfo=UTC)


def test_calendars_are_named_by_their_tables():
    calendars = policy_from_toml(DEFAULT).calendars
    assert {key: calendar.name for key, calendar in calendars.items()} == {"office": "office", "24x7": "24x7"}
    assert (calendars["office"].zone, calendars["office"].country) == ("America/New_York", "US")
    assert calendars["24x7"].always


def test_the_default_policy_survives_json():
    policy = policy_from_toml(DEFAULT)
    assert Policy.model_validate(policy.model_dump(mode="json")) == policy
    assert Policy.model_validate_json(policy.model_dump_json()) == policy


def test_every_error_is_reported_at_once_with_its_path():
    text = (
        DEFAULT.replace('currency = "usd"', 'currency = "dollars"', 1)
        .replace('zone = "America/New_York"', 'zone = "America/Gotham"')
        .replace('roles = ["legal"]', 'roles = ["lawyer"]', 1)
        .replace("respond_within = 480  #", "respond_within = 0  #")
        .replace('ladder = "plan_change"  ', 'ladder = "stairs"  ')
        .replace('calendar = "office"\nacknowledge', 'calendar = "bureau"\nacknowledge')
        .replace('[[credit.review]]\nreasons = ["fraudulent"]', '[[credit.review]]\nreasons = ["fraudulant"]')
        .replace('[[refund.review]]\nladder = "money"', '[[refund.review]]\nladder = "mony"')
        .replace("watch_days = 30", "watch_days = 0")
        .replace("requests_per_second = 20.0", "requests_per_second = 0")
        .replace("[[authority.refund.legal]]", "[[authority.refund.jester]]")
    )
    errors = errors_of(text + '\n[colours]\nbanner = "red"\n')
    assert [error.split(":")[0] for error in errors] == [
        "currency",
        "calendars.office.zone",
        "ladders.plan_change[0].respond_within",
        "ladders.plan_change[1].roles[0]",
        "authority.refund.jester",
        "stripe.requests_per_second",
        "refund.watch_days",
        "colours",
        "notices.calendar",
        "plan_change.ladder",
        "refund.review[2].ladder",
        "credit.review[0].reasons[0]",
    ]
    assert errors[1] == (
        "calendars.office.zone: unknown time zone 'America/Gotham': give an IANA name, such as Europe/Berlin"
    )
    assert errors[-4:] == [
        "notices.calendar: 'bureau' is not one of the calendars: 24x7, office",
        "plan_change.ladder: 'stairs' is not one of the ladders: large_money, legal, money, plan_change",
        "refund.review[2].ladder: 'mony' is not one of the ladders: large_money, legal, money, plan_change",
        "credit.review[0].reasons[0]: 'fraudulant' is not one of the credit reasons: duplicate, fraudulent, "
        "goodwill, order_change, other, product_unsatisfactory",
    ]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('country = "US"', 'country = "XX"', "calendars.office.country: unknown country 'XX'"),
        (
            "opens = 09:00:00",
            "opens = 18:00:00",
            "calendars.office: closes (17:00) must be after",
        ),
        ("opens = 09:00:00\n", "", "calendars.office: needs opens, or always = true"),
        ("remind_every = 240", "remind_every = 480", "ladders.plan_change[0]: remind_every must be shorter"),
        ("remind_every = 240", "remind_every = 1.5", "ladders.plan_change[0].remind_every: "),
        ('roles = ["controller"]', "roles = []", "ladders.plan_change[0].roles: "),
        ("revise_within = 960", "revise_within = -5", "plan_change.revise_within: "),
        ("revise_within = 960", "revise_within = 99999999", "plan_change.revise_within: "),
        ("revise_within = 960", 'revise_within = "960"', "plan_change.revise_within: "),
        ("revise_within = 960", "revise_within = true", "plan_change.revise_within: "),
        ("revise_within", "revise_wthin", "plan_change.revise_within: Field required"),
        ('resolve = ["controller"]', 'resolve = ["king"]', "plan_change.resolve[0]: "),
        ("window_days = 30", "window_days = 0", "authority.refund.billing_admin[0].window_days: "),
        (
            'window_total = { amount_minor = 200_000, currency = "usd" }',
            'window_total = { amount_minor = 200_000, currency = "eur" }',
            "authority.refund.billing_admin[0]: per_item and window_total must be in the same currency",
        ),
        (
            "amount_minor = 200_000",
            "amount_minor = 49_999",
            "authority.refund.billing_admin[0]: window_total must be at least per_item",
        ),
        ("amount_minor = 50_000,", "amount_minor = -1,", "authority.refund.billing_admin[0]: per_item must"),
        (
            "amount_minor = 50_000,",
            "amount_minor = 500.0,",
            "authority.refund.billing_admin[0].per_item.",
        ),
        ("[[authority.refund.", "[[authority.gift.", "authority.gift: "),
        (
            "[[authority.refund.controller]]",
            "[[authority.refund.billing_admin]]",
            "authority.refund.billing_admin: has more than one limit in the same currency",
        ),
        (
            "amount_minor = 300_000",
            "amount_minor = 49_999",
            "authority.refund.billing_admin[0]: customer_total must be at least per_item",
        ),
        (
            'customer_total = { amount_minor = 300_000, currency = "usd" }',
            'customer_total = { amount_minor = 300_000, currency = "eur" }',
            "authority.refund.billing_admin[0]: per_item and customer_total must be in the same currency",
        ),
        ('count_together = ["refund"', 'count_together = ["gift"', "count_together[0]: "),
        ('needs = "all"\n', 'needs = "most"\n', "ladders.large_money[0].needs: "),
        (
            'needs = "all"\n',
            'needs = "all"\ncalendar = "bureau"\n',
            "ladders.large_money[0].calendar: 'bureau' is not one of the calendars: 24x7, office",
        ),
        (
            '[[refund.review]]\nladder = "money"',
            '[[refund.review]]\nladder = "money"\nreasons = ["other"]',
            "refund: the last review rule needs neither reasons nor above, so that one fits",
        ),
        (
            '[[refund.review]]\nladder = "money"',
            '[[refund.review]]\nladder = "money"\nabove = [{ amount_minor = 1, currency = "usd" }]',
            "refund: the last review rule needs neither reasons nor above, so that one fits",
        ),
        (
            'calendar = "office"\nrevise_within = 960\nwatch',
            "revise_within = 960\nwatch",
            "refund.calendar: ",
        ),
        (
            "always = []",
            'always = ["goodwill"]',
            "refund.always[0]: 'goodwill' is not one of the refund reasons: duplicate, fraudulent, other, "
            "requested_by_customer",
        ),
        (
            '[[refund.review]]\nreasons = ["fraudulent"]',
            '[[refund.review]]\nladder = "money"\n\n[[refund.review]]\nreasons = ["fraudulent"]',
            "refund.review[1]: can never fit, because refund.review[0] takes all of it first. ",
        ),
        (
            '[[credit.review]]\nreasons = ["fraudulent"]',
            '[[credit.review]]\nreasons = ["fraudulent", "fraudulent"]\nladder = "legal"\n\n'
            '[[credit.review]]\nreasons = ["fraudulent"]',
            "credit.review[1]: can never fit, because credit.review[0] takes all of it first. ",
        ),
        (
            'above = [{ amount_minor = 1_000_000, currency = "usd" }]',
            'above = [{ amount_minor = 1, currency = "usd" }, { amount_minor = 2, currency = "usd" }]',
            "refund.review[1]: above has more than one amount in the same currency",
        ),
        ('roles = ["controller", "legal"]', 'roles = ["legal", "legal"]', "ladders.large_money[0].roles: "),
        (
            '{ name = "due-1d", of = "due_date", days = -1 }',
            '{ name = "due-1d", of = "due_date", days = -7 }',
            "reminders.steps: steps due-7d and due-1d are the same day: remove one of them",
        ),
        ('currency = "usd"', 'currency = "btc"', "currency: Stripe charges nothing in 'btc'; "),
        (
            'above = [{ amount_minor = 1_000_000, currency = "usd" }]',
            'above = [{ amount_minor = 1_000_000, currency = "xyz" }]',
            "refund.review[1].above[0].currency: Stripe charges nothing in 'xyz'; ",
        ),
        ("watch_days = 30", "watch_days = 367", "refund.watch_days: "),
        ("opens = 09:00:00", "opens = 9", "calendars.office.opens: give a time of day"),
        ("requests_per_second = 20.0", "requests_per_second = inf", "stripe.requests_per_second: "),
    ],
)
def test_a_wrong_rule_is_named_by_its_path(old, new, error):
    assert any(found.startswith(error) for found in errors_of(changed(old, new)))


def test_what_is_not_toml_is_an_error_with_its_place():
    assert errors_of("currency = \n") == ["not TOML: Invalid value (at line 1, column 12)"]


def test_an_empty_policy_names_all_that_is_missing():
    assert errors_of("") == [
        f"{section}: Field required"
        for section in (
            *("currency", "calendars", "ladders", "notices", "stripe", "plan_change"),
            *("refund", "credit", "portal", "reminders", "incidents", "cases", "void", "write_off"),
            "cancellation",
        )
    ]


@pytest.mark.parametrize("section", ["calendars", "ladders", "notices", "plan_change", "refund", "credit"])
def test_a_section_that_is_no_table_is_an_error_and_no_crash(section):
    errors = errors_of(f"{section} = 5\n")
    assert any(error.startswith(f"{section}: Input should be") for error in errors)


@pytest.mark.parametrize(
    "review", ["review = 5", "review = [5]", "review = [{ ladder = 7 }]", "review = []", 'always = "other"']
)
def test_a_review_that_is_no_list_of_rules_is_an_error_and_no_crash(review):
    errors = errors_of(f"[refund]\n{review}\n")
    assert any(error.startswith("refund") for error in errors)


def test_a_rule_that_is_no_table_does_not_shift_the_numbers_of_the_others():
    errors = errors_of('[refund]\nreview = [5, { ladder = "stairs" }]\n')
    assert "refund.review[1].ladder: 'stairs' is not one of the ladders: none" in errors


def eur(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="eur")


@pytest.mark.parametrize(
    ("rule", "reason", "amount", "fits"),
    [
        ({}, "other", usd(1), True),
        ({"reasons": ("fraudulent",)}, "fraudulent", usd(1), True),
        ({"reasons": ("fraudulent",)}, "other", usd(10**9), False),
        ({"above": (usd(100),)}, "other", usd(100), False),
        ({"above": (usd(100),)}, "other", usd(101), True),
        ({"above": (usd(100),)}, "other", eur(1), True),
        ({"above": (usd(100), eur(50))}, "other", eur(50), False),
        ({"above": (usd(100), eur(50))}, "other", eur(51), True),
        ({"reasons": ("other",), "above": (usd(100),)}, "other", usd(100), False),
        ({"reasons": ("other",), "above": (usd(100),)}, "other", usd(101), True),
        ({"reasons": ("other",), "above": (usd(100),)}, "duplicate", usd(101), False),
    ],
    ids=[
        "any reason and amount",
        "its reason",
        "another reason",
        "not above",
        "above",
        "in a currency without a bound",
        "not above in its currency",
        "above in its currency",
        "its reason, not above",
        "its reason and above",
        "above for another reason",
    ],
)
def test_a_review_rule_fits_by_reason_and_amount(rule, reason, amount, fits):
    assert ReviewRule(ladder="money", **rule).fits(reason, amount) is fits


@pytest.mark.parametrize(
    ("reason", "amount", "ladder"),
    [
        ("fraudulent", usd(1), "legal"),
        ("fraudulent", usd(2_000_000), "legal"),
        ("other", usd(1_000_000), "money"),
        ("other", usd(1_000_001), "large_money"),
        ("duplicate", eur(1), "large_money"),
    ],
)
def test_the_first_rule_that_fits_says_which_ladder_reviews_it(reason, amount, ladder):
    refund = policy_from_toml(DEFAULT).refund
    assert refund is not None
    assert refund.rule_for(reason, amount).ladder == ladder
