"""How pages write money, times, people and plans: the filters of the templates."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from babel.dates import format_date, format_datetime, format_timedelta
from jinja2 import Environment, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from pydantic import BaseModel, ConfigDict

from billing.approvals.ladder import ApprovalState
from billing.approvals.subject_changes import NONE, SubjectChange
from billing.cases.case import CaseObject
from billing.core.money import Money
from billing.core.operations import CUSTOMER, SYSTEM, Kind, State
from billing.core.text import one_line, with_article
from billing.operations.questions import Question
from billing.plan_changes.limits import LimitCheck, percent_reached
from billing.plan_changes.subject import Terms
from billing.policy.reasons import REASON_WORDS
from billing.quotes.costs import monthly_cost
from billing.stripe.invoice_amounts import InvoiceAmount, InvoiceAmounts, InvoiceTax, tax_words
from db.core.clock import utc_now

from .words import CASES, MARKS, OBJECTS, ROLES, SEEN_TO_BY_PEOPLE, STATES, TOLD_BY_STAGE, state_words

Moment = datetime | str | int
"""A time, RFC 3339 text as the API writes it, or UTC seconds."""
_PERSON = re.compile(r"\bper_\w+")
_OPERATION = re.compile(r"\(?(?<![/\w])(op_\w+)\)?")
BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
"""Marks in a User-Agent, the first that is there counts: many name others as well."""
DASHBOARD_PLACES = {
    "cn": "credit_notes",
    "cus": "customers",
    "in": "invoices",
    "pi": "payments",
    "re": "refunds",
    "sub": "subscriptions",
}
"""Where Stripe's dashboard has what, by how its ids begin."""
LATELY = timedelta(days=1)
"""Within so much, how long ago or from now says more than the date."""


class PersonAsked(BaseModel):
    """Somebody who may decide, by their name, and in which role."""

    model_config = ConfigDict(from_attributes=True)

    role: str
    name: str


_CODE = re.compile(r"`([^`]+)`")
_PAGE = re.compile(r"(?:\bat )?(/console/[\w/-]+)")


def install(environment: Environment) -> None:
    times = (when, day, period_day, ago, clock, lasting)
    texts = (
        line,
        coded,
        sentence,
        state_text,
        reason,
        kind,
        roles,
        whom,
        changed,
        browser,
        reached,
        made_in_stripe,
        object_kind,
        with_article,
    )
    figures = (
        money,
        amount_rows,
        tax_name,
        plan,
        per_month,
        person,
        named,
        state,
        standing,
        invoice_state,
        stripe_page,
    )
    for rule in (*figures, *times, *texts):
        environment.filters[rule.__name__] = rule


def line(text: str) -> str:
    """On one line, without characters that hide or turn around what follows."""
    return one_line(text)


def coded(text: str) -> Markup:
    """A runbook's text, with what stands in backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def sentence(text: str) -> str:
    """With a capital."""
    return line(f"{text[:1].upper()}{text[1:]}")


def reached(limit: LimitCheck | Mapping[str, Any]) -> int:
    """How near a limit of the plan is, in percent: 0 while it isn't."""
    check = LimitCheck.model_validate(limit) if isinstance(limit, Mapping) else limit
    return percent_reached(check.used, check.allowed)


def reason(text: str) -> str:
    """A reason of Stripe's or of ours in words; what a person wrote, as they wrote it."""
    return sentence(REASON_WORDS.get(text, text))


def money(amount: Money | Mapping[str, Any] | int, currency: str | None = None) -> Markup:
    """An amount with its code and a true minus; an integer is minor units of `currency`."""
    if isinstance(amount, Mapping):
        amount = Money.model_validate(amount)
    if isinstance(amount, int):
        amount = Money(amount_minor=amount, currency=currency or "")
    return Markup('<span class="money">{}</span>').format(amount.format().replace("-", "−"))


def amount_rows(amounts: InvoiceAmounts | Mapping[str, Any]) -> tuple[InvoiceAmount, ...]:
    """What stands between an invoice's lines and what is due."""
    return InvoiceAmounts.model_validate(amounts).rows()


def tax_name(tax: InvoiceTax | Mapping[str, Any]) -> str:
    """`Tax 19% (DE VAT)`."""
    return tax_words(InvoiceTax.model_validate(tax))


@pass_context
def when(context: Context, at: Moment | None) -> Markup:
    """The time in the reader's zone, exact in UTC on hover; within a day also how long ago, or how soon."""
    if at is None:
        return Markup("")
    instant = _instant(at)
    local = instant.astimezone(context["shell"].zone)
    text = format_datetime(local, "EEE, MMM d, y, h:mm a z", locale="en")
    away = instant - utc_now()
    if abs(away) < LATELY:
        today = format_datetime(local, "EEE h:mm a z", locale="en")
        relative = format_timedelta(away, add_direction=True, locale="en")
        text = f"{today}, {relative}"  # in this order it can follow "by" and "since"
    return _time(instant, text)


@pass_context
def ago(context: Context, at: Moment | None) -> Markup:
    """For tables: `3 minutes ago` within a day, else the date."""
    if at is None:
        return Markup("")
    instant = _instant(at)
    away = instant - utc_now()
    if abs(away) < LATELY:
        return _time(instant, format_timedelta(away, add_direction=True, locale="en"))
    return day(context, at)


@pass_context
def clock(context: Context, at: Moment) -> Markup:
    """The time of day in the reader's zone: `3:12 PM EST`."""
    instant = _instant(at)
    return _time(instant, format_datetime(instant.astimezone(context["shell"].zone), "h:mm a z", locale="en"))


@pass_context
def day(context: Context, at: Moment | date) -> Markup:
    """The date in the reader's zone: `Mar 2, 2026`; a day without a time is the same in every zone."""
    if isinstance(at, date) and not isinstance(at, datetime):
        return Markup('<time datetime="{}">{}</time>').format(at, format_date(at, "MMM d, y", locale="en"))
    instant = _instant(at)
    local = instant.astimezone(context["shell"].zone)
    return _time(instant, format_datetime(local, "MMM d, y", locale="en"))


def period_day(at: Moment) -> Markup:
    """A day on which a period begins or ends. It is UTC's, as in the texts of Stripe's lines."""
    instant = _instant(at).astimezone(UTC)
    return _time(instant, format_datetime(instant, "MMM d, y", locale="en"))


def lasting(seconds: float) -> str:
    """How long it took: `2 minutes`."""
    return format_timedelta(timedelta(seconds=seconds), threshold=1.5, locale="en")


@pass_context
def plan(context: Context, slug: str) -> str:
    """A plan's name, as people know it."""
    return line(context["shell"].plans.get(slug) or slug.replace("_", " ").replace("-", " ").title())


@pass_context
def per_month(context: Context, terms: Terms, currency: str) -> Money | None:
    """What the seats of these terms cost a month by their list price; None where it isn't known any more."""
    prices = [price for plan in context["shell"].catalog for price in plan.prices]
    amounts = {price.id: price.unit_amount for price in prices if price.currency == currency}
    return monthly_cost(terms.model_copy(update={"others": ()}), amounts, currency)


@pass_context
def person(context: Context, id_: str | None) -> str:
    """A person's name; "you" is left to the template, which knows who reads."""
    if id_ in (None, SYSTEM):
        return "Plixo"
    if id_ == CUSTOMER:
        return "the customer"
    return line(context["shell"].names.get(id_) or "a former colleague")


@pass_context
def named(context: Context, text: str) -> Markup:
    """The API's sentence, with a capital, people's names in place of their ids, and links in place of
    operations' and of the addresses of our own pages."""
    said = line(text) if _PERSON.match(text) else sentence(text)
    said = str(escape(_PERSON.sub(lambda found: person(context, found[0]), said)))
    said = _PAGE.sub(r'on <a href="\1">its page</a>', said)
    return Markup(_OPERATION.sub(r'(<a href="/console/operations/\1">see it</a>)', said))


@pass_context
def stripe_page(context: Context, id_: str) -> str:
    """Stripe's own page about one of its objects; empty where it has none that we know, or shows none."""
    place = DASHBOARD_PLACES.get(id_.partition("_")[0])
    dashboard = context["shell"].dashboard
    return f"{dashboard}/{place}/{id_}" if dashboard and place else ""


def state(name: str) -> Markup:
    """A state as a mark and words."""
    words = state_words(name)
    return Markup('<span class="state state-{}"><span aria-hidden="true">{}</span> {}</span>').format(
        words.look, MARKS[words.look], words.text
    )


def standing(operation: Any) -> str:
    """How an operation stands: its state, or the stage where that says what it waits for. What people have to
    see to, rather than we, is open until they have, and nothing came of a cancellation in ways of its own."""
    if operation.kind == Kind.CANCELLATION and operation.state == State.CANCELLED:
        code = (operation.error or {}).get("code", "withdrawn")
        return str(code if code in STATES else operation.state)
    if operation.kind in SEEN_TO_BY_PEOPLE and operation.state in (State.ACCEPTED, State.RUNNING):
        return ApprovalState.OPEN.value
    if operation.state == State.CANCELLED and "revert" in (operation.result or {}):
        return "reverted"
    if operation.state == State.MISMATCHED and operation.stage == Question.FAILURE.stage:
        return "partly_refunded"
    if operation.state == State.MISMATCHED and (operation.result or {}).get("problem"):
        return "outcome_unknown"
    told = operation.state in TOLD_BY_STAGE.get(operation.stage, ())
    return str(operation.stage if told else operation.state)


def invoice_state(invoice: Any) -> str:
    """An invoice's status in Stripe, as a state of ours; what is open after its due date is overdue."""
    late = invoice.status == "open" and invoice.due_date is not None and invoice.due_date < utc_now()
    return "overdue" if late else f"invoice_{invoice.status}"


def state_text(name: str) -> str:
    """A state in words, where there can be no mark."""
    return state_words(name).text


def kind(name: str) -> str:
    return Kind(name).label


def object_kind(name: str, number: int = 1) -> str:
    """What is compared with Stripe: `credit note`, or `credit notes` where there are several."""
    return OBJECTS[name][number != 1]


def made_in_stripe(name: str) -> str:
    """What was made in Stripe itself: `Negative invoice item`."""
    return CASES[CaseObject(name)]


def roles(names: Iterable[str], needs: str = "any") -> str:
    """`Controller or Legal`; with `needs` of "all", `Controller and Legal`."""
    return (" and " if needs == "all" else " or ").join(ROLES.get(name, name) for name in names)


def whom(people: Iterable[Any], names: Sequence[str], needs: str) -> str:
    """Whom a rung asks: `Cora or Finn`; with `needs` of "all" somebody of each role, `Cora or Finn, and Lee`.
    A role that nobody has is called by its name. `people` have a role and a name each, in the API's answer or
    as its JSON has them."""
    of_role: dict[str, list[str]] = {name: [] for name in names}
    for one in map(PersonAsked.model_validate, people):
        of_role[one.role].append(line(one.name))
    of_role = {role: list(dict.fromkeys(whose)) for role, whose in of_role.items()}
    held = [whose for whose in of_role.values() if whose]
    if needs != "all" or not held:
        return " or ".join(dict.fromkeys(who for whose in held for who in whose)) or roles(names, needs)
    told = [" or ".join(whose) or roles([name]) for name, whose in of_role.items()]
    return (", and " if any(len(whose) > 1 for whose in held) else " and ").join(told)


def browser(agent: str | None) -> str:
    """`Firefox on Windows`, by what a browser calls itself; what is no browser that we know, by its name."""
    agent = agent or "Unknown"
    program = next((name for mark, name in BROWSERS if mark in agent), None)
    if program is None:
        return line(agent.partition("/")[0])
    system = next((name for mark, name in SYSTEMS if mark in agent), None)
    return f"{program} on {system}" if system else program


@pass_context
def changed(context: Context, change: SubjectChange, side: str) -> str:
    """One side, `before` or `after`, of what is different since the last round."""
    value = str(getattr(change, side))
    if value == NONE or change.names == "text":
        return line(value)
    return plan(context, value) if change.names == "plan" else f"another {change.names}"


def _instant(at: Moment) -> datetime:
    if isinstance(at, str):
        return datetime.fromisoformat(at)
    return datetime.fromtimestamp(at, UTC) if isinstance(at, int) else at


def _time(instant: datetime, text: str) -> Markup:
    exact = instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(exact, text)
