"""Every kind that people ask for has its pages, its buttons and its words: a new one that lacks any fails by
name."""

import re
from collections.abc import Callable
from typing import Any, get_args

import pytest
from sqlmodel import col, select

from activities.mail.render import MailTexts
from api.policy.schemas import SimulatedKind
from api.quotes.service import QuoteDraft
from billing.core.operations import Kind, State
from billing.operations.kinds import GIVE_MONEY, ON_REQUEST
from billing.policy.policy import REASONS, Policy
from billing.policy.reasons import REASON_WORDS
from billing.policy.sentences import rule_in_words
from db.core.session import Database
from db.tables import Approval, Operation, Outbox

from ...support import cancellations
from ...support.builders import NOW, Tenant, a_customer, an_approval, an_invoice, an_operation, store
from ...support.money_rows import a_credit_operation, a_payment, a_refund_operation, a_waiver_operation
from ..conftest import ON_ONE_DATABASE, WANTED
from ..quoting import made
from ..recording import CUSTOMER, PAYMENT
from .conftest import SignIn
from .test_cancellations import Kept, a_cancellation

WRITE_OFF = {
    "action": "write_off",
    "invoice": "in_1",
    "reason": "insolvent",
    "note": "The court has closed the estate.",
}
MADE: dict[Kind, Callable[..., Operation]] = {
    Kind.PLAN_CHANGE: lambda acme, **fields: an_operation(acme, **{"request": dict(WANTED)} | fields),
    Kind.REFUND: lambda acme, **fields: a_refund_operation(acme, **fields),
    Kind.CREDIT: lambda acme, **fields: a_credit_operation(acme, **fields),
    Kind.VOID: lambda acme, **fields: a_waiver_operation(acme, **fields),
    Kind.WRITE_OFF: lambda acme, **fields: a_waiver_operation(
        acme, kind="write_off", request=WRITE_OFF, **fields
    ),
    Kind.CANCELLATION: lambda acme, **fields: an_operation(
        acme, kind="cancellation", request=cancellations.REQUEST, **fields
    ),
}
"""How a test asks for one of each kind."""

of_each_kind = pytest.mark.parametrize("kind", ON_REQUEST)


async def reviewed(database: Database, acme: Tenant, policy: Policy, kind: Kind, stage: str) -> Approval:
    """One that is under review, or that was sent back."""
    sent_back = stage == "changes_requested"
    operation = MADE[kind](
        acme,
        policy=policy.model_dump(mode="json"),
        state=State.AWAITING_APPROVAL.value,
        stage=stage,
        allowed_actions=["revise", "cancel"] if sent_back else ["cancel"],
    )
    operation.request = {
        name: {"payment_intent": PAYMENT, "customer": CUSTOMER, "invoice": "in_1"}.get(name, value)
        if value is not None
        else None
        for name, value in operation.request.items()
    }
    decided: dict[str, Any] = {"state": "changes_requested", "decided_by": acme.controller.id}
    approval = an_approval(operation, **(decided | {"closed_at": NOW} if sent_back else {}))
    approval.subject = a_cancellation().document() if kind is Kind.CANCELLATION else {}
    operation.approval_id = approval.id
    customer = a_customer(acme.id, id=CUSTOMER, name="Hazel Ltd")
    invoice = an_invoice(customer, id="in_1", total=60_000)
    payment = a_payment(acme.id, id=PAYMENT, customer_id=CUSTOMER, amount=150_000)
    await store(database, operation, approval, customer, invoice, payment)
    return approval


@ON_ONE_DATABASE
@of_each_kind
async def test_its_pages_open_and_call_it_by_its_name(
    signed_in: SignIn, acme: Tenant, database: Database, policy: Policy, kind: Kind
) -> None:
    approval = await reviewed(database, acme, policy, kind, "review")
    controller = await signed_in(acme.controller)
    own = (f"approvals/{approval.id}", f"operations/{approval.operation_id}")
    for path in (*own, f"operations?kind={kind}"):
        answer = await controller.get(f"/console/{path}")
        assert answer.status_code == 200, f"{kind}, {path}: {answer.text[-500:]}"
    assert kind.plural in answer.text


@ON_ONE_DATABASE
@of_each_kind
async def test_it_is_cancelled_by_its_button(
    signed_in: SignIn, acme: Tenant, database: Database, policy: Policy, kind: Kind
) -> None:
    approval = await reviewed(database, acme, policy, kind, "review")
    admin = await signed_in(acme.admin)
    answer = await admin.post(f"/console/operations/{approval.operation_id}/cancel", comment="Too early.")
    assert answer.status_code == 303, answer.text
    assert "cancel" in await sent(database)


@ON_ONE_DATABASE
@of_each_kind
async def test_changes_of_it_are_requested_by_their_button(
    signed_in: SignIn, acme: Tenant, database: Database, policy: Policy, kind: Kind
) -> None:
    approval = await reviewed(database, acme, policy, kind, "review")
    controller = await signed_in(acme.controller)
    asked = {"decision": "request_changes", "comment": "Less.", "subject_hash": approval.subject_hash}
    answer = await controller.post(f"/console/approvals/{approval.id}/decision", **asked)
    assert answer.status_code == 303, answer.text
    async with database.reading() as session:
        row = await session.get_one(Approval, approval.id)
    assert row.state == "changes_requested"


@ON_ONE_DATABASE
@of_each_kind
async def test_it_is_revised_after_a_quote_that_tells_nobody(
    signed_in: SignIn,
    acme: Tenant,
    database: Database,
    policy: Policy,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
) -> None:
    house, asked_as = Kept(database), []

    async def find_out(_: QuoteDraft, request: Any, __: Any) -> Any:
        asked_as.append(request.operation)
        return await made(house, request)

    monkeypatch.setattr(QuoteDraft, "find_out", find_out)
    approval = await reviewed(database, acme, policy, kind, "changes_requested")
    page = f"/console/operations/{approval.operation_id}/revise"
    admin = await signed_in(acme.admin)
    form = typed((await admin.get(page)).text)
    assert (await admin.post(f"{page}/edit", **form)).status_code == 200
    quoted = await admin.post(f"{page}/quote", **form)
    assert quoted.status_code == 200, quoted.text
    assert "Who will be asked" in quoted.text or "within your authority" in quoted.text
    assert asked_as == [approval.operation_id], "what it has set aside does not stand in its own way"
    assert "revise" not in await sent(database)
    form = typed(quoted.text.partition("/edit")[0])
    answer = await admin.post(page, **form | {"amount_again": form.get("amount", "")})
    assert answer.status_code == 303, answer.text
    assert "revise" in await sent(database)


@ON_ONE_DATABASE
@pytest.mark.parametrize("kind", sorted(set(GIVE_MONEY) - {Kind.VOID, Kind.WRITE_OFF}))
async def test_a_large_amount_is_typed_again_before_a_revision_is_sent(
    signed_in: SignIn,
    acme: Tenant,
    database: Database,
    policy: Policy,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
) -> None:
    house = Kept(database)
    monkeypatch.setattr(QuoteDraft, "find_out", lambda _, request, result: made(house, request))
    approval = await reviewed(database, acme, policy, kind, "changes_requested")
    page = f"/console/operations/{approval.operation_id}/revise"
    admin = await signed_in(acme.admin)
    form = typed((await admin.get(page)).text) | {"amount": "1200.00", "amount_again": "120.00"}
    answer = await admin.post(page, **form)
    assert answer.status_code == 422
    assert "must be the same amount" in answer.text
    assert "revise" not in await sent(database)


@ON_ONE_DATABASE
@of_each_kind
async def test_whoever_shaped_it_is_not_asked_by_the_quote_of_its_revision(
    signed_in: SignIn,
    acme: Tenant,
    database: Database,
    policy: Policy,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
) -> None:
    house = Kept(database)
    monkeypatch.setattr(QuoteDraft, "find_out", lambda _, request, result: made(house, request))
    approval = await reviewed(database, acme, policy, kind, "changes_requested")
    async with database.transaction() as session:
        operation = await session.get_one(Operation, approval.operation_id)
        author = {"person": acme.controller.id, "at": NOW.isoformat(), "how": "revised"}
        operation.authors = [*operation.authors, author]
    admin = await signed_in(acme.admin)
    page = f"/console/operations/{approval.operation_id}/revise"
    form = typed((await admin.get(page)).text)
    if kind in (Kind.REFUND, Kind.CREDIT):
        form |= {"amount": "1200.00"}
    quoted = (await admin.post(f"{page}/quote", **form)).text
    assert acme.legal.person.name in quoted
    assert not re.search(rf"<strong>[^<]*{acme.controller.person.name}[^<]*</strong>", quoted)


@of_each_kind
def test_it_has_words_for_its_rule_its_reasons_and_its_mails(policy: Policy, kind: Kind) -> None:
    assert policy.revise_by(kind, NOW) > NOW
    for reason in REASONS.get(kind, ()):
        assert REASON_WORDS[reason]
    if kind in GIVE_MONEY:
        rules = policy.money_rules(kind)
        for rule in rules.review:
            assert kind.noun in rule_in_words(policy, kind, rule).text
    assert {"review_requested", "changes_requested"} <= set(MailTexts("https://x.example").names)


def test_the_simulator_and_these_tests_know_every_kind_that_people_ask_for() -> None:
    assert set(get_args(SimulatedKind)) == {kind.value for kind in ON_REQUEST}
    assert MADE.keys() == set(ON_REQUEST)


async def sent(database: Database) -> list[str]:
    async with database.reading() as session:
        return [row.name for row in await session.exec(select(Outbox).order_by(col(Outbox.created_at)))]


def typed(page: str) -> dict[str, str]:
    """What a page's forms would send as they begin; of a choice the first, where none is chosen."""
    found: dict[str, str] = {}
    main = page.partition("<main")[2]
    for tag in re.findall(r"<input[^>]*>", main):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            found[name[1]] = value[1] if value else ""
    for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>([^<]*)</textarea>', main):
        found[name] = text
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', main, re.DOTALL):
        values = re.findall(r'<option value="([^"]*)"([^>]*)', options)
        found[name] = next((value for value, rest in values if "selected" in rest), values[0][0])
    return found
