"""The examples of the documentation are what the API would write and read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

import api as package
from api.http import models
from api.http.examples import example
from api.http.openapi import problem_example
from api.problems.catalogue import CATALOGUE, ProblemType
from billing.cases.case import CaseFound, case_subject
from billing.money.credit import CreditFound, CreditSubject
from billing.money.credit_report import credit_problem, credit_report
from billing.money.refund import RefundFound, RefundSubject
from billing.money.refund_report import Share, refund_report

from ..conftest import ON_ONE_DATABASE, Api


@pytest.mark.parametrize("type_", CATALOGUE.values(), ids=CATALOGUE)
def test_a_problem_fits_its_model(type_: ProblemType) -> None:
    models.ProblemAnswer.model_validate(problem_example(type_))


def routes(api: Api) -> Iterator[tuple[APIRoute, dict[str, Any]]]:
    """Each route, and what the document says of it."""
    paths = api.app.openapi()["paths"]
    for route in api.app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods:
                yield route, paths[route.path_format][method.lower()]


@ON_ONE_DATABASE
async def test_every_example_of_an_answer_reads_as_its_model_and_back(api: Api) -> None:
    for route, shown in routes(api):
        for status, response in shown["responses"].items():
            media = response.get("content", {}).get("application/json", {})
            if "example" in media:
                model = TypeAdapter(route.responses.get(int(status), {}).get("model") or route.response_model)
                read = model.validate_python(media["example"])
                assert model.dump_python(read, mode="json", by_alias=True) == media["example"], route.path


@ON_ONE_DATABASE
async def test_every_example_of_a_body_reads_as_its_model_and_back(api: Api) -> None:
    for route, shown in routes(api):
        if route.body_field is not None:
            body = shown["requestBody"]["content"]["application/json"]["example"]
            model = TypeAdapter(route.body_field.field_info.annotation)
            read = model.validate_python(body)
            assert model.dump_python(read, mode="json", by_alias=True, exclude_unset=True) == body, route.path


def test_every_example_is_shown_by_its_room_or_another() -> None:
    root = Path(package.__path__[0])
    named = "".join(path.read_text(encoding="utf-8") for path in root.rglob("*.py"))
    for path in root.glob("*/examples/*"):
        assert f'example("{path.parts[-3]}/{path.stem}")' in named, path


def test_what_a_case_is_about_is_what_was_found() -> None:
    taken = example("cases/taken_case")
    found = taken["request"]
    assert CaseFound.model_validate(found).model_dump(mode="json", by_alias=True) == found
    assert case_subject(CaseFound.model_validate(found)) == taken["subject"]


def test_the_examples_of_subjects_and_results_are_what_the_stories_make() -> None:
    refund = RefundSubject.model_validate(example("money/refund_in_review")["subject"])
    part = refund.parts[0]
    failed = RefundFound(
        refund="re_3SVxkP2eZvKYlo2C1mWb4uJd",
        status="failed",
        amount=part.amount,
        currency="usd",
        payment_intent=part.payment_intent,
        failure_reason="expired_or_canceled_card",
        metadata={},
    )
    share = Share(part=part, currency="usd", found=failed)
    assert refund_report(refund, [share]) == example("money/failed_refund")["result"]
    assert share.problem is not None
    assert share.problem.model_dump() == example("money/failed_refund")["error"]

    credit = CreditSubject.model_validate(example("money/credit_in_review")["subject"])
    found = CreditFound(
        object="cbtxn_1SVy0R2eZvKYlo2CqWeRtYuI",
        amount=4_000,
        currency="usd",
        reduces_due=0,
        to_balance=4_000,
        balance_after=-4_000,
        metadata={},
    )
    assert credit_report(credit, found.object, found) == example("money/mismatched_credit")["result"]
    problem = credit_problem(credit, found)
    assert problem is not None
    assert problem.model_dump() == example("money/mismatched_credit")["error"]
