"""What a problem says to people on a page, and what more to programs."""

import re

import pytest

from api.console.frame.forms import Form
from api.problems.catalogue import CATALOGUE, ProblemType
from api.problems.field_errors import FieldError, field_errors
from api.problems.problem import ApiProblem

ROUTE = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) /|/v1/")
UNKNOWN = CATALOGUE["delegate_unknown"]


@pytest.mark.parametrize("type_", CATALOGUE.values(), ids=CATALOGUE)
def test_no_problem_sends_people_to_a_route(type_: ProblemType) -> None:
    assert not ROUTE.search(type_.detail)


def test_programs_are_told_the_route_as_well() -> None:
    [error] = ApiProblem.of(UNKNOWN).errors
    assert error.document()["message"] == "No person has this id. See GET /v1/people."
    assert UNKNOWN.told == error.document()["message"]


@pytest.mark.parametrize(
    ("pointer", "message", "said"),
    [
        ("/comment", "comment is required to reject.", "Comment is required to reject."),
        ("/add_ons/0/quantity", "add_ons.0.quantity must be at least 1.", "Comment must be at least 1."),
        ("/to", "Choose another person.", "Choose another person."),
    ],
)
def test_a_field_is_called_as_its_page_calls_it_and_a_sentence_stays_one(
    pointer: str, message: str, said: str
) -> None:
    assert FieldError("body", pointer, "code", message).to_people("Comment") == said


def test_how_json_is_written_is_said_to_programs_only() -> None:
    [error] = field_errors([{"loc": ("body", "seats"), "type": "int_type"}])
    assert error.to_people("Seats") == "Seats must be a whole number."
    assert error.document()["message"] == "seats must be a whole number. Send it without quotes or decimals."
    [typed] = field_errors([{"loc": ("body", "payment_intent"), "type": "string_pattern_mismatch"}])
    assert typed.message.endswith("letters and digits.")
    assert typed.document()["message"].endswith("See GET /v1/payments.")


def test_a_page_says_it_beside_its_own_field() -> None:
    form = Form()
    with form.submitted({"to": "person"}):
        raise ApiProblem.of(UNKNOWN)
    assert form.errors == {"person": "No person has this id."}
    assert form.said == "No person has this id."
