"""The policy in words: every rule as a sentence that a controller can read, in groups.

Made of the policy alone, so that what is read is what holds. A rule that no sentence says fails a test.
"""

from collections.abc import Iterator, Sequence

from ..core.business_time import Calendar
from ..core.operations import Kind, Message
from ..core.text import with_article
from . import operating_sentences
from .phrases import capital, count, every, join, roles, span
from .policy import AuthorityLimit, LadderStep, MoneyPolicy, Policy
from .reasons import REASON_WORDS
from .review_rules import ReviewRule


class PolicySentence(Message):
    """`rule` is where it stands in policy.toml, such as `refund.review[0]`."""

    rule: str
    text: str


class PolicyGroup(Message):
    title: str
    sentences: tuple[PolicySentence, ...]


def policy_in_words(policy: Policy) -> tuple[PolicyGroup, ...]:
    """Every rule of it, those about money first."""
    groups = [
        *((kind.plural, _money(policy, kind, rules)) for kind, rules in policy.money_sections.items()),
        ("Plan changes", _plan_changes(policy)),
        ("Cancellations", _cancellations(policy)),
        ("How long people are asked", _ladders(policy)),
        *operating_sentences.groups(policy),
    ]
    return tuple(
        PolicyGroup(
            title=title, sentences=tuple(PolicySentence(rule=rule, text=text) for rule, text in sentences)
        )
        for title, sentences in groups
    )


def rule_in_words(policy: Policy, kind: Kind, rule: ReviewRule) -> PolicySentence:
    """The sentence of the rule by which it is reviewed; of a plan change the only one."""
    if kind is Kind.PLAN_CHANGE:
        text = f"Every plan change {ladder_in_words(policy, rule.ladder, policy.plan_change.calendar)}"
        return PolicySentence(rule="plan_change.ladder", text=text)
    if kind is Kind.CANCELLATION:
        return _cancellation_rule(policy, rule)
    rules = policy.money_rules(kind)
    place = f"{kind.value}.review[{rules.review.index(rule)}]"
    return PolicySentence(rule=place, text=_review_rule(policy, kind, rules, rule))


def ladder_in_words(policy: Policy, name: str, calendar: str) -> str:
    """`goes to a controller; after 8 business hours without an answer, to Legal; … it expires.`"""
    first, *later = policy.ladders[name]
    told, waited = f"goes to {_asked(first)}", span(first.respond_within, _hours(policy, first, calendar))
    for step in later:
        told += f"; after {waited} without an answer, to {_asked(step)}"
        waited = span(step.respond_within, _hours(policy, step, calendar))
    return f"{told}; after {_more(waited) if later else waited} without an answer, it expires."


def _more(waited: str) -> str:
    """`8 more business hours`."""
    number, rest = waited.split(" ", 1)
    return f"{number} more {rest}"


def _money(policy: Policy, kind: Kind, rules: MoneyPolicy) -> Iterator[tuple[str, str]]:
    noun, section = kind.noun, kind.value
    for role, limits in policy.authority.get(kind, {}).items():
        for number, limit in enumerate(limits):
            yield f"authority.{section}.{role}[{number}]", _authority(policy, kind, roles([role]), limit)
    if kind in policy.count_together:
        together = join((f"{one.noun}s" for one in policy.count_together), "and")
        yield (
            "count_together",
            f"{capital(together)} count together: what is given as one is used up for all.",
        )
    for number, rule in enumerate(rules.review):
        yield f"{section}.review[{number}]", _review_rule(policy, kind, rules, rule)
    reasons = join((f"“{REASON_WORDS[reason]}”" for reason in rules.always), "or") if rules.always else ""
    yield (
        f"{section}.always",
        f"{capital(kind.a_noun)} for the reason {reasons} needs an approval whatever the amount."
        if reasons
        else f"No reason needs an approval whatever the amount: {kind.a_noun} within authority goes through.",
    )
    yield f"{section}.calendar", f"Time for reviews of {noun}s counts by the {rules.calendar} calendar."
    yield f"{section}.revise_within", _revised(noun, rules.revise_within, policy.calendars[rules.calendar])
    bounds = (f"above {bound.format()}" for bound in rules.retype_above)
    above = f"{join(bounds, 'or')}, and in every other currency" if rules.retype_above else "whatever it is"
    yield f"{section}.retype_above", f"The amount of {kind.a_noun} is typed twice {above}."
    if kind is Kind.REFUND:
        days = count(policy.refund.watch_days, "day")
        yield "refund.watch_days", f"A refund that succeeded is watched for {days}: it can still fail."


def _authority(policy: Policy, kind: Kind, who: str, limit: AuthorityLimit) -> str:
    days = count(limit.window_days, "day")
    counted = join((f"{one.noun}s" for one in policy.counted_with(kind)), "and")
    told = (
        f"{capital(who)} decides alone on {kind.a_noun} of up to {limit.per_item.format()}, "
        f"as long as all their {counted} in {days} are within {limit.window_total.format()}"
    )
    if limit.customer_total is not None:
        told += f", and all to the customer, by anybody, within {limit.customer_total.format()}"
    return f"{told}. Beyond that, others approve it."


def _review_rule(policy: Policy, kind: Kind, rules: MoneyPolicy, rule: ReviewRule) -> str:
    about = _about(rule)
    subject = f"{capital(kind.a_noun)}{about}" if about else f"Any other {kind.noun}"
    path = ladder_in_words(policy, rule.ladder, rules.calendar)
    return f"{subject} that is beyond the requester's authority {path}"


def _about(rule: ReviewRule, above: str = "of more than") -> str:
    """What the rule is about, `above` before its amounts; nothing for a rule that is about everything."""
    about = ""
    if rule.reasons:
        about += f" for the reason {join((f'“{REASON_WORDS[reason]}”' for reason in rule.reasons), 'or')}"
    if rule.above:
        bounds = join((bound.format() for bound in rule.above), "or")
        about += f" {above} {bounds} (or in another currency)"
    return about


def _plan_changes(policy: Policy) -> Iterator[tuple[str, str]]:
    rules = policy.plan_change
    first = rule_in_words(policy, Kind.PLAN_CHANGE, ReviewRule(ladder=rules.ladder))
    yield first.rule, first.text
    yield "plan_change.calendar", f"Time for reviews of plan changes counts by the {rules.calendar} calendar."
    yield (
        "plan_change.revise_within",
        _revised("plan change", rules.revise_within, policy.calendars[rules.calendar]),
    )
    yield (
        "plan_change.resolve",
        f"A change that turns out differently from what was approved can be accepted by "
        f"{roles(rules.resolve)}; they and billing admins can revert it or have it read again.",
    )
    yield (
        "plan_change.scheduled_poll",
        f"A change that waits for the period's end or for its payment is looked at in Stripe "
        f"{every(rules.scheduled_poll)}.",
    )
    named = [add_on.replace("-", " ").replace("_", " ") for add_on in rules.add_ons]
    offered = join(named, "and") if named else "none"
    yield "plan_change.add_ons", f"Add-ons that can be requested beside a plan: {offered}."
    yield "currency", f"Plixo bills its organizations in {policy.currency.upper()}."


def _cancellations(policy: Policy) -> Iterator[tuple[str, str]]:
    rules = policy.cancellation
    if rules is None:
        return
    for role, limits in policy.authority.get(Kind.CANCELLATION, {}).items():
        for number, limit in enumerate(limits):
            yield (
                f"authority.cancellation.{role}[{number}]",
                f"{capital(roles([role]))} can approve a cancellation whose unused time is worth up to "
                f"{limit.per_item.format()}. One that is worth nothing, anybody who is asked can approve.",
            )
    for rule in rules.review:
        sentence = _cancellation_rule(policy, rule)
        yield sentence.rule, sentence.text
    yield (
        "cancellation.calendar",
        f"Time for reviews of cancellations counts by the {rules.calendar} calendar.",
    )
    yield (
        "cancellation.revise_within",
        _revised("cancellation", rules.revise_within, policy.calendars[rules.calendar]),
    )
    yield (
        "cancellation.waiting_poll",
        f"A plan that is set to end with its period is looked at in Stripe {every(rules.waiting_poll)}.",
    )


def _cancellation_rule(policy: Policy, rule: ReviewRule) -> PolicySentence:
    rules = policy.cancellations
    about = _about(rule, "with unused time worth more than")
    subject = f"A cancellation{about}" if about else "Any other cancellation"
    path = ladder_in_words(policy, rule.ladder, rules.calendar)
    return PolicySentence(
        rule=f"cancellation.review[{rules.review.index(rule)}]",
        text=f"{subject}, or its reversal, {path}",
    )


def _ladders(policy: Policy) -> Iterator[tuple[str, str]]:
    for name, steps in policy.ladders.items():
        title = capital(name.replace("_", " "))
        for number, step in enumerate(steps):
            yield f"ladders.{name}[{number}]", f"{title}, step {number + 1}: {_rung(policy, name, step)}"


def _rung(policy: Policy, name: str, step: LadderStep) -> str:
    hours = _hours(policy, step, _calendar_of(policy, name))
    told = f"{_asked(step)}, with {span(step.respond_within, hours)} to answer"
    if step.calendar is not None:
        told += f" by the {step.calendar} calendar"
    if step.remind_every is None:
        return f"{told} and no reminder."
    return f"{told} and a reminder {every(step.remind_every, hours)}."


def _asked(step: LadderStep) -> str:
    if step.needs == "all" and len(step.roles) > 1:
        return f"{roles(step.roles, 'and')}, each of whom must approve"
    return roles(step.roles)


def _hours(policy: Policy, step: LadderStep, calendar: str | None) -> Calendar | None:
    name = step.calendar or calendar
    return policy.calendars[name] if name is not None else None


def _calendar_of(policy: Policy, ladder: str) -> str | None:
    """The calendar of what first asks by this ladder; None where nothing does."""
    asking: Sequence[tuple[str, Sequence[str]]] = (
        (policy.plan_change.calendar, [policy.plan_change.ladder]),
        *(
            [(policy.cancellation.calendar, [one.ladder for one in policy.cancellation.review])]
            if policy.cancellation
            else []
        ),
        *((rules.calendar, [one.ladder for one in rules.review]) for rules in policy.money_sections.values()),
    )
    return next((calendar for calendar, ladders in asking if ladder in ladders), None)


def _revised(noun: str, minutes: int, calendar: Calendar) -> str:
    return (
        f"If a reviewer asks for changes to {with_article(noun)}, "
        f"there are {span(minutes, calendar)} to make them, or it expires."
    )
