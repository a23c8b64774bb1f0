"""Add-ons in the console: in the form of a plan change, in its quote and beside the plan; without scripts."""

import html
import re
from types import SimpleNamespace
from typing import Any

import pytest
from sqlmodel import select

from api.quotes.service import QuoteDraft
from billing.plan_changes.items.others import OtherItem
from db.core.session import Database
from db.mirror import mirror
from db.tables import Operation

from ...activities.mail.contexts import an_upgrade
from ...support.builders import NOW, Tenant, an_approval, an_operation, store
from ...support.case_rules import case_rules
from ..conftest import HELD, ON_ONE_DATABASE
from ..quoting import made
from .conftest import SignIn

pytestmark = ON_ONE_DATABASE

SUPPORT = OtherItem(
    price="price_priority-support_month", quantity=2, name="Priority support", add_on="priority-support"
)
USAGE = OtherItem(price="price_exports", quantity=None, name="Exports")
WISH = {
    "plan": "growth",
    "seats": "12",
    "interval": "month",
    "effective": "now",
    "invoicing": "immediately",
    "reason": "Two teams join.",
}


@pytest.fixture
async def subscriber(database: Database, acme: Tenant) -> Tenant:
    """With two pieces of an add-on, and with usage."""
    held = HELD | {"others": [SUPPORT.model_dump(), USAGE.model_dump()]}
    async with database.transaction() as session:
        await mirror.store_subscription(session, case_rules(), acme.id, held, synced_at=NOW)
    return acme


def fields(page: str) -> dict[str, str]:
    """What the inputs of add-ons have, by their names."""
    found = re.findall(r'<input[^>]*name="add_on:([^"]+)"[^>]*>', page)
    values = [re.search(rf'name="add_on:{name}"[^>]*value="([^"]*)"', page) for name in found]
    return {name: value.group(1) if value else "" for name, value in zip(found, values, strict=True)}


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def test_the_form_offers_add_ons_with_how_many_there_are(signed_in: SignIn, subscriber: Tenant) -> None:
    page = (await (await signed_in(subscriber.admin)).get("/console/plans")).text
    assert fields(page) == {"priority-support": "2", "extra-storage": "", "data-export": ""}
    assert "2 × Priority support" in words(page)
    assert "Exports, by usage" in words(page)
    assert "USD 15.00 a month each" in words(page)


async def test_what_is_offered_no_more_may_stay_or_go_and_what_is_there_twice_has_no_field(
    signed_in: SignIn, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = OtherItem(price="price_former", quantity=3, name="Former reports", add_on="former-reports")
    storage = OtherItem(price="price_a", quantity=1, name="Extra storage", add_on="extra-storage")
    twice = [storage, storage.model_copy(update={"price": "price_b"})]
    held = HELD | {"others": [one.model_dump() for one in (SUPPORT, former, *twice)]}
    async with database.transaction() as session:
        await mirror.store_subscription(session, case_rules(), acme.id, held, synced_at=NOW)
    house: Any = SimpleNamespace(database=database)
    monkeypatch.setattr(QuoteDraft, "find_out", lambda _, request, result: made(house, request))
    visitor = await signed_in(acme.admin)
    there = {"priority-support": "2", "data-export": "", "former-reports": "3"}
    assert fields((await visitor.get("/console/plans")).text) == there

    for number, refused in (("3", False), ("0", False), ("4", True)):
        answer = await visitor.post("/console/plans/quote", **WISH | {"add_on:former-reports": number})
        assert ("There is no add-on" in words(answer.text)) == refused, number
    answer = await visitor.post("/console/plans", key="typed", **WISH | {"add_on:former-reports": "0"})
    assert answer.status_code == 303
    revised = (await visitor.get(f"{answer.headers['location']}/revise")).text
    assert fields(revised) == there | {"former-reports": "0"}


async def test_what_is_typed_is_quoted_kept_and_asked_for(
    signed_in: SignIn, subscriber: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    house: Any = SimpleNamespace(database=database)
    monkeypatch.setattr(QuoteDraft, "find_out", lambda _, request, result: made(house, request))
    visitor = await signed_in(subscriber.admin)
    typed = {"add_on:priority-support": "5", "add_on:extra-storage": "", "add_on:data-export": "1"}
    quoted = (await visitor.post("/console/plans/quote", **WISH | typed)).text
    assert "5 × Priority support" in words(quoted)
    assert "1 × Data export" in words(quoted)
    assert fields(quoted)["priority-support"] == "5"

    again = (await visitor.post("/console/plans/edit", **WISH | typed)).text
    assert fields(again) == {"priority-support": "5", "extra-storage": "", "data-export": "1"}

    answer = await visitor.post("/console/plans", key="typed", **WISH | typed)
    assert answer.status_code == 303
    async with database.reading() as session:
        asked = select(Operation).where(Operation.kind == "plan_change")
        [operation] = (await session.exec(asked)).all()
    assert operation.request["add_ons"] == [
        {"add_on": "priority-support", "quantity": 5},
        {"add_on": "data-export", "quantity": 1},
    ]
    revised = (await visitor.get(f"/console/operations/{operation.id}/revise")).text
    assert fields(revised) == {"priority-support": "5", "extra-storage": "", "data-export": "1"}


@pytest.mark.parametrize("typed", ["many", "-1"])
async def test_a_quantity_that_is_none_is_said_beside_the_form(
    signed_in: SignIn, subscriber: Tenant, typed: str
) -> None:
    visitor = await signed_in(subscriber.admin)
    answer = await visitor.post("/console/plans/quote", **WISH | {"add_on:priority-support": typed})
    assert answer.status_code == 422
    assert answer.text.count("Priority support must be") == 2, "above the form, and beside the field"
    assert "add_ons" not in words(answer.text)
    assert fields(answer.text)["priority-support"] == typed


@pytest.mark.parametrize("page", ["approvals", "operations"])
async def test_who_decides_sees_what_is_beside_the_plan_before_and_after(
    signed_in: SignIn, acme: Tenant, database: Database, page: str
) -> None:
    subject = an_upgrade()
    more = SUPPORT.model_copy(update={"quantity": 7})
    document = subject.model_copy(
        update={
            "from_": subject.from_.model_copy(update={"others": (SUPPORT, USAGE)}),
            "to": subject.to.model_copy(update={"others": (more, USAGE)}),
        }
    ).document()
    operation = an_operation(acme, subject=document)
    approval = an_approval(operation, subject=document)
    await store(database, operation, approval)
    id = approval.id if page == "approvals" else operation.id
    shown = words((await (await signed_in(acme.controller)).get(f"/console/{page}/{id}")).text)
    for said in ("2 × Priority support", "7 × Priority support", "billed on top of that: Exports."):
        assert said in shown
