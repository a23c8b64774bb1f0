"""The examples of the documentation are what the API would write and read."""

import pytest
from pydantic import BaseModel

from api.approvals import schemas as approval_models
from api.cases import examples as case_examples
from api.cases import schemas as case_models
from api.http import examples, models
from api.http.openapi import problem_example
from api.incidents import examples as incident_examples
from api.incidents import schemas as incident_models
from api.money import examples as money_examples
from api.money import schemas as money_models
from api.notes import schemas as note_models
from api.problems.catalogue import CATALOGUE, ProblemType
from billing.cases.case import CaseFound, case_subject
from billing.money.credit import CreditFound, CreditSubject
from billing.money.credit_report import credit_problem, credit_report
from billing.money.refund import RefundFound, RefundSubject
from billing.money.refund_report import Share, refund_report


@pytest.mark.parametrize("type_", CATALOGUE.values(), ids=CATALOGUE)
def test_a_problem_fits_its_model(type_: ProblemType) -> None:
    models.ProblemAnswer.model_validate(problem_example(type_))


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
        (approval_models.DelegateBody, "DELEGATE"),
        (approval_models.DelegationBody, "DELEGATION_BODY"),
        (approval_models.DelegationAnswer, "DELEGATION"),
        (approval_models.DelegationAnswer, "APPROVAL_DELEGATION"),
        (approval_models.DelegationAnswer, "REVOKED_DELEGATION"),
        (approval_models.PersonAnswer, "PERSON"),
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


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (money_models.RefundBody, "REFUND"),
        (money_models.CreditBody, "CREDIT"),
        (money_models.RefundResolutionBody, "REFUND_RESOLUTION"),
        (money_models.CreditResolutionBody, "CREDIT_RESOLUTION"),
        (note_models.NoteBody, "NOTE_BODY"),
        (note_models.NoteAnswer, "NOTE"),
        (note_models.NoteAnswer, "CREDIT_NOTE"),
        (models.OperationAnswer, "ACCEPTED_REFUND"),
        (models.OperationAnswer, "REFUND_IN_REVIEW"),
        (models.OperationAnswer, "FAILED_REFUND"),
        (models.OperationAnswer, "ACCEPTED_CREDIT"),
        (models.OperationAnswer, "CREDIT_IN_REVIEW"),
        (models.OperationAnswer, "MISMATCHED_CREDIT"),
        (money_models.PaymentAnswer, "PAYMENT"),
        (money_models.PaymentWithRefunds, "PAYMENT_WITH_REFUNDS"),
    ],
)
def test_an_example_of_money_back_reads_as_its_model_and_back(model: type[BaseModel], name: str) -> None:
    example = getattr(money_examples, name)
    assert model.model_validate(example).model_dump(mode="json", by_alias=True) == example


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (incident_models.StepBody, "STEP"),
        (incident_models.ResolveBody, "RESOLVE"),
        (incident_models.BannerAnswer, "BANNER"),
        (incident_models.IncidentAnswer, "INCIDENT"),
        (incident_models.IncidentDetail, "DETAIL"),
        (incident_models.IncidentAnswer, "PENDING"),
        (incident_models.IncidentAnswer, "CLEARED"),
    ],
)
def test_an_example_of_an_incident_reads_as_its_model_and_back(model: type[BaseModel], name: str) -> None:
    example = getattr(incident_examples, name)
    assert model.model_validate(example).model_dump(mode="json", by_alias=True) == example


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (case_models.CaseCloseBody, "CLOSE"),
        (case_models.CaseAnswer, "CASE"),
        (models.OperationAnswer, "TAKEN"),
        (models.OperationAnswer, "CLOSED"),
        (note_models.NoteAnswer, "NOTE"),
    ],
)
def test_an_example_of_a_case_reads_as_its_model_and_back(model: type[BaseModel], name: str) -> None:
    example = getattr(case_examples, name)
    assert model.model_validate(example).model_dump(mode="json", by_alias=True) == example


def test_what_a_case_is_about_is_what_was_found() -> None:
    found = case_examples.TAKEN["request"]
    assert CaseFound.model_validate(found).model_dump(mode="json", by_alias=True) == found
    assert case_subject(CaseFound.model_validate(found)) == case_examples.TAKEN["subject"]


def test_the_examples_of_subjects_and_results_are_what_the_stories_make() -> None:
    refund = RefundSubject.model_validate(money_examples.REFUND_IN_REVIEW["subject"])
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
    assert refund_report(refund, [share]) == money_examples.FAILED_REFUND["result"]
    assert share.problem is not None
    assert share.problem.model_dump() == money_examples.FAILED_REFUND["error"]

    credit = CreditSubject.model_validate(money_examples.CREDIT_IN_REVIEW["subject"])
    found = CreditFound(
        object="cbtxn_1SVy0R2eZvKYlo2CqWeRtYuI",
        amount=4_000,
        currency="usd",
        reduces_due=0,
        to_balance=4_000,
        balance_after=-4_000,
        metadata={},
    )
    assert credit_report(credit, found.object, found) == money_examples.MISMATCHED_CREDIT["result"]
    problem = credit_problem(credit, found)
    assert problem is not None
    assert problem.model_dump() == money_examples.MISMATCHED_CREDIT["error"]
