"""How pages put into words what the API answers."""

from datetime import timedelta

import pytest

from api.console.frame.filters import PersonAsked, invoice_state, linked, standing, whom
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
        ("case", "running", "note_owed", "open"),
        ("portal_access", "accepted", "accepted", "open"),
        ("case", "completed", "done", "completed"),
    ],
)
def test_what_waits_says_what_for(kind: str, state: str, stage: str, said: str) -> None:
    assert standing(Operation(kind=kind, state=state, stage=stage)) == said


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


def test_addresses_of_our_own_pages_are_links_and_all_else_is_text() -> None:
    assert linked("Pay at /console/plans/invoices/in_1. Then <b>ask</b>.") == (
        'Pay at <a class="text-break" href="/console/plans/invoices/in_1">/console/plans/invoices/in_1</a>. '
        "Then &lt;b&gt;ask&lt;/b&gt;."
    )
