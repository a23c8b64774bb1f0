"""What operations are about and end with: on the wire with its tag, in rows without."""

import logging

import pytest
from pydantic import TypeAdapter

from billing.core.notices import NoticeKind
from billing.core.operations import Kind, Payload, Problem
from billing.operations.payloads import (
    NoticeFigures,
    OperationResult,
    OperationSubject,
    read_notice,
    read_subject,
)
from billing.plan_changes.report import ScheduledPlanChange, unread_report

from ...activities.mail.contexts import an_upgrade, reverted
from ...activities.mail.money_contexts import DISPUTED, a_credit, a_refund, credited, refunded

SUBJECTS: list[tuple[Kind, Payload]] = [
    (Kind.PLAN_CHANGE, an_upgrade()),
    (Kind.REFUND, a_refund()),
    (Kind.CREDIT, a_credit()),
]
_SUBJECT: TypeAdapter[OperationSubject] = TypeAdapter(OperationSubject)
_RESULT: TypeAdapter[OperationResult] = TypeAdapter(OperationResult)


@pytest.mark.parametrize(("kind", "subject"), SUBJECTS)
def test_a_subject_comes_back_from_the_wire_and_from_its_row(kind: Kind, subject: Payload) -> None:
    assert _SUBJECT.validate_json(subject.model_dump_json()) == subject
    assert "about" not in subject.document()
    assert read_subject(kind, subject.document()) == subject


@pytest.mark.parametrize("document", [{"amount": "a lot"}, {"to": {"plan": "scale"}}])
def test_a_subject_that_cannot_be_read_is_left_out_and_logged(
    document: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="billing.operations.payloads"):
        assert read_subject(Kind.REFUND, document) is None
    assert [record.getMessage() for record in caplog.records] == ["can't read the subject of a refund"]
    assert read_subject(Kind.REFUND, None) is None


def test_a_reminder_run_is_about_nobody_and_that_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    assert read_subject(Kind.REMINDER_RUN, {"dry_run": True, "seen": 3}) is None
    assert caplog.records == []


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        (NoticeKind.PLAN_CHANGE_REQUESTED, NoticeFigures(an_upgrade())),
        (
            NoticeKind.PLAN_CHANGE_SCHEDULED,
            NoticeFigures(an_upgrade(), ScheduledPlanChange(schedule="sub_sched_1", effective_at=1)),
        ),
        (
            NoticeKind.PLAN_CHANGE_APPLIED,
            NoticeFigures(
                an_upgrade(),
                unread_report(an_upgrade()).model_copy(update={"problem": DISPUTED}),
            ),
        ),
        (
            NoticeKind.PLAN_CHANGE_REVERTED,
            NoticeFigures(an_upgrade(), _RESULT.validate_python(reverted(1316))),
        ),
        (
            NoticeKind.REFUND_FAILED,
            NoticeFigures(a_refund(), _RESULT.validate_python(refunded(a_refund(), "failed")), DISPUTED),
        ),
        (
            NoticeKind.CREDIT_DIFFERS,
            NoticeFigures(
                a_credit(),
                _RESULT.validate_python(credited(a_credit(), to_balance=1)),
                Problem(code="credit_differs", message="In Stripe, to_balance is 1 instead of 8000."),
            ),
        ),
    ],
)
def test_a_notice_comes_back_from_its_row(kind: NoticeKind, figures: NoticeFigures) -> None:
    assert read_notice(kind, figures.document()) == figures


def test_a_revert_stands_in_a_result_without_its_tag() -> None:
    result = _RESULT.validate_python(reverted(1316))
    assert "about" not in result.document()["revert"]


def test_a_row_leaves_out_what_nobody_has_said() -> None:
    report = unread_report(an_upgrade())
    assert {"problem", "accepted_by", "reverted_by", "comment"}.isdisjoint(report.document())
    accepted = report.model_copy(update={"accepted_by": "per_cora", "comment": "A cent."}).document()
    assert (accepted["accepted_by"], accepted["comment"], "reverted_by" in accepted) == (
        "per_cora",
        "A cent.",
        False,
    )
