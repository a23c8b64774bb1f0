"""When a customer is reminded of an invoice, and why not. Pure: facts in, decisions out; times are UTC."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Literal, NamedTuple

from ..core.business_time import Calendar, Closed, closed_because, local_day, local_instant, next_opening
from ..core.customers import Correspondent
from ..policy.portal import ReminderPolicy, ReminderStep

LAST_MAIL_LIVES = timedelta(days=7)
"""So long at least the link of the last reminder opens."""
ASKED = "asked:"
"""So begins the key of a reminder that somebody asked for by hand: it has no date, and no later one replaces
it."""
ASKED_AGAIN = timedelta(days=1)
"""So long after a reminder nobody sends another one by hand."""

WORDS: Mapping[str, str] = {
    "due": "It is being sent.",
    "later": "The mail server did not accept it yet; it will be retried.",
    "sent": "The mail server accepted it.",
    "bounced": "The mail server permanently rejects this address, or did so before.",
    "newer_step": "A later reminder was also due, and one is enough.",
    "missed": "It could not be sent in time, and it is too late now.",
    "paid": "The invoice is paid.",
    "void": "The invoice is void.",
    "uncollectible": "The invoice was written off.",
    "not_open": "The invoice is not open.",
    "opted_out": "The customer does not want to be reminded.",
    "no_address": "The customer has no mail address in Stripe.",
    "paused": "Reminders for this invoice were paused.",
    "portal_incident": "The portal was not working.",
    "reminded_lately": "A reminder went to the customer within the last day, or is about to.",
    "not_collected": "Stripe charges the customer's payment method automatically.",
    "quiet_hours": "It is held until the hours in which mail may be sent to the customer.",
    "weekend": "It is held until the customer's next working day.",
    "holiday": "It is held until a public holiday in the customer's country is over.",
    "step_gone": "This reminder no longer applies: its link, date or rule is gone.",
    "called_off": "The run was cancelled before it was sent.",
}
"""Every reason, as one sentence for people."""

_CLOSED: Mapping[Closed, str] = {"weekend": "weekend", "holiday": "holiday", "hours": "quiet_hours"}
_NOON = time(12)
_STATUSES = {"paid": "paid", "void": "void", "uncollectible": "uncollectible"}


def words(reason: str) -> str:
    """The reason as a sentence; one that is not known here, as it is."""
    return WORDS.get(reason, reason)


def status_reason(status: str) -> str | None:
    """Why an invoice with this status is not reminded of; None: it is open."""
    return None if status == "open" else _STATUSES.get(status, "not_open")


class LinkFacts(NamedTuple):
    """The invoice's link that was not ended; it may have expired."""

    id: str
    created_at: datetime
    expires_at: datetime


class PromiseFacts(NamedTuple):
    """The customer's last promise to pay, by a day where they are."""

    id: str
    day: date


class UnsentReminder(NamedTuple):
    """A reminder that was decided but not sent: `ours` tells those of the run that asks."""

    mail: str
    step: str
    state: Literal["held", "due"]
    due_at: datetime
    ours: bool = False


class InvoiceFacts(NamedTuple):
    """All that decides about an invoice's reminders. `amount_minor` is what is unpaid."""

    invoice: str
    status: str
    currency: str
    amount_minor: int
    to: Correspondent
    due_date: datetime | None
    issued_at: datetime
    collection_method: str | None = None
    cycle_days: int | None = None
    link: LinkFacts | None = None
    promise: PromiseFacts | None = None
    paused: bool = False
    paused_until: date | None = None
    """The day, where the customer is, from which they are reminded again."""
    opted_out: bool = False
    bounced_address: str | None = None
    decided: frozenset[str] = frozenset()
    """Every step that was decided, sent or not."""
    unsent: tuple[UnsentReminder, ...] = ()


class DatedStep(NamedTuple):
    """A step of one invoice: due at `at`, and taken from `first` on, when the customer's hours begin."""

    at: datetime
    number: int
    key: str
    first: datetime


class StepDecision(NamedTuple):
    """What becomes of a step. `mail` is the row that said otherwise before; None: there was none."""

    step: str
    state: Literal["due", "held", "skipped"]
    reason: str
    due_at: datetime
    mail: str | None = None
    was: Literal["held", "due"] | None = None


class NextReminder(NamedTuple):
    """The next reminder: due at `due_at`, and sent at `sends_at` unless something comes between."""

    step: str
    due_at: datetime
    sends_at: datetime


class _Place:
    """The hours of one place, worked out once for all customers there."""

    def __init__(self, policy: ReminderPolicy, at: datetime, calendar: Calendar) -> None:
        self._opens = policy.opens
        self.calendar = calendar
        self.opening = next_opening(at, calendar)
        closed = closed_because(at, calendar)
        self.closed = _CLOSED[closed] if closed else None
        self._days: dict[date, tuple[datetime, datetime]] = {}

    def moments(self, anchor: datetime, days: int) -> tuple[datetime, datetime]:
        """When a step so many days from the anchor is due there, and when it can first be taken."""
        day = local_day(anchor, self.calendar.zone) + timedelta(days=days)
        found = self._days.get(day)
        if found is None:
            at = local_instant(day, self._opens, self.calendar.zone)
            found = self._days[day] = (at, next_opening(at, self.calendar))
        return found


class Rules:
    """A policy at one moment, for invoices one after the other."""

    def __init__(self, policy: ReminderPolicy, at: datetime, *, portal_incident: bool = False) -> None:
        self.policy, self.at, self.portal_incident = policy, at, portal_incident
        self.catch_up = timedelta(minutes=policy.catch_up)
        self._places: dict[tuple[str, str | None, str | None], _Place] = {}

    def place(self, to: Correspondent) -> _Place:
        key = (to.zone, to.country, to.subdivision)
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = _Place(self.policy, self.at, self.policy.hours(*key))
        return found

    def steps(self, facts: InvoiceFacts) -> list[DatedStep]:
        """The invoice's steps, the earliest first; of two at once the later one of the policy counts more."""
        place = self.place(facts.to)
        found = []
        for number, step in enumerate(self.policy.steps):
            anchor = _anchor(step, facts)
            if anchor is None:
                continue
            at, first = place.moments(anchor, step.days)
            key = step.name
            if step.of == "link_expiry" and facts.link is not None:
                # Of a link that lives shorter than the step is long, a new one would be mailed for ever.
                if at <= facts.link.created_at:
                    continue
                key = f"{step.name}:{facts.link.id}"
            elif step.of == "promise" and facts.promise is not None:
                key = f"{step.name}:{facts.promise.id}"
            found.append(DatedStep(at, number, key, first))
        return sorted(found)


def decide(facts: InvoiceFacts, rules: Rules) -> list[StepDecision]:
    """A decision for every step that is due and not decided yet, and for what was held where it changes.

    Only the newest step that is due goes out. It is skipped when it could have been taken for longer than
    the policy's `catch_up`, or for a reason of the invoice's or the customer's; else it is held until the
    customer's hours begin, or due.
    """
    steps = rules.steps(facts)
    due = [step for step in steps if step.at <= rules.at]
    newest = due[-1].key if due else None
    made = [_verdict(step, newest, facts, rules) for step in due if step.key not in facts.decided]
    return made + list(_changes(facts, rules, {step.key: step for step in steps}, newest))


def next_step(facts: InvoiceFacts, rules: Rules) -> NextReminder | None:
    """What comes next if nothing changes; None: nothing, for `why_not` or because no step is left."""
    if why_not(facts, rules):
        return None
    steps, opening = rules.steps(facts), rules.place(facts.to).opening
    waits = {one.step: one for one in facts.unsent}
    now = [one for one in facts.unsent if one.step.startswith(ASKED)]
    now += [waits[step.key] for step in steps if step.key in waits and step.at <= rules.at]
    for held in sorted(now, key=lambda unsent: unsent.due_at):
        return NextReminder(held.step, held.due_at, max(held.due_at, opening))
    coming = [s for s in steps if s.key not in facts.decided or s.key in waits]
    due = [s for s in coming if s.at <= rules.at and rules.at - s.first <= rules.catch_up]
    later = [s for s in coming if s.at > rules.at]
    for step in due[-1:] or later[:1]:
        return NextReminder(step.key, step.at, max(step.first, opening))
    return None


def why_not(facts: InvoiceFacts, rules: Rules) -> str | None:
    """Why the customer is not reminded of this invoice at all just now; None: they are."""
    if reason := status_reason(facts.status):
        return reason
    if facts.opted_out:
        return "opted_out"
    if not facts.to.email:
        return "no_address"
    if facts.bounced_address == facts.to.email:
        return "bounced"
    if facts.paused and (
        facts.paused_until is None or local_day(rules.at, facts.to.zone) < facts.paused_until
    ):
        return "paused"
    if rules.portal_incident:
        return "portal_incident"
    return "not_collected" if facts.collection_method == "charge_automatically" else None


def why_not_asked(facts: InvoiceFacts, rules: Rules, last: datetime | None) -> str | None:
    """Why nobody can remind the customer of this invoice by hand; `last` is when a reminder was sent, or will
    be."""
    if reason := why_not(facts, rules):
        return reason
    lately = last is not None and rules.at - last < ASKED_AGAIN
    return "reminded_lately" if lately or facts.unsent else None


def held_until(facts: InvoiceFacts, rules: Rules) -> datetime | None:
    """When the customer may be written to; None: now."""
    place = rules.place(facts.to)
    return place.opening if place.closed else None


def fresh_link_needed(facts: InvoiceFacts, rules: Rules, step: str) -> bool:
    """Whether the mail of this step needs a new link: there is none that opens, or it would die before the
    next step, or (the last mail) within `LAST_MAIL_LIVES`; and always where the mail is about its end."""
    link = facts.link
    if link is None or link.expires_at <= rules.at or step.endswith(f":{link.id}"):
        return True
    coming = [one.at for one in rules.steps(facts) if one.at > rules.at]
    return link.expires_at <= (coming[0] if coming else rules.at + LAST_MAIL_LIVES)


def _anchor(step: ReminderStep, facts: InvoiceFacts) -> datetime | None:
    if step.of == "due_date":
        return facts.due_date
    if step.of == "link_expiry":
        return facts.link.expires_at if facts.link else None
    if step.of == "promise":
        return local_instant(facts.promise.day, _NOON, facts.to.zone) if facts.promise else None
    return None if facts.cycle_days is None else facts.issued_at + timedelta(days=facts.cycle_days)


def _verdict(step: DatedStep, newest: str | None, facts: InvoiceFacts, rules: Rules) -> StepDecision:
    if step.key != newest:
        return StepDecision(step.key, "skipped", "newer_step", step.at)
    if rules.at - step.first > rules.catch_up:
        return StepDecision(step.key, "skipped", "missed", step.at)
    if reason := why_not(facts, rules):
        return StepDecision(step.key, "skipped", reason, step.at)
    place = rules.place(facts.to)
    if place.closed:
        return StepDecision(step.key, "held", place.closed, place.opening)
    return StepDecision(step.key, "due", "due", step.at)


def _changes(
    facts: InvoiceFacts, rules: Rules, steps: Mapping[str, DatedStep], newest: str | None
) -> Iterable[StepDecision]:
    """What was decided and not sent is looked at again; only where it comes out otherwise is it told."""
    for unsent in facts.unsent:
        step = steps.get(unsent.step)
        if unsent.step.startswith(ASKED):
            asked = _asked(unsent, facts, rules)
            waits = unsent.state == "held" and asked.state != "skipped" and rules.at < unsent.due_at
            if not waits and not (unsent.ours and unsent.state == asked.state):
                yield asked
            continue
        if step is None:
            gone = StepDecision(unsent.step, "skipped", "step_gone", unsent.due_at)
            yield gone._replace(mail=unsent.mail, was=unsent.state)
            continue
        if step.at > rules.at:  # the due date was moved: it has time
            continue
        now = _verdict(step, newest, facts, rules)
        if unsent.state == "held" and now.state != "skipped" and rules.at < unsent.due_at:
            continue
        if unsent.state == "due" and now.state == "due":
            if unsent.ours:
                continue
            now = now._replace(due_at=unsent.due_at)
        yield now._replace(mail=unsent.mail, was=unsent.state)


def _asked(unsent: UnsentReminder, facts: InvoiceFacts, rules: Rules) -> StepDecision:
    """What becomes of a reminder that somebody asked for and that was held."""
    made = StepDecision(unsent.step, "due", "due", unsent.due_at, unsent.mail, unsent.state)
    if reason := why_not(facts, rules):
        return made._replace(state="skipped", reason=reason)
    place = rules.place(facts.to)
    return made._replace(state="held", reason=place.closed, due_at=place.opening) if place.closed else made
