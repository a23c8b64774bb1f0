"""The policy in words: every rule is said, and the sentences say it as a controller would."""

import copy
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from billing.core.operations import Kind
from billing.policy.operating_sentences import STEPS_OF
from billing.policy.policy import Policy, policy_from_toml
from billing.policy.portal import ReminderStep
from billing.policy.review_rules import ReviewRule
from billing.policy.sentences import policy_in_words, rule_in_words

from ...support.house import default_policy
from .test_policy import DEFAULT

SHIPPED = default_policy()
DETAILED = policy_from_toml(
    DEFAULT.replace("always = []", 'always = ["fraudulent"]').replace(
        'country = "US"\n', 'country = "US"\nsubdivision = "WA"\n', 1
    )
)
"""With what the shipped policy leaves out."""
Path = tuple[str | int, ...]

OTHERS: tuple[Any, ...] = (
    *(
        "24x7",
        "office",
        "legal",
        "money",
        "controller",
        "finance",
        "all",
        "any",
        "goodwill",
        "unused",
        "other",
        "fraudulent",
    ),
    *(
        "eur",
        "CA",
        "US",
        "AU",
        "Europe/Berlin",
        "10:00:00",
        "16:00:00",
        "link_expiry",
        "due_date",
        "approval_cycle",
    ),
    *("plan_change", "renamed", True, False, -7, 3, 240, ["other"], ["refund"]),
    *([{"amount_minor": 5, "currency": "eur"}], {"amount_minor": 99_999_900, "currency": "usd"}),
)


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, place))
    else:
        yield path, value


def changed(path: Path, value: Any) -> list[str] | None:
    """The sentences with another value there, None if it may not have that."""
    copied: Any = copy.deepcopy(DOCUMENT)
    inner = copied
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    if path[-1] == "currency" and path[0] == "authority":
        limit = copied["authority"][path[1]][path[2]][path[3]]
        for amount in ("per_item", "window_total", "customer_total"):
            if limit[amount] is not None:
                limit[amount]["currency"] = value
    try:
        return told(Policy.model_validate(copied))
    except (ValidationError, KeyError):  # KeyError: of a ladder, calendar or reason that is not there
        return None


def told(policy: Policy) -> list[str]:
    return [sentence.text for group in policy_in_words(policy) for sentence in group.sentences]


DOCUMENT = DETAILED.model_dump(mode="json")
TOLD = told(DETAILED)
LEAVES = dict(leaves(DOCUMENT))


def says_nothing(path: Path) -> bool:
    """Whether nothing hangs on it: the hours of a calendar that is always open, how many of one role must
    answer, what the last rule has none of, and by which name records know a reminder."""
    match path:
        case ("calendars", "24x7", _):
            return path[2] != "zone"
        case ("reminders", "steps", _, "name"):
            return True
        case ("ladders", ladder, number, "needs"):
            return len(DOCUMENT["ladders"][ladder][number]["roles"]) == 1
        case ("refund" | "credit" | "void" | "write_off" as section, "review", number, "reasons" | "above"):
            return number == len(DOCUMENT[section]["review"]) - 1
        case ("cancellation", "review", number, "reasons" | "above"):
            return number == len(DOCUMENT["cancellation"]["review"]) - 1
        case ("authority", "cancellation", _, _, "window_days" | "window_total" | "customer_total", *_):
            return True  # a plan ends once
    return False


@pytest.mark.parametrize(
    "path", [path for path in LEAVES if not says_nothing(path)], ids=lambda path: ".".join(map(str, path))
)
def test_every_rule_is_said(path: Path) -> None:
    """Whatever is changed in the policy changes a sentence. A new key fails here until it has words."""
    value = LEAVES[path]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    others = [value + 1, value - 1, value * 0.75] if is_number else OTHERS
    if value is None:
        others = [3, *OTHERS]
    possible = [words for other in others if other != value and (words := changed(path, other)) is not None]
    assert possible, "no other value that it may have: add one to OTHERS"
    assert any(words != TOLD for words in possible)


def test_each_step_of_reminders_has_words() -> None:
    assert set(STEPS_OF) == set(get_args(ReminderStep.model_fields["of"].annotation))


def test_each_sentence_names_a_rule_that_is_there_and_reads_as_one() -> None:
    for group in policy_in_words(DETAILED):
        rules = [sentence.rule for sentence in group.sentences]
        assert len(set(rules)) == len(rules), group.title
        for sentence in group.sentences:
            found: Any = DOCUMENT
            for step in sentence.rule.replace("]", "").replace("[", ".").split("."):
                found = found[int(step)] if isinstance(found, list) else found[step]
            assert sentence.text[0] == sentence.text[0].upper(), sentence.text
            assert sentence.text.endswith("."), sentence.text
            assert "  " not in sentence.text
            assert "_" not in sentence.text.replace("America/New_York", "")


def test_money_reads_as_a_controller_would_say_it() -> None:
    words = {one.rule: one.text for group in policy_in_words(SHIPPED) for one in group.sentences}
    assert words["authority.refund.billing_admin[0]"] == (
        "A billing admin decides alone on a refund of up to USD 500.00, as long as all their refunds, "
        "credits, voids and write-offs in 30 days are within USD 2,000.00, and all to the customer, by "
        "anybody, within USD 3,000.00. Beyond that, others approve it."
    )
    assert words["refund.review[0]"] == (
        "A refund for the reason “fraudulent” that is beyond the requester's authority goes to Legal; after "
        "16 business hours without an answer, it expires."
    )
    assert words["credit.review[1]"] == (
        "A credit of more than USD 10,000.00 (or in another currency) that is beyond the requester's "
        "authority goes to a controller and Legal, each of whom must approve; after 16 business hours "
        "without an answer, it expires."
    )
    assert words["refund.review[2]"] == (
        "Any other refund that is beyond the requester's authority goes to a controller; after 8 business "
        "hours without an answer, to Legal; after 8 more business hours without an answer, it expires."
    )
    assert words["ladders.money[0]"] == (
        "Money, step 1: a controller, with 8 business hours to answer and a reminder every 4 business hours."
    )
    assert words["plan_change.scheduled_poll"].endswith("every hour.")
    assert words["plan_change.add_ons"].endswith(": priority support, extra storage and data export.")
    assert words["reminders.steps[0]"] == "Customers are reminded 7 days before the due date."
    assert words["notices"].startswith(
        "Finance confirms each notice within 8 business hours by the office calendar;"
    )
    assert words["calendars.office"] == (
        "Office: Monday to Friday, 9:00 AM to 5:00 PM in America/New_York, except on public holidays (US)."
    )


def test_a_rule_is_said_by_itself_as_it_is_in_the_list() -> None:
    listed = {one.rule: one for group in policy_in_words(SHIPPED) for one in group.sentences}
    for number, rule in enumerate(SHIPPED.refund.review):
        assert rule_in_words(SHIPPED, Kind.REFUND, rule) == listed[f"refund.review[{number}]"]
    for number, rule in enumerate(SHIPPED.credit.review):
        assert rule_in_words(SHIPPED, Kind.CREDIT, rule) == listed[f"credit.review[{number}]"]
    plan_change = ReviewRule(ladder=SHIPPED.plan_change.ladder)
    assert rule_in_words(SHIPPED, Kind.PLAN_CHANGE, plan_change) == listed["plan_change.ladder"]
