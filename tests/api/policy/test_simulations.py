"""A simulation says what the request itself then meets, whatever was given before, whoever acts for whom."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmodel import select
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.approvals.approvals import Approvals
from activities.money.commitments import Commitments
from billing.approvals.ladder import Rung
from billing.approvals.marks import UNMARKED
from billing.core.money import Money
from billing.core.operations import Kind, Role
from billing.mail.steps import OpenApproval
from billing.money.credit import CreditSubject
from billing.money.messages import CommitPart
from billing.money.refund import RefundSubject
from billing.policy.policy import Policy
from db.core.clock import utc_now
from db.core.session import Database
from db.tables import Approval
from workflows.approvals.review import Round, approval_input
from workflows.money import reservation
from workflows.money.proposals import MoneyProposal
from workflows.money.review import terms_of

from ...support.builders import NOW, Tenant, a_customer, store, tenant
from ...support.databases import SqliteDatabases
from ...support.money_rows import a_commitment, a_credit_operation, a_delegation, a_refund_operation
from ..conftest import Api, serving

SATURDAY = NOW + timedelta(days=5)
NOTE = "Charged twice for the same month."
REASONS = {
    Kind.REFUND: ("duplicate", "requested_by_customer", "fraudulent", "other"),
    Kind.CREDIT: ("goodwill", "order_change", "fraudulent", "other"),
}
AMOUNTS = (1, 25_000, 25_001, 50_000, 50_001, 1_000_000, 1_000_001, 10_000_001)
"""Both sides of each limit of the policy."""
PEOPLE = (Role.BILLING_ADMIN, Role.CONTROLLER)


@dataclass(frozen=True)
class Gift:
    """What somebody gave before: so long ago."""

    role: Role
    kind: Kind
    amount: int
    to_customer: bool
    days: int


@dataclass(frozen=True)
class Case:
    kind: Kind
    amount: int
    currency: str
    reason: str
    by: Role
    to_customer: bool
    gifts: tuple[Gift, ...]
    delegations: tuple[tuple[Role, Role], ...]
    at: datetime


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kind = draw(st.sampled_from(sorted(REASONS)))
    amounts = st.sampled_from(AMOUNTS) | st.integers(1, 12_000_000)
    gifts = st.builds(
        Gift,
        role=st.sampled_from(PEOPLE),
        kind=st.sampled_from(sorted(REASONS)),
        amount=st.sampled_from((1, 50_000, 75_000, 150_000)),
        to_customer=st.booleans(),
        days=st.sampled_from((0, 29, 31)),
    )
    roles = st.sampled_from(list(Role))
    pairs = st.tuples(roles, roles).filter(lambda pair: pair[0] != pair[1])
    return Case(
        kind=kind,
        amount=draw(amounts),
        currency=draw(st.sampled_from(("usd", "usd", "usd", "eur"))),
        reason=draw(st.sampled_from(REASONS[kind])),
        by=draw(st.sampled_from(PEOPLE)),
        to_customer=draw(st.booleans()),
        gifts=tuple(draw(st.lists(gifts, max_size=3))),
        delegations=tuple(draw(st.lists(pairs, max_size=2, unique_by=lambda pair: pair[0]))),
        at=draw(st.sampled_from((NOW, NOW + timedelta(hours=8), SATURDAY))),
    )


def case(kind: Kind, amount: int, **changes: Any) -> Case:
    """One that nothing was given before."""
    given_ = {
        "currency": "usd",
        "reason": REASONS[kind][0],
        "by": Role.BILLING_ADMIN,
        "to_customer": False,
        "gifts": (),
        "delegations": (),
        "at": NOW,
    }
    return Case(kind=kind, amount=amount, **given_ | changes)


@dataclass(frozen=True)
class Origin:
    """Whose request it is."""

    operation: str
    organization: str
    requested_by: str
    policy: Policy


@dataclass(frozen=True)
class Desk:
    """An organization in which somebody asks for money back, and looks up before what would come of it."""

    api: Api
    database: Database
    policy: Policy
    acme: Tenant
    customer: str
    case: Case

    async def prepare(self) -> None:
        case = self.case
        for gift in case.gifts:
            make = a_refund_operation if gift.kind is Kind.REFUND else a_credit_operation
            giver = self.acme.members[gift.role].id
            operation = make(self.acme, requested_by=giver)
            when = case.at - timedelta(days=gift.days)
            customer = {"customer_id": self.customer} if gift.to_customer else {}
            made = a_commitment(operation, gift.amount, authority_of=giver, decided_at=when, **customer)
            await store(self.database, operation, made)
        lasting = {"starts_at": case.at - timedelta(days=1), "ends_at": case.at + timedelta(days=9)}
        members = self.acme.members
        for giver_, taker in case.delegations:
            row = a_delegation(members[giver_].person, members[taker].person, **lasting)
            await store(self.database, row)

    async def simulate(self) -> dict[str, Any]:
        case = self.case
        query = {"kind": case.kind.value, "amount_minor": case.amount, "currency": case.currency}
        if case.to_customer:
            query["customer"] = self.customer
        answer = await self.api.get(
            "/v1/policy/simulation", self.acme.members[case.by], reason=case.reason, **query
        )
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def ask(self) -> tuple[bool, str, Approval | None]:
        """By the steps of the workflow: whether it was within authority, why not, and the approval."""
        case = self.case
        amount = Money(amount_minor=case.amount, currency=case.currency)
        make = a_refund_operation if case.kind is Kind.REFUND else a_credit_operation
        asker = self.acme.members[case.by].id
        operation = make(self.acme, requested_by=asker)
        await store(self.database, operation)
        request = Origin(operation.id, self.acme.id, asker, self.policy)
        proposal = MoneyProposal[Any](
            _subject(case, amount, self.customer),
            "5" * 64,
            case.reason,
            amount,
            self.customer if case.to_customer else None,
            parts=(CommitPart(amount=case.amount),),
        )
        with patch.object(reservation.workflow, "now", lambda: case.at):
            order = reservation.commit_order(request, case.kind, proposal, Round(1))
        result = await ActivityEnvironment().run(Commitments(self.database).commit_money, order)
        assert result.problem is None
        if result.alone:
            return True, result.why, None
        terms = terms_of(self.policy.money_rules(case.kind), proposal, result.why)
        asked = approval_input(request, case.kind, proposal, terms, Round(1))
        opening = OpenApproval(request=asked, at=case.at)
        await ActivityEnvironment().run(Approvals(self.database, UNMARKED).open_approval, opening)
        async with self.database.reading() as session:
            found = await session.exec(select(Approval).where(Approval.operation_id == operation.id))
            return False, result.why, found.one()

    async def who_can_approve(self, approval: str) -> set[str]:
        shown = {
            member.id: (await self.api.get(f"/v1/approvals/{approval}", member)).json()
            for member in self.acme.members.values()
        }
        return {person for person, document in shown.items() if document["can_decide"]}


def _subject(case: Case, amount: Money, customer: str) -> RefundSubject | CreditSubject:
    about = {"customer": customer, "invoice": None, "amount": amount, "reason": case.reason, "note": NOTE}
    zero = Money.zero(amount.currency)
    if case.kind is Kind.REFUND:
        more = {"payment_intent": "pi_1", "parts": (), "paid": amount, "refunded_before": zero}
        return RefundSubject.model_validate(about | more)
    more = {"instrument": "balance", "invoice_number": None, "reduces_due": zero, "to_balance": amount}
    return CreditSubject.model_validate(about | more)


@contextmanager
def clock(at: datetime) -> Iterator[None]:
    """The API's stands still."""
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("api.") and getattr(module, "utc_now", None) is utc_now:
                stack.enter_context(patch.object(module, "utc_now", lambda: at))
        yield


BEYOND_BOTH = (Gift(Role.BILLING_ADMIN, Kind.CREDIT, 150_000, True, 29),)

TO_THE_CUSTOMER = (Gift(Role.CONTROLLER, Kind.REFUND, 150_000, True, 0),)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=cases())
@example(drawn=case(Kind.REFUND, 50_000))
@example(drawn=case(Kind.REFUND, 50_001))
@example(drawn=case(Kind.CREDIT, 25_000))
@example(drawn=case(Kind.CREDIT, 25_001, at=SATURDAY))
@example(drawn=case(Kind.REFUND, 50_000, reason="fraudulent"))
@example(drawn=case(Kind.REFUND, 50_001, reason="fraudulent"))
@example(drawn=case(Kind.CREDIT, 1_000_001, reason="fraudulent"))
@example(drawn=case(Kind.CREDIT, 1_000_001))
@example(drawn=case(Kind.REFUND, 1_000_000, by=Role.CONTROLLER))
@example(drawn=case(Kind.REFUND, 1_000_001, by=Role.CONTROLLER))
@example(drawn=case(Kind.REFUND, 100, currency="eur"))
@example(drawn=case(Kind.REFUND, 50_001, gifts=BEYOND_BOTH))
@example(drawn=case(Kind.CREDIT, 1, gifts=BEYOND_BOTH, to_customer=True))
@example(drawn=case(Kind.CREDIT, 1, gifts=TO_THE_CUSTOMER))
@example(drawn=case(Kind.CREDIT, 1, gifts=TO_THE_CUSTOMER, to_customer=True))
@example(drawn=case(Kind.REFUND, 60_000, delegations=((Role.BILLING_ADMIN, Role.CONTROLLER),)))
@example(drawn=case(Kind.CREDIT, 60_000, delegations=((Role.CONTROLLER, Role.FINANCE),)))
@example(drawn=case(Kind.CREDIT, 60_000, by=Role.CONTROLLER, gifts=BEYOND_BOTH, to_customer=True))
async def test_it_says_what_the_request_then_meets(
    sqlite_databases: SqliteDatabases, policy: Policy, no_temporal: Client, drawn: Case
) -> None:
    async with a_desk(sqlite_databases, policy, no_temporal, drawn) as desk:
        await desk.prepare()
        with clock(drawn.at):
            said = await desk.simulate()
            alone, why, approval = await desk.ask()
            assert said["obstacles"] == []
            assert (said["authority"]["within"], said["authority"]["why"]) == (alone, why)
            await _same_authority(desk, said)
            if approval is None:
                assert (said["review"], said["rule"]) == (None, None)
                return
            _same_ladder(said["review"], approval)
            asked_now = said["review"]["ladder"][said["review"]["rung"]]
            able = {one["id"] for one in asked_now["people"] if one["can_approve"]}
            assert able == await desk.who_can_approve(approval.id)


async def _same_authority(desk: Desk, said: dict[str, Any]) -> None:
    """What was said to be left afterwards is left."""
    me = (await desk.api.get("/v1/me", desk.acme.members[desk.case.by])).json()
    left = [
        (one["used"], one["left"])
        for one in me["authority"]
        if one["kind"] == desk.case.kind and one["per_item"]["currency"] == desk.case.currency
    ]
    assert [(one["used"], one["left"]) for one in said["authority_after"]] == left


def _same_ladder(review: dict[str, Any], approval: Approval) -> None:
    assert review["rung"] == approval.rung
    names = ("roles", "needs", "state", "opens_at", "deadline")
    kept = [Rung.model_validate(rung).model_dump(mode="json", include=set(names)) for rung in approval.ladder]
    assert [{name: rung[name] for name in names} for rung in review["ladder"]] == kept
    assert review["why"] == approval.rule


@asynccontextmanager
async def a_desk(
    databases: SqliteDatabases, policy: Policy, no_temporal: Client, case: Case
) -> AsyncIterator[Desk]:
    async with databases.fresh() as url:
        database = Database(url)
        acme = await tenant(database)
        customer = a_customer(acme.id)
        await store(database, customer)
        async for api in serving(database, policy, no_temporal):
            yield Desk(api, database, policy, acme, customer.id, case)
        await database.dispose()
