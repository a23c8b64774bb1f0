from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import InvalidPolicy
from billing.money import Money
from billing.operations import Kind, Role
from billing.policy import (
    AuthorityLimit,
    LadderStep,
    NoticePolicy,
    PlanChangePolicy,
    Policy,
    policy_from_toml,
)

DEFAULT = (Path(__file__).parents[2] / "policy.toml").read_text(encoding="utf-8")


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
        )
    }
    assert policy.plan_change == PlanChangePolicy(
        ladder="plan_change",
        calendar="office",
        revise_within=960,
        scheduled_poll=60,
        resolve=(Role.CONTROLLER,),
    )
    assert policy.notices == NoticePolicy(calendar="office", acknowledge_within=480)
    assert policy.stripe.requests_per_second == 20.0
    assert policy.authority[Kind.CREDIT][Role.BILLING_ADMIN] == (
        AuthorityLimit(
            per_item=Money(amount_minor=25_000, currency="usd"),
            window_days=30,
            window_total=Money(amount_minor=100_000, currency="usd"),
        ),
    )


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
        .replace('roles = ["legal"]', 'roles = ["lawyer"]')
        .replace("respond_within = 480  #", "respond_within = 0  #")
        .replace('ladder = "plan_change"  ', 'ladder = "stairs"  ')
        .replace('calendar = "office"\nacknowledge', 'calendar = "bureau"\nacknowledge')
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
        "colours",
        "notices.calendar",
        "plan_change.ladder",
    ]
    assert errors[1] == (
        "calendars.office.zone: unknown time zone 'America/Gotham': give an IANA name, such as Europe/Berlin"
    )
    assert errors[-1] == "plan_change.ladder: 'stairs' is not one of the ladders: plan_change"
    assert errors[-2] == "notices.calendar: 'bureau' is not one of the calendars: 24x7, office"


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
        for section in ("currency", "calendars", "ladders", "notices", "stripe", "plan_change")
    ]


@pytest.mark.parametrize("section", ["calendars", "ladders", "notices", "plan_change"])
def test_a_section_that_is_no_table_is_an_error_and_no_crash(section):
    errors = errors_of(f"{section} = 5\n")
    assert any(error.startswith(f"{section}: Input should be") for error in errors)


roles = st.lists(st.sampled_from(Role), min_size=1, max_size=3)
minutes = st.integers(2, 10_000)
names = st.text("abcdefghij_", min_size=1, max_size=6)


@st.composite
def steps(draw: st.DrawFn) -> dict[str, object]:
    respond_within = draw(minutes)
    return {
        "roles": draw(roles),
        "respond_within": respond_within,
        "remind_every": draw(st.none() | st.integers(1, respond_within - 1)),
    }


@st.composite
def limits(draw: st.DrawFn) -> dict[str, Any]:
    currency = draw(st.sampled_from(["usd", "eur", "jpy"]))
    per_item = draw(st.integers(0, 10**9))
    return {
        "per_item": {"amount_minor": per_item, "currency": currency},
        "window_days": draw(st.integers(1, 365)),
        "window_total": {"amount_minor": per_item + draw(st.integers(0, 10**9)), "currency": currency},
    }


def _currency(limit: dict[str, Any]) -> str:
    return str(limit["per_item"]["currency"])


@st.composite
def calendars(draw: st.DrawFn) -> dict[str, object]:
    zone = draw(st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo"]))
    if draw(st.booleans()):
        return {"name": "x", "zone": zone, "always": True}
    opens = draw(st.times())
    closes = draw(st.times().filter(lambda closes: closes > opens))
    days = draw(st.lists(st.integers(0, 6), min_size=1, unique=True))
    return {"name": "x", "zone": zone, "country": "DE", "days": days, "opens": opens, "closes": closes}


some_limits = st.lists(limits(), max_size=2, unique_by=_currency)
policies = st.fixed_dictionaries(
    {
        "currency": st.sampled_from(["usd", "jpy", "kwd"]),
        "calendars": st.dictionaries(names, calendars(), max_size=3),
        "ladders": st.dictionaries(names, st.lists(steps(), min_size=1, max_size=3), max_size=3),
        "authority": st.dictionaries(
            st.sampled_from(Kind),
            st.dictionaries(
                st.sampled_from(Role), st.lists(limits(), max_size=2, unique_by=_currency), max_size=2
            ),
            max_size=2,
        ),
        "notices": st.fixed_dictionaries({"calendar": names, "acknowledge_within": minutes}),
        "stripe": st.fixed_dictionaries({"requests_per_second": st.floats(0.001, 100_000)}),
        "plan_change": st.fixed_dictionaries(
            {
                "ladder": names,
                "calendar": names,
                "revise_within": minutes,
                "scheduled_poll": minutes,
                "resolve": roles,
            }
        ),
    }
).map(Policy.model_validate)


@given(policies)
def test_any_policy_survives_json(policy: Policy):
    assert Policy.model_validate(policy.model_dump(mode="json")) == policy
    assert Policy.model_validate_json(policy.model_dump_json()) == policy
