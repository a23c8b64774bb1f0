"""Whatever the policy, an operation keeps it as JSON and gets the same back."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from billing.core.money import Money
from billing.core.operations import Kind, Role
from billing.policy.policy import Policy

from ...support.house import default_policy

SHIPPED = default_policy()


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


roles = st.lists(st.sampled_from(Role), min_size=1, max_size=3, unique=True)
minutes = st.integers(2, 10_000)
names = st.text("abcdefghij_", min_size=1, max_size=6)


@st.composite
def steps(draw: st.DrawFn) -> dict[str, object]:
    respond_within = draw(minutes)
    return {
        "roles": draw(roles),
        "respond_within": respond_within,
        "remind_every": draw(st.none() | st.integers(1, respond_within - 1)),
        "needs": draw(st.sampled_from(["any", "all"])),
        "calendar": draw(st.none() | names),
    }


@st.composite
def limits(draw: st.DrawFn) -> dict[str, Any]:
    currency = draw(st.sampled_from(["usd", "eur", "jpy"]))
    per_item = draw(st.integers(0, 10**9))
    return {
        "per_item": {"amount_minor": per_item, "currency": currency},
        "window_days": draw(st.integers(1, 365)),
        "window_total": {"amount_minor": per_item + draw(st.integers(0, 10**9)), "currency": currency},
        "customer_total": draw(
            st.none()
            | st.builds(
                lambda more: {"amount_minor": per_item + more, "currency": currency}, st.integers(0, 10**9)
            )
        ),
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


@st.composite
def money_back(draw: st.DrawFn, **more: st.SearchStrategy[Any]) -> dict[str, Any]:
    above = st.builds(usd, st.integers(0, 10**9))
    rule = st.fixed_dictionaries(
        {
            "ladder": names,
            "reasons": st.lists(st.sampled_from(["other", "fraudulent"]), max_size=2),
            "above": st.lists(above, max_size=1),
        }
    )
    return {
        "calendar": draw(names),
        "revise_within": draw(minutes),
        "review": [*draw(st.lists(rule, max_size=2)), {"ladder": draw(names)}],
        "always": draw(st.lists(st.sampled_from(["other", "fraudulent"]), max_size=2)),
    } | {name: draw(value) for name, value in more.items()}


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
        "refund": money_back(watch_days=st.integers(1, 366)),
        "credit": money_back(),
        "portal": st.just(SHIPPED.portal),
        "reminders": st.just(SHIPPED.reminders),
        "incidents": st.just(SHIPPED.incidents),
        "cases": st.just(SHIPPED.cases),
        "count_together": st.lists(st.sampled_from(Kind), max_size=2),
    }
).map(Policy.model_validate)


@given(policies)
def test_any_policy_survives_json(policy: Policy):
    assert Policy.model_validate(policy.model_dump(mode="json")) == policy
    assert Policy.model_validate_json(policy.model_dump_json()) == policy
