"""How pages put into words what the API answers."""

import re
from datetime import timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from jinja2 import Environment

from api.console.frame.filters import (
    PersonAsked,
    install,
    invoice_state,
    period_day,
    standing,
    state_text,
    whom,
)
from db.core.clock import utc_now
from db.tables import Invoice, Operation


@pytest.mark.parametrize(
    ("people", "needs", "said"),
    [
        ([("controller", "Cora"), ("legal", "Lee")], "any", "Cora or Lee"),
        ([("controller", "Cora"), ("legal", "Lee")], "all", "Cora and Lee"),
        ([("controller", "Cora"), ("legal", "Lee"), ("controller", "Finn")], "all", "Cora or Finn, and Lee"),
        ([("controller", "Cora"), ("legal", "Cora")], "any", "Cora"),
        ([("controller", "Cora"), ("controller", "Cora"), ("legal", "Lee")], "all", "Cora and Lee"),
        ([("controller", "Cora")], "all", "Cora and Legal"),
        ([], "all", "Controller and Legal"),
    ],
)
def test_a_delegate_is_one_of_those_who_are_asked(
    people: list[tuple[str, str]], needs: str, said: str
) -> None:
    as_json = [{"role": role, "name": name, "why_not": None} for role, name in people]
    assert whom(as_json, ("controller", "legal"), needs) == said
    assert whom(map(PersonAsked.model_validate, as_json), ("controller", "legal"), needs) == said


@pytest.mark.parametrize(
    ("kind", "state", "stage", "said"),
    [
        ("plan_change", "running", "scheduled", "scheduled"),
        ("refund", "awaiting_approval", "changes_requested", "changes_requested"),
        ("refund", "running", "applying", "running"),
        ("plan_change", "held", "scheduled", "held"),
        ("plan_change", "cancelled", "scheduled", "cancelled"),
        ("refund", "running", "requires_action", "requires_action"),
        ("refund", "failed", "refund_failed", "refund_failed"),
        ("refund", "failed", "done", "failed"),
        ("refund", "mismatched", "refund_failed", "partly_refunded"),
        ("reminder_run", "held", "paused", "paused"),
        ("case", "running", "note_owed", "open"),
        ("portal_access", "accepted", "accepted", "open"),
        ("case", "completed", "done", "completed"),
    ],
)
def test_what_waits_says_what_for(kind: str, state: str, stage: str, said: str) -> None:
    assert standing(Operation(kind=kind, state=state, stage=stage)) == said


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (None, "Withdrawn"),
        ("cancellation_taken_back", "Taken back"),
        ("cancellation_overtaken", "Ended sooner"),
        ("ended_by_operator", "Cancelled"),
    ],
)
def test_of_a_cancellation_of_which_nothing_came_it_is_said_how(code: str | None, said: str) -> None:
    error = {"code": code, "message": "Why."} if code else None
    ended = Operation(kind="cancellation", state="cancelled", stage="done", error=error)
    assert state_text(standing(ended)) == said


@pytest.mark.parametrize(
    ("status", "days", "said"),
    [
        ("open", -1, "overdue"),
        ("open", 1, "invoice_open"),
        ("open", None, "invoice_open"),
        ("paid", -1, "invoice_paid"),
        ("uncollectible", -1, "invoice_uncollectible"),
    ],
)
def test_what_is_open_after_its_day_is_overdue(status: str, days: int | None, said: str) -> None:
    due = None if days is None else utc_now() + timedelta(days=days)
    assert invoice_state(Invoice(status=status, due_date=due)) == said


@pytest.mark.parametrize("at", [1_777_593_600, "2026-04-30T19:00:00-05:00"])
def test_a_periods_day_is_utcs_whoever_reads(at: int | str) -> None:
    assert period_day(at) == (
        '<time datetime="2026-05-01T00:00:00Z" title="2026-05-01T00:00:00Z">May 1, 2026</time>'
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "Pay at /console/plans/invoices/in_1. Then <b>ask</b>.",
            'Pay on <a href="/console/plans/invoices/in_1">its page</a>. Then &lt;b&gt;ask&lt;/b&gt;.',
        ),
        (
            "a plan change (op_1) is open",
            'A plan change (<a href="/console/operations/op_1">see it</a>) is open',
        ),
        ("look at /console/operations/op_1", 'Look on <a href="/console/operations/op_1">its page</a>'),
        ("per_1 and per_2 did", "Cora &lt;i&gt; and a former colleague did"),
    ],
)
def test_ids_in_sentences_are_names_and_ways_to_pages_and_all_else_is_text(said: str, shown: str) -> None:
    shell = SimpleNamespace(names={"per_1": "Cora <i>"})
    environment = Environment(autoescape=True)
    install(environment)
    assert environment.from_string("{{ said | named }}").render(said=said, shell=shell) == shown


@pytest.mark.parametrize(
    ("hours", "said"),
    [(5.5, r"By \w{3} [\d:]+ [AP]M UTC, in \d hours"), (-5.5, r"By \w{3} [\d:]+ [AP]M UTC, \d hours ago")],
)
def test_a_time_reads_well_after_by_and_since(hours: float, said: str) -> None:
    shell = SimpleNamespace(zone=ZoneInfo("UTC"))
    environment = Environment(autoescape=True)
    install(environment)
    at = utc_now() + timedelta(hours=hours)
    text = environment.from_string("By {{ at | when }}").render(at=at, shell=shell)
    shown = re.sub(r"<[^>]+>", "", text).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert re.fullmatch(said, shown), shown
