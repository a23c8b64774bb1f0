"""The rest of the policy in words: what goes by itself, and when people work."""

from collections.abc import Iterable, Iterator

from ..core.business_time import Calendar
from .phrases import capital, clock, count, days, every, span
from .policy import Policy
from .portal import ReminderStep

Told = Iterable[tuple[str, str]]
"""Where a rule stands in policy.toml, and its sentence."""

STEPS_OF = {
    "due_date": "the due date",
    "link_expiry": "the link expires",
    "approval_cycle": "the end of the customer's approval cycle",
    "promise": "the day by which the customer promised to pay",
}


def groups(policy: Policy) -> list[tuple[str, Told]]:
    """Titles with their sentences."""
    return [
        ("Notices to Finance and changes made in Stripe", _notices(policy)),
        ("Customers' links", _portal(policy)),
        ("Reminders and promises", _reminders(policy)),
        ("Incidents", _incidents(policy)),
        ("Sign-in", _sign_in(policy)),
        ("Calendars", _calendars(policy)),
    ]


def _notices(policy: Policy) -> Iterator[tuple[str, str]]:
    notices, cases = policy.notices, policy.cases
    within = span(notices.acknowledge_within, policy.calendars[notices.calendar])
    yield (
        "notices",
        f"Finance confirms each notice within {within} by the {notices.calendar} calendar; after that "
        "it goes to the controllers.",
    )
    hours = policy.calendars[cases.calendar]
    yield (
        "cases",
        "A refund, credit or plan change made in Stripe itself needs a note within "
        f"{span(cases.note_within, hours)} by the {cases.calendar} calendar, with a reminder "
        f"{every(cases.remind_every, hours)}; after that the controllers are told.",
    )


def _portal(policy: Policy) -> Iterator[tuple[str, str]]:
    portal = policy.portal
    yield (
        "portal.link_days",
        f"A link to an invoice works for {count(portal.link_days, 'day')}, or until "
        f"{count(portal.cycle_margin_days, 'day')} after the customer's approval cycle where that is later, "
        f"and never for more than {count(portal.most_link_days, 'day')}.",
    )
    yield (
        "portal.failures",
        f"{count(portal.failures, 'failed visit')} to an invoice within {span(portal.failures_within)} "
        f"{'counts' if portal.failures == 1 else 'count'} as an access problem.",
    )
    yield (
        "portal.escalate_before",
        f"An access problem has to be solved by the end of the {portal.calendar} calendar's business day; "
        f"the controllers are told {span(portal.escalate_before)} earlier.",
    )
    yield (
        "portal.new_link_every",
        f"A customer who asks for a new link gets one mail for an invoice {every(portal.new_link_every)}, "
        f"and one address can ask {count(portal.asks_per_hour, 'time')} an hour.",
    )
    yield "portal.session_minutes", f"An opened invoice stays open for {span(portal.session_minutes)}."


def _reminders(policy: Policy) -> Iterator[tuple[str, str]]:
    reminders = policy.reminders
    hours = f"{clock(reminders.opens)} to {clock(reminders.closes)}"
    yield (
        "reminders.days",
        f"Customers are reminded {days(reminders.days)}, {hours} in their own time zone, except on "
        "their public holidays.",
    )
    yield (
        "reminders.catch_up",
        f"A reminder that could not be sent within {span(reminders.catch_up)} is left out.",
    )
    for number, step in enumerate(reminders.steps):
        yield f"reminders.steps[{number}]", f"Customers are reminded {when_sent(step)}."
    promises = policy.promises
    yield (
        "promises",
        f"A customer can promise to pay within {count(promises.days, 'day')} of the due date, "
        f"{count(promises.per_invoice, 'time')} for an invoice; until then there are no reminders.",
    )


def when_sent(step: ReminderStep) -> str:
    """`3 days after the due date`."""
    if step.days == 0:
        return f"on the day of {STEPS_OF[step.of]}"
    side = "before" if step.days < 0 else "after"
    return f"{count(abs(step.days), 'day')} {side} {STEPS_OF[step.of]}"


def _incidents(policy: Policy) -> Iterator[tuple[str, str]]:
    incidents = policy.incidents
    yield (
        "incidents.faults",
        f"Something counts as degraded when at least {count(incidents.faults, 'call')} within "
        f"{count(incidents.window_seconds, 'second')} failed and these are at least "
        f"{incidents.fault_share * 100:g}% of all, or when {count(incidents.probe_failures, 'check')} in a "
        f"row failed. It is checked every {count(incidents.probe_every_seconds, 'second')}, Stripe only once "
        "a call to it has failed.",
    )
    yield (
        "incidents.healthy_seconds",
        f"It has recovered after {count(incidents.healthy_seconds, 'second')} without a failure.",
    )
    yield (
        "incidents.alert_every",
        f"Until then, and until somebody has written its note, the controllers are alerted "
        f"{every(incidents.alert_every)}.",
    )
    yield (
        "stripe.requests_per_second",
        f"Stripe gets at most {policy.stripe.requests_per_second:,.10g} requests per second from all of "
        "Plixo Billing.",
    )


def _sign_in(policy: Policy) -> Iterator[tuple[str, str]]:
    rules = policy.sign_in
    yield (
        "sign_in.idle_minutes",
        f"People are signed out after {span(rules.idle_minutes)} without a request, and after "
        f"{count(rules.session_days, 'day')} in any case.",
    )
    yield (
        "sign_in.link_minutes",
        f"A sign-in link works once, for {span(rules.link_minutes)}; a person has at most "
        f"{count(rules.links_open, 'unused link')}, and one network can ask for "
        f"{count(rules.links_per_hour, 'link')} an hour.",
    )
    yield (
        "sign_in.decide_by_mail",
        f"Where people sign in by mail, the mail that asks for a decision has a link that takes it without "
        f"sign-in, once, for {count(rules.decision_link_hours, 'hour')}."
        if rules.decide_by_mail
        else "People sign in to decide; no mail has a link that decides.",
    )


def _calendars(policy: Policy) -> Iterator[tuple[str, str]]:
    for name, calendar in policy.calendars.items():
        yield f"calendars.{name}", f"{capital(calendar.name)}: {_hours(calendar)}."


def _hours(calendar: Calendar) -> str:
    if calendar.always:
        return f"always; days end at midnight in {calendar.zone}"
    told = f"{days(calendar.days)}, {clock(calendar.opens)} to {clock(calendar.closes)} in {calendar.zone}"
    if calendar.country is None:
        return f"{told}, on public holidays too"
    where = calendar.country + (f"-{calendar.subdivision}" if calendar.subdivision else "")
    return f"{told}, except on public holidays ({where})"
