"""The pages on which a plan is ended, or a planned end is taken back."""

from typing import Any, NamedTuple

import pytest

from api.quotes.service import QuoteDraft
from billing.cancellations.report import cancellation_problem, planned_report
from billing.core.operations import State
from db.core.session import Database
from db.mirror import mirror

from ...billing.cancellations.made import END, OPEN, a_cancellation, facts
from ...support.builders import NOW, Tenant, an_approval, an_operation, store
from ...support.cancellations import NOTE, REQUEST
from ...support.case_rules import case_rules
from ..conftest import HELD, ON_ONE_DATABASE
from ..quoting import made
from .conftest import SignIn

pytestmark = ON_ONE_DATABASE
FORM = {"choice": "now:credit", "reason": "switched_service", "note": NOTE}


class Kept(NamedTuple):
    """Where the people of a quote are kept."""

    database: Database


async def test_it_is_quoted_before_it_is_asked_for(
    signed_in: SignIn, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = Kept(database)
    monkeypatch.setattr(QuoteDraft, "find_out", lambda _, request, result: made(house, request))
    visitor = await signed_in(acme.admin)
    page = (await visitor.post("/console/plans/cancellation/quote", **FORM)).text
    assert "Value of the unused time" in page
    assert "USD −50.00" in page
    assert 'name="quote"' in page
    assert acme.controller.person.name in page, "who would be asked"


async def test_it_is_asked_for_and_shown(signed_in: SignIn, acme: Tenant) -> None:
    visitor = await signed_in(acme.admin)
    form = FORM | {"choice": "at_period_end", "key": "console-1"}
    answer = await visitor.post("/console/plans/cancellation", **form)
    assert answer.status_code == 303, answer.text
    page = (await visitor.get(answer.headers["location"])).text
    assert "Cancellation at the end of the period" in page
    assert "agreed with the board" in page


async def test_what_is_wrong_with_it_is_said_in_the_form(signed_in: SignIn, acme: Tenant) -> None:
    visitor = await signed_in(acme.admin)
    answer = await visitor.post("/console/plans/cancellation/quote", **FORM | {"note": ""})
    assert answer.status_code == 422
    assert "When does it end" in answer.text


async def test_a_plan_that_is_set_to_end_says_so_and_can_go_on(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    async with database.transaction() as session:
        held = HELD | {"cancel_at": HELD["period_end"]}
        await mirror.store_subscription(session, case_rules(), acme.id, held, synced_at=NOW)
    visitor = await signed_in(acme.admin)
    assert "Set to end on" in (await visitor.get("/console/plans")).text
    assert "take_back" in (await visitor.get("/console/plans/cancellation")).text


@pytest.mark.parametrize("page", ["approvals", "operations"])
async def test_who_decides_sees_what_ends_and_what_is_billed(
    signed_in: SignIn, acme: Tenant, database: Database, page: str
) -> None:
    document = a_cancellation(open_invoices=(OPEN,)).document()
    operation = an_operation(acme, kind="cancellation", request=REQUEST, subject=document)
    approval = an_approval(operation, subject=document, kind="cancellation")
    await store(database, operation, approval)
    id = approval.id if page == "approvals" else operation.id
    shown = (await (await signed_in(acme.controller)).get(f"/console/{page}/{id}")).text
    for said in ("USD 60.00", "credited", "USD −60.00", "PLX-0009", "USD 50.00"):
        assert said in shown, said


async def test_a_difference_is_named(signed_in: SignIn, acme: Tenant, database: Database) -> None:
    subject = a_cancellation("at_period_end")
    report = planned_report(subject, facts(cancel_at=END + 60, at_period_end=True), subject.bill)
    problem = cancellation_problem(report)
    assert problem is not None
    fields: dict[str, Any] = {"state": State.MISMATCHED, "stage": "mismatched", "error": problem.model_dump()}
    operation = an_operation(
        acme,
        kind="cancellation",
        request=REQUEST,
        subject=subject.document(),
        result=report.document(),
        allowed_actions=["accept"],
        **fields,
    )
    await store(database, operation)
    shown = (await (await signed_in(acme.controller)).get(f"/console/operations/{operation.id}")).text
    [said] = report.differences
    assert f"{said[:1].upper()}{said[1:]}" in shown
    assert problem.message not in shown, "once is enough"
    assert "Accept as it is in Stripe" in shown
