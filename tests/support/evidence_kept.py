"""The evidence of what tests really did: all of it is whole, and some is kept for the tests of the check.

With `RECORD_EVIDENCE` set, the tests on SQLite that `KEPT` names keep the evidence of their operations. One
of them is the documentation's example too.
"""

import json
import os
import re
from pathlib import Path

from sqlmodel import col, select

from billing.approvals.marks import UNMARKED
from billing.core.events import EventCode
from billing.evidence.document import as_json
from billing.evidence.records import Json
from billing.evidence.verify import verify
from db.core.session import Database
from db.evidence import reader as evidence
from db.tables import Operation, TimelineEvent
from worker.evidence.check import RecordCheck
from worker.evidence.daily_roots import DailyRoots

from ..billing.evidence.sealing import SIGNER

DIRECTORY = Path(__file__).parents[1] / "billing" / "evidence"

EXAMPLE = Path(__file__).parents[2] / "api" / "evidence" / "examples" / "evidence.json"
SHOWN = "credit_held"

BEGUN = ("requested", "noticed")
"""The keys of first events; without one a test has put the operation there."""

KEPT = {
    "test_a_refund_that_was_revised_approved_and_noted_on_is_whole": "refund_revised",
    "test_a_credit_within_authority_is_whole": "credit_within_authority",
    "test_what_stripe_refuses_or_what_is_blocked_is_whole": "refund_blocked_or_rejected",
    "test_a_refund_that_failed_and_was_left_at_that_is_whole": "refund_failed",
    "test_a_plan_change_is_whole": "plan_change_now",
    "test_a_reminder_runs_evidence_is_whole": "reminder_run",
    "test_a_delegates_approval_after_an_escalation_is_whole": "refund_by_delegate",
    "test_two_approvals_of_different_roles_are_whole": "refund_by_two",
    "test_requested_changes_lead_to_a_revised_request_and_a_new_round": "plan_change_revised",
    "test_a_change_at_period_end_waits_in_a_schedule_and_is_verified_on_the_renewal": "plan_change_later",
    "test_other_lines_than_approved_are_a_mismatch_that_a_controller_accepts": "plan_change_mismatched",
    "test_a_mismatch_can_be_reverted_to_the_former_plan": "plan_change_reverted",
    "test_a_declined_card_changes_nothing_and_is_told_as_such": "plan_change_declined",
    "test_a_cancelled_review_is_dismissed_and_cannot_be_approved_any_more": "plan_change_cancelled",
    "test_a_refund_that_fails_after_it_had_succeeded_is_open_again_and_can_be_tried_again": "refund_retried",
    "test_a_refund_that_waits_for_the_customer_can_be_taken_back": "refund_taken_back",
    "test_an_invoice_paid_by_several_payments_is_refunded_over_them": "refund_of_several",
    "test_a_credit_note_takes_from_what_is_due_on_an_open_invoice": "credit_note",
    "test_a_credit_that_was_approved_is_held_and_given_once": "credit_held",
    "test_a_void_beyond_authority_is_approved_and_done_once": "void_held",
    "test_a_write_off_beyond_authority_is_approved_and_done_once": "write_off_held",
    "test_a_plan_is_set_to_end_and_the_operation_says_when_it_has": "cancellation_planned",
    "test_unused_time_that_is_given_up_counts_and_is_not_credited": "cancellation_now",
    "test_it_counts_at_once_for_the_customer_and_in_the_end_for_who_made_it": "case",
    "test_an_expired_link_is_mended_by_a_new_one_once": "portal_access",
}
"""By the test: the name that its evidence is kept under."""


async def check_all(database: Database, test: str) -> None:
    """Whatever a test has begun has whole evidence, at whatever moment the test ended, and a root that is
    made then stands for it."""
    async with database.reading() as session:
        begun = select(TimelineEvent.operation_id).where(col(TimelineEvent.key).in_(BEGUN))
        ids = sorted(await session.exec(begun))
    documents = [await _document(database, id_) for id_ in ids]
    await DailyRoots(database, SIGNER).look()
    checked = await RecordCheck(database, UNMARKED).run()
    assert [fault for fault in checked.faults if fault.about in ids] == []
    name = KEPT.get(re.sub(r"\[.*$", "", test))
    if name is not None and database.is_sqlite and os.environ.get("RECORD_EVIDENCE"):
        _keep(name, documents)


async def _document(database: Database, operation_id: str) -> Json:
    async with database.snapshot() as session:
        operation = await session.get_one(Operation, operation_id)
        document = as_json(await evidence.read(session, operation))
    verify(json.dumps(document))
    for event in document["timeline"]:
        assert event["code"] != EventCode.RECORDS_WRITTEN, f"no event tells of {list(event['records'])}"
    return document


def _keep(name: str, documents: list[Json]) -> None:
    DIRECTORY.mkdir(exist_ok=True)
    for number, document in enumerate(documents, start=1):
        file = DIRECTORY / f"{name}{f'_{number}' if len(documents) > 1 else ''}.json"
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        file.write_text(text)
        if name == SHOWN:
            EXAMPLE.write_text(text)
