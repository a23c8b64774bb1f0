"""A provider that withholds a role which the records give: nothing is decided or spent by that role."""

from typing import Any

import pytest
from markupsafe import escape
from sqlmodel import select

from api.http import auth
from billing.core.keys import UNPEPPERED
from billing.core.operations import Role
from db.core.clock import utc_now
from db.core.session import Database
from db.sign_in import sessions
from db.tables import Decision, Delegation, Operation

from ...support.builders import SUBJECT_HASH, Member, Tenant, an_approval, an_operation, member, store
from ...support.money_rows import a_payment
from ..conftest import Api, counted
from .visitors import Visitor

WITHHELD = str(escape(auth.WITHHELD))
REFUND = {
    "payment_intent": "pi_1",
    "reason": "duplicate",
    "currency": "usd",
    "amount": "1.00",
    "note": "Charged twice for the same month.",
}


async def narrowed(web: Api, database: Database, who: Member, roles: list[str]) -> Visitor:
    """A browser in which somebody has only some of their roles, as a claim says."""
    at, visitor = utc_now(), Visitor(web.app)
    async with database.transaction() as session:
        opened = await sessions.begin(
            session,
            UNPEPPERED,
            who.person,
            how="oidc",
            address="192.0.2.1",
            user_agent=None,
            at=at,
            expires_at=at.replace(year=at.year + 1),
            roles=roles,
        )
    visitor.take(opened.secret)
    return visitor


@pytest.fixture
async def both(database: Database, acme: Tenant) -> Member:
    return await member(database, acme.organization, [Role.BILLING_ADMIN, Role.CONTROLLER])


async def test_nobody_decides_by_a_role_that_is_withheld(
    web: Api, database: Database, acme: Tenant, both: Member
) -> None:
    operation = an_operation(acme)
    approval = an_approval(operation)
    await store(database, operation, approval)
    visitor = await narrowed(web, database, both, ["billing_admin"])
    page = f"/console/approvals/{approval.id}"
    shown = await visitor.get(page)
    assert WITHHELD in shown.text
    for verdict in ("approve", "reject"):
        decided = await visitor.post(
            f"{page}/decision", decision=verdict, comment="No.", subject_hash=SUBJECT_HASH
        )
        assert (decided.status_code, WITHHELD in decided.text) == (403, True)
    assert await counted(database, Decision) == [0]
    assert "Nothing needs you right now" in (await visitor.get("/console/")).text

    whole = await narrowed(web, database, both, ["billing_admin", "controller"])
    answer = await whole.post(f"{page}/decision", decision="approve", subject_hash=SUBJECT_HASH)
    assert answer.status_code == 303
    assert await counted(database, Decision) == [1]


@pytest.mark.parametrize("path", ["/console/refunds/quote", "/console/refunds"])
async def test_no_authority_of_a_role_that_is_withheld_is_used(
    web: Api, database: Database, acme: Tenant, both: Member, path: str
) -> None:
    payment = a_payment(acme.id)
    await store(database, payment)
    visitor = await narrowed(web, database, both, ["billing_admin"])
    form: dict[str, Any] = REFUND | {"payment_intent": payment.id, "key": "key-1"}
    answer = await visitor.post(path, **form)
    assert (answer.status_code, WITHHELD in answer.text) == (403, True)
    async with database.reading() as session:
        assert (await session.exec(select(Operation))).all() == []


async def test_nobody_lends_a_role_that_is_withheld(
    web: Api, database: Database, acme: Tenant, both: Member
) -> None:
    visitor = await narrowed(web, database, both, ["billing_admin"])
    answer = await visitor.post(
        "/console/delegations", to=acme.legal.person.id, until="2099-01-01", reason="I am away."
    )
    assert (answer.status_code, WITHHELD in answer.text) == (403, True)
    assert await counted(database, Delegation) == [0]


async def test_an_auditor_reads_only_whatever_else_a_claim_grants(
    web: Api, database: Database, acme: Tenant
) -> None:
    auditor = await member(database, acme.organization, [Role.BILLING_ADMIN, Role.AUDITOR])
    visitor = await narrowed(web, database, auditor, ["billing_admin"])
    answer = await visitor.post(
        "/console/plans", plan="growth", seats="12", reason="Two teams join.", key="key-1"
    )
    assert answer.status_code == 403
    async with database.reading() as session:
        assert (await session.exec(select(Operation))).all() == []
