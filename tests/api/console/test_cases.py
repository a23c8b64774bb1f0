"""What people do about a case on its page: close it with a note, name who made it, answer for it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import col, select, update

from api.console.frame.words import CASES
from billing.cases.case import CaseFound, CaseObject
from billing.core.money import Money
from billing.policy.policy import Policy
from db.cases import cases
from db.cases.cases import CaseRules
from db.core.session import Database
from db.tables import Operation, Outbox

from ...support.builders import NOW, Tenant
from ...support.case_rows import a_case
from ..conftest import ON_ONE_DATABASE
from ..sign_in.visitors import Visitor
from .conftest import SignIn

pytestmark = ON_ONE_DATABASE

NOTE = "Made in the dashboard while the API was down."


@pytest.fixture
async def case(database: Database, acme: Tenant, policy: Policy) -> Operation:
    return await a_case(database, policy, acme.id)


async def said(database: Database, name: str) -> list[Mapping[str, Any]]:
    """What the case's workflow is to be told."""
    async with database.reading() as session:
        rows = await session.exec(select(Outbox).where(Outbox.name == name))
        return [row.payload for row in rows]


async def pressed(visitor: Visitor, case: Operation, action: str, **fields: str) -> None:
    answer = await visitor.post(f"/console/operations/{case.id}/{action}", **fields)
    assert answer.status_code == 303, answer.text


async def test_a_case_is_listed_and_leads_to_its_page(
    signed_in: SignIn, acme: Tenant, case: Operation
) -> None:
    visitor = await signed_in(acme.finance)
    for query, there in (("", True), ("?open=true", True), ("?open=false", False)):
        page = (await visitor.get(f"/console/finance/cases{query}")).text
        assert (f'href="/console/operations/{case.id}"' in page) is there


USD = Money(amount_minor=7_200, currency="usd")
GIVEN_AWAY = [
    *(
        CaseFound(object_kind=kind, object="in_1", customer="cus_1", amount=USD, invoice="in_1")
        for kind in (CaseObject.VOID, CaseObject.WRITE_OFF, CaseObject.INVOICE_ITEM, CaseObject.DISPUTE)
    ),
    CaseFound(
        object_kind=CaseObject.DISCOUNT,
        object="di_1",
        customer="cus_1",
        amount=USD,
        coupon="Spring (10% off), forever",
        given_on="subscription",
        bearer="sub_2",
    ),
    CaseFound(object_kind=CaseObject.CANCELLATION, object="sub_1", ends_at=datetime(2026, 5, 1, tzinfo=UTC)),
]


@pytest.mark.parametrize("found", GIVEN_AWAY, ids=lambda found: found.object_kind.value)
async def test_whatever_was_given_away_is_listed_and_shown_in_plain_words(
    signed_in: SignIn, acme: Tenant, policy: Policy, database: Database, found: CaseFound
) -> None:
    async with database.transaction() as session:
        opened = await cases.open_case(session, CaseRules.of(policy), acme.id, found, NOW)
    assert opened is not None
    visitor = await signed_in(acme.finance)
    listed = (await visitor.get("/console/finance/cases")).text
    shown = (await visitor.get(f"/console/operations/{opened.id}")).text
    for page in (listed, shown):
        assert CASES[found.object_kind] in page
        assert ("72.00" in page) is (found.amount is not None)
    assert (found.coupon or "") in shown
    assert found.ends_at is None or "<dt>Ends</dt>" in shown


async def test_it_is_closed_by_a_note_of_whoever_made_it(
    signed_in: SignIn, acme: Tenant, case: Operation, database: Database
) -> None:
    visitor = await signed_in(acme.admin)
    await pressed(visitor, case, "close", note=NOTE, done_by="")
    [payload] = await said(database, "close")
    assert (payload["note"], payload["done_by"]) == (NOTE, acme.admin.id)


async def test_somebody_else_is_named_as_having_made_it(
    signed_in: SignIn, acme: Tenant, case: Operation, database: Database
) -> None:
    visitor = await signed_in(acme.admin)
    page = (await visitor.get(f"/console/operations/{case.id}")).text
    assert f"{acme.controller.person.name}, who is asked to confirm it" in page
    assert f"{acme.admin.person.name}, who is asked" not in page
    await pressed(visitor, case, "close", note=NOTE, done_by=acme.controller.id)
    [payload] = await said(database, "close")
    assert payload["done_by"] == acme.controller.id


@pytest.mark.parametrize(("button", "made"), [("confirm", True), ("deny", False)])
async def test_whoever_was_named_confirms_or_denies_it(
    signed_in: SignIn, acme: Tenant, case: Operation, database: Database, button: str, made: bool
) -> None:
    named = {"named": acme.controller.id, "named_by": acme.admin.id, "note": NOTE}
    async with database.transaction() as session:
        await session.exec(
            update(Operation)
            .where(col(Operation.id) == case.id)
            .values(allowed_actions=["take", "close", "confirm"], result=named)
        )
    visitor = await signed_in(acme.controller)
    page = (await visitor.get(f"/console/operations/{case.id}")).text
    assert f'action="/console/operations/{case.id}/{button}"' in page
    await pressed(visitor, case, button, comment="Looked it up.")
    [payload] = await said(database, "confirm")
    assert (payload["made"], payload["comment"]) == (made, "Looked it up.")


async def test_an_empty_note_is_refused_beside_its_button(
    signed_in: SignIn, acme: Tenant, case: Operation, database: Database
) -> None:
    visitor = await signed_in(acme.admin)
    answer = await visitor.post(f"/console/operations/{case.id}/close", note="", done_by=acme.legal.id)
    assert answer.status_code == 422
    assert f'<option value="{acme.legal.id}" selected>' in answer.text
    assert await said(database, "close") == []


async def test_who_only_looks_is_offered_nothing(signed_in: SignIn, acme: Tenant, case: Operation) -> None:
    visitor = await signed_in(acme.auditor)
    page = (await visitor.get(f"/console/operations/{case.id}")).text
    assert f"/console/operations/{case.id}/close" not in page
    answer = await visitor.post(f"/console/operations/{case.id}/close", note=NOTE)
    assert answer.status_code == 403
