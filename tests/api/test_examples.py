"""The examples of the documentation are what the API would write and read."""

import pytest
from pydantic import BaseModel

from api import examples, models
from api.catalogue import CATALOGUE
from api.openapi import problem_example


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_problem_fits_its_model(code: str) -> None:
    models.ProblemAnswer.model_validate(problem_example(code))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (models.PlanChangeBody, "PLAN_CHANGE"),
        (models.CancelBody, "CANCEL"),
        (models.ResolutionBody, "RESOLUTION"),
        (models.DecisionBody, "DECISION"),
        (models.OperationAnswer, "ACCEPTED_OPERATION"),
        (models.OperationAnswer, "OPERATION"),
        (models.OperationAnswer, "PENDING_OPERATION"),
        (models.EventAnswer, "EVENT"),
        (models.ApprovalAnswer, "APPROVAL"),
        (models.ApprovalAnswer, "DECIDED_APPROVAL"),
        (models.OrganizationAnswer, "ORGANIZATION"),
        (models.PlanAnswer, "PLAN"),
        (models.CustomerAnswer, "CUSTOMER"),
        (models.InvoiceAnswer, "INVOICE"),
        (models.NoticeAnswer, "NOTICE"),
        (models.NoticeAnswer, "ACKNOWLEDGED_NOTICE"),
    ],
)
def test_an_example_reads_as_its_model_and_back(model: type[BaseModel], name: str) -> None:
    example = getattr(examples, name)
    assert model.model_validate(example).model_dump(mode="json", by_alias=True) == example
