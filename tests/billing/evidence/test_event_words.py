"""Each kind of event has words of its own, and nothing but its code decides anything."""

import ast
from pathlib import Path
from typing import get_type_hints

import pytest
from pydantic import ValidationError

from api.operations.service import Command
from billing.core.events import EventCode
from billing.evidence.event_words import WORDS, words
from billing.operations.messages import Progress
from billing.operations.standing import Abandon
from db.core import timeline
from db.core.timeline import NewEvent

ROOT = Path(__file__).parents[3]
PRODUCT = ("activities", "api", "billing", "db", "workflows", "worker")
PROPER = ("Finance ", "Stripe ")
"""What a sentence may begin with a capital letter for."""


def test_each_code_has_words_and_no_two_have_the_same() -> None:
    assert WORDS.keys() == set(EventCode)
    assert len(set(WORDS.values())) == len(WORDS)


@pytest.mark.parametrize("code", EventCode)
def test_words_go_on_where_a_line_with_time_and_person_has_begun(code: EventCode) -> None:
    assert code.value == code.name.lower()
    assert WORDS[code].startswith(PROPER) or WORDS[code][0] in "{abcdefghijklmnopqrstuvwxyz"
    assert WORDS[code] == WORDS[code].strip().rstrip(".")


@pytest.mark.parametrize(
    ("code", "detail", "said"),
    [
        ("checked", {"amount": {"amount_minor": 1, "currency": "usd"}}, "checked against Stripe"),
        ("approved", {"by_link": True}, "approved, by the link in the mail"),
        ("records_written", {"parts": ["mails", "notes"]}, "mails and notes recorded"),
        ("records_written", {"parts": ["mails"]}, "mails recorded"),
        (
            "workflow_restarted",
            {"how": "timed out"},
            "the workflow was timed out in Temporal and is running again",
        ),
        ("escalated", {"to": ["controller", "legal"]}, "escalated to a controller and Legal"),
        ("held_for_permission", {"message": "The key may not."}, "held: The key may not."),
        (
            "partly_approved",
            {"role": "legal", "missing": ["controller", "finance"]},
            "approved by Legal; still needs a controller and Finance",
        ),
        (
            "rung_vacant_any_asked",
            {"why": "nobody holds finance", "instead": ["controller", "legal"]},
            "nobody holds finance: asking a controller or Legal instead",
        ),
        (
            "rung_vacant_all_asked",
            {"why": "nobody holds finance", "instead": ["controller", "legal"]},
            "nobody holds finance: asking a controller and Legal instead",
        ),
        (
            "rung_vacant_last",
            {"why": "nobody else holds legal", "instead": []},
            "nobody else holds legal: the review stays open until its deadline",
        ),
    ],
)
def test_what_varies_is_of_the_detail(code: str, detail: dict[str, object], said: str) -> None:
    assert words(code, detail) == said


def test_what_is_no_code_has_no_words() -> None:
    with pytest.raises(ValueError, match="Finance notified"):
        words("Finance notified")


def test_nothing_but_a_code_is_recorded() -> None:
    with pytest.raises(ValidationError, match="event"):
        Progress.model_validate(
            {"operation": "op", "key": "k", "event": "Finance notified", "at": "2026-03-02T00:00Z"}
        )
    for writer in (Progress, Abandon, NewEvent, Command, timeline.append):
        assert get_type_hints(writer)["event"] is EventCode


def test_no_module_but_the_table_knows_a_sentence() -> None:
    """One word alone may be a state's name."""
    sentences = {said for said in WORDS.values() if " " in said}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for part in PRODUCT
        for path in sorted((ROOT / part).rglob("*.py"))
        if path.name != "event_words.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in sentences
    ]
    assert found == []
