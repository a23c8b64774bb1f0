"""Of an invoice never more is given back than was paid for it: refunds and credit notes are under one cap.

Steps as the workflows take them, on a stand-in over HTTP, beside what somebody does in Stripe itself.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.testing import ActivityEnvironment

from activities.money.commitments import Commitments
from activities.money.reads import MoneyReads
from billing.core.operations import Kind, Problem
from billing.money.credit import CreditableQuery, CreditWanted, credit_params, plan_credit, without_own_note
from billing.money.messages import Commit
from billing.money.refund import (
    RefundableQuery,
    RefundWanted,
    plan_refund,
    refund_params,
    still_fits,
    without_own,
)
from billing.stripe.effects import Effect
from db.core.session import Database
from db.money import commitments
from workflows.money import credit_reads, refund_reads
from workflows.money.proposals import MoneyProposal

from ...support import money
from ...support.builders import NOW, an_operation, store
from ...support.case_rules import case_rules
from ...support.databases import SqliteDatabases
from ...support.shop import Shop
from ..counter import Counter, a_counter
from ..effects.effecting import Job

NOTE = "Charged twice for the same month."
CAPPED = {
    *("already_refunded", "already_given_back", "charge_disputed"),
    *("amount_above_refundable", "amount_above_creditable"),
}


@dataclass
class Asked:
    """A refund or a credit note that one of us asks for, step by step."""

    till: "Till"
    wanted: RefundWanted | CreditWanted
    job: Job
    planned: MoneyProposal[Any] | None = None
    problem: Problem | None = None

    @property
    def kind(self) -> Kind:
        return Kind.REFUND if isinstance(self.wanted, RefundWanted) else Kind.CREDIT

    async def check(self) -> None:
        """Looks at Stripe and sets the money aside; or says why not."""
        planned = await self._plan()
        if isinstance(planned, Problem):
            self.problem = planned
            return
        self.planned = planned
        committed = await ActivityEnvironment().run(self._commitments.commit_money, self._order(planned))
        self.problem = committed.problem

    async def issue(self) -> None:
        """Some time later: once more by what Stripe says then, and if it still can be given, gives it."""
        assert self.planned is not None
        again = await self._again()
        free = again is not None and await ActivityEnvironment().run(
            self._commitments.check_room, self._order(again)
        )
        if not free:
            await self.give_up()
            return
        subject = self.planned.subject
        if self.kind is Kind.REFUND:
            for number, part in enumerate(subject.parts):
                params = refund_params(subject, part, {})
                await self._perform("refund.create", part.payment_intent, params, f"refund:{number}")
        else:
            await self._perform("credit_note.create", subject.invoice, credit_params(subject, {}), "credit")

    async def give_up(self) -> None:
        async with self.till.counter.database.transaction() as session:
            await commitments.release(session, self.job.operation.id, at=NOW)

    async def _plan(self) -> MoneyProposal[Any] | Problem:
        operation = self.job.operation.id
        if isinstance(self.wanted, RefundWanted):
            refundable = without_own(await self._refundable(), operation)
            subject = plan_refund(self.wanted, refundable)
            return subject if isinstance(subject, Problem) else refund_reads.proposal_of(subject, refundable)
        query = CreditableQuery(
            organization=self.job.tenant.id, customer=self.wanted.customer, invoice=self.wanted.invoice
        )
        creditable = await ActivityEnvironment().run(self._reads.read_creditable, query)
        creditable = without_own_note(creditable, operation)
        noted = plan_credit(self.wanted, creditable)
        return noted if isinstance(noted, Problem) else credit_reads.proposal_of(noted, creditable)

    async def _again(self) -> MoneyProposal[Any] | None:
        assert self.planned is not None
        if isinstance(self.wanted, RefundWanted):
            facts = without_own(await self._refundable(), self.job.operation.id)
            subject = self.planned.subject
            return refund_reads.proposal_of(subject, facts) if still_fits(subject.parts, facts) else None
        planned = await self._plan()
        return None if isinstance(planned, Problem) or planned.subject != self.planned.subject else planned

    async def _refundable(self) -> Any:
        assert isinstance(self.wanted, RefundWanted)
        query = RefundableQuery(
            organization=self.job.tenant.id,
            payment_intent=self.wanted.payment_intent,
            invoice=self.wanted.invoice,
        )
        return await ActivityEnvironment().run(self._reads.read_refundable, query)

    async def _perform(self, kind: Any, target: str, params: dict[str, Any], step: str) -> None:
        effect: Effect = self.job.effect(kind, target, params, step=step)
        await self.job.attempt(effect)

    @property
    def _reads(self) -> MoneyReads:
        return MoneyReads(self.till.counter.shop.client, self.till.counter.database, case_rules())

    @property
    def _commitments(self) -> Commitments:
        return Commitments(self.till.counter.database)

    def _order(self, planned: MoneyProposal[Any]) -> Commit:
        return Commit(
            organization=self.job.tenant.id,
            operation=self.job.operation.id,
            kind=self.kind,
            person=self.job.tenant.admin.id,
            customer=planned.customer,
            currency="usd",
            parts=planned.parts,
            cap=planned.cap,
            authority={},
            counted=(self.kind,),
            round=1,
            at=NOW,
        )


@dataclass
class Till:
    """An invoice of one customer, and everything that is given back of it."""

    counter: Counter
    invoice: str
    payments: list[str]
    asked: list[Asked] = field(default_factory=list)

    async def ask(self, wanted: RefundWanted | CreditWanted) -> Asked:
        tenant = self.counter.tenant
        kind = "refund" if isinstance(wanted, RefundWanted) else "credit"
        operation = an_operation(tenant, kind=kind)
        await store(self.counter.database, operation)
        asked = Asked(self, wanted, Job(self.counter.shop, self.counter.database, tenant, operation))
        await asked.check()
        self.asked.append(asked)
        return asked

    async def refund(self, amount: int | None, payment: int | None = None) -> Asked:
        of = {"invoice": self.invoice} if payment is None else {"payment_intent": self.payments[payment]}
        return await self.ask(RefundWanted(amount_minor=amount, reason="duplicate", note=NOTE, **of))

    async def note(self, amount: int) -> Asked:
        wanted = CreditWanted(
            customer=self.counter.customer,
            amount_minor=amount,
            currency="usd",
            instrument="credit_note",
            invoice=self.invoice,
            reason="duplicate",
            note=NOTE,
        )
        return await self.ask(wanted)

    async def in_stripe(self, path: str, params: dict[str, Any]) -> bool:
        """Somebody does it in Stripe itself; whether Stripe let them."""
        v1 = self.counter.shop.client.v1
        given: Any = params
        try:
            await (v1.refunds if path == "refund" else v1.credit_notes).create_async(given)
        except stripe.InvalidRequestError:
            return False
        return True

    async def dispute(self, payment: int = 0) -> str:
        """The customer's bank takes back what is left of a payment."""
        control = self.counter.shop.stand_in.control
        made = control("disputes", {"charge": await self.counter.charge_of(self.payments[payment])})
        return str(made["id"])

    def decide(self, dispute: str, verdict: str) -> None:
        self.counter.shop.stand_in.control("disputes", {"dispute": dispute, "verdict": verdict})

    async def standing(self) -> tuple[int, int]:
        """What was paid, and what was given back or taken by the bank, as Stripe has it."""
        v1 = self.counter.shop.client.v1
        bill = (await v1.invoices.retrieve_async(self.invoice)).to_dict()
        back = 0
        for payment in self.payments:
            found = await v1.payment_intents.retrieve_async(payment, {"expand": ["latest_charge"]})
            back += found.to_dict()["latest_charge"]["amount_refunded"]
            disputes = await v1.disputes.list_async({"payment_intent": payment})
            back += sum(one.amount for one in disputes.data if not one.is_charge_refundable)
        notes = await v1.credit_notes.list_async({"invoice": self.invoice, "limit": 100})
        for one in notes.data:
            note = one.to_dict()
            if note["status"] == "issued":
                back += note["post_payment_amount"] - sum(r["amount_refunded"] for r in note["refunds"])
        return bill["amount_paid"], back


async def a_till(counter: Counter, *paid: int, total: int | None = None, card: str = "pm_card_visa") -> Till:
    """An invoice that was paid by these payments."""
    invoice = await money.invoice(counter.shop, counter.customer, total or sum(paid))
    payments = []
    for amount in paid:
        payment = await counter.pay(amount, card)
        await counter.shop.client.v1.invoices.attach_payment_async(invoice, {"payment_intent": payment})
        counter.shop.stand_in.advance(1)
        payments.append(payment)
    return Till(counter, invoice, payments)


# --- Exact values -----------------------------------------------------------------------------------------


def _check(problem: Problem | None, code: str, *told: str) -> None:
    """The problem has this code, and tells these figures."""
    assert problem is not None
    assert (problem.code, [one for one in told if one not in problem.message]) == (code, [])


async def test_after_a_whole_refund_nothing_is_left_to_credit(counter: Counter) -> None:
    till = await a_till(counter, 120_000)
    await (await till.refund(None)).issue()
    number = (await counter.shop.client.v1.invoices.retrieve_async(till.invoice)).number
    asked = await till.note(20_000)
    _check(asked.problem, "amount_above_creditable", str(number), "USD 200.00", "USD 0.00", "USD 1,200.00")
    assert await till.standing() == (120_000, 120_000)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_after_a_credit_note_only_the_rest_can_be_refunded(counter: Counter) -> None:
    till = await a_till(counter, 120_000)
    await (await till.note(20_000)).issue()
    number = (await counter.shop.client.v1.invoices.retrieve_async(till.invoice)).number
    for payment in (None, 0):
        asked = await till.refund(100_001, payment)
        left = (str(number), "USD 1,000.01", "USD 1,000.00", "USD 200.00")
        _check(asked.problem, "amount_above_refundable", *left)
    rest = await till.refund(None, 0)
    assert rest.planned is not None
    assert rest.planned.amount.amount_minor == 100_000
    await rest.issue()
    assert await till.standing() == (120_000, 120_000)
    given = (str(number), "USD 1,200.00", "USD 1,000.00", "USD 200.00")
    _check((await till.refund(1)).problem, "already_given_back", *given)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_a_note_that_names_a_refund_gives_nothing_twice(counter: Counter) -> None:
    till = await a_till(counter, 120_000)
    assert await till.in_stripe("note", {"invoice": till.invoice, "amount": 50_000, "refund_amount": 50_000})
    assert (await till.note(70_001)).problem is not None
    asked = await till.note(70_000)
    assert asked.problem is None
    await asked.issue()
    assert await till.standing() == (120_000, 120_000)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_what_is_still_due_can_be_credited_whatever_was_given_back(counter: Counter) -> None:
    """Of an invoice over 1,000.00 of which 400.00 was paid and refunded, the 600.00 due can be taken off."""
    till = await a_till(counter, 40_000, total=100_000)
    await (await till.refund(None, 0)).issue()
    assert (await till.note(60_001)).problem is not None
    asked = await till.note(60_000)
    assert asked.problem is None
    await asked.issue()
    assert await till.standing() == (40_000, 40_000)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_a_refund_that_failed_has_given_nothing_and_a_pending_one_has(counter: Counter) -> None:
    till = await a_till(counter, 120_000, card="pm_card_pendingRefundFail")
    await (await till.refund(None)).issue()
    assert (await till.note(1)).problem is not None
    counter.shop.stand_in.advance(61)
    await till.asked[0].give_up()
    asked = await till.note(120_000)
    assert asked.problem is None


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_what_the_bank_has_taken_back_is_not_credited_once_more(counter: Counter) -> None:
    till = await a_till(counter, 70_000, 50_000)
    await (await till.refund(10_000, 0)).issue()
    dispute = await till.dispute()
    asked = await till.note(50_001)
    told = ("USD 500.01", "USD 500.00", "USD 100.00 was refunded", "USD 600.00 is disputed")
    _check(asked.problem, "amount_above_creditable", *told)
    till.decide(dispute, "lost")
    _check((await till.note(50_001)).problem, "amount_above_creditable", *told)
    asked = await till.note(50_000)
    assert asked.problem is None
    await asked.issue()
    assert await till.standing() == (120_000, 120_000)
    assert (await till.refund(1)).problem is not None


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_what_was_won_back_can_be_credited(counter: Counter) -> None:
    till = await a_till(counter, 120_000)
    till.decide(await till.dispute(), "won")
    assert (await till.note(120_000)).problem is None


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_what_the_bank_takes_while_a_note_waits_is_not_credited(counter: Counter) -> None:
    till = await a_till(counter, 120_000)
    waiting = await till.note(1)
    await till.dispute()
    await waiting.issue()
    assert await till.standing() == (120_000, 120_000)


# --- One lock ---------------------------------------------------------------------------------------------


async def test_a_refund_and_a_note_that_wait_are_weighed_beside_each_other(counter: Counter) -> None:
    """Of several payments too: the first to set money aside has it."""
    till = await a_till(counter, 70_000, 50_000)
    first = await till.refund(70_000, 0)
    assert first.problem is None
    second = await till.note(50_001)
    assert second.problem is not None
    assert second.problem.code == "amount_above_creditable"
    assert first.job.operation.id in second.problem.message
    third = await till.note(50_000)
    fourth = await till.refund(1, 1)
    assert (third.problem, fourth.problem and fourth.problem.code) == (None, "amount_above_refundable")
    await third.issue()
    await first.issue()
    assert await till.standing() == (120_000, 120_000)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_what_was_given_in_stripe_while_two_waited_is_not_given_again(counter: Counter) -> None:
    till = await a_till(counter, 120_000)
    waiting = [await till.refund(70_000), await till.note(30_000)]
    assert [asked.problem for asked in waiting] == [None, None]
    assert await till.in_stripe("note", {"invoice": till.invoice, "amount": 40_000, "credit_amount": 40_000})
    for asked in waiting:
        await asked.issue()
    paid, back = await till.standing()
    assert (paid, back) == (120_000, 70_000)


# --- Any sequence -----------------------------------------------------------------------------------------

amounts = st.integers(1, 7)
steps = st.one_of(
    st.tuples(st.just("refund"), st.none() | amounts, st.none() | st.integers(0, 1)),
    st.tuples(st.just("note"), amounts, st.none()),
    st.tuples(st.just("issue"), st.integers(0, 5), st.none()),
    st.tuples(st.just("give up"), st.integers(0, 5), st.none()),
    st.tuples(st.just("refund in Stripe"), amounts, st.integers(0, 1)),
    st.tuples(st.just("note in Stripe"), amounts, st.booleans()),
    st.tuples(st.just("dispute"), st.integers(0, 1), st.sampled_from(["lost", "won", None])),
    st.tuples(st.just("wait"), st.none(), st.none()),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    paid=st.sampled_from([(600, 400), (1000,)]),
    card=st.sampled_from(["pm_card_visa", "pm_card_pendingRefundFail", "pm_card_refundFail"]),
    drawn=st.lists(steps, min_size=3, max_size=9),
)
async def test_whatever_is_asked_and_done_none_of_ours_gives_more_than_was_paid(
    shop: Shop,
    sqlite_databases: SqliteDatabases,
    paid: tuple[int, ...],
    card: str,
    drawn: list[tuple[str, Any, Any]],
) -> None:
    async with sqlite_databases.fresh() as url:
        database = Database(url)
        till = await a_till(await a_counter(shop, database), *paid, card=card)
        for what, number, more in drawn:
            await _step(till, what, number, more)
        await database.dispose()


async def _step(till: Till, what: str, number: Any, more: Any) -> None:
    open_ = [asked for asked in till.asked if asked.problem is None]
    match what:
        case "refund" | "note":
            amount = number and number * 200
            payment = more % len(till.payments) if more is not None else None
            asked = await (till.refund(amount, payment) if what == "refund" else till.note(amount))
            assert asked.problem is None or asked.problem.code in CAPPED
        case "issue" if open_:
            asked = open_[number % len(open_)]
            before = await till.standing()
            await asked.issue()
            after = await till.standing()
            assert after == before or after[1] <= after[0], (what, before, after)
        case "give up" if open_:
            await open_[number % len(open_)].give_up()
        case "refund in Stripe":
            payment = till.payments[more % len(till.payments)]
            await till.in_stripe("refund", {"payment_intent": payment, "amount": number * 200})
        case "note in Stripe":
            how = {"refund_amount" if more else "credit_amount": number * 200}
            await till.in_stripe("note", {"invoice": till.invoice, "amount": number * 200} | how)
        case "dispute":
            with suppress(ValueError):  # of a payment that is refunded, or was disputed before
                dispute = await till.dispute(number % len(till.payments))
                if more is not None:
                    till.decide(dispute, more)
        case "wait":
            till.counter.shop.stand_in.advance(61)
