"""What is asked of us: requests as their workflows plan, set aside, look at again and give them."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.effects.perform import StripeEffects
from activities.money.commitments import Commitments
from activities.money.reads import MoneyReads
from activities.money.waivers import WaiverReads
from billing.core.operations import Kind, Problem
from billing.money.credit import CreditWanted, credit_params
from billing.money.messages import Commit
from billing.money.refund import RefundWanted, refund_params
from billing.money.waiver import EFFECTS, WaiverWanted
from billing.stripe.effects import Effect
from db.money import commitments
from workflows.money.credit_reads import CreditReads
from workflows.money.proposals import MoneyProposal
from workflows.money.refund_reads import RefundReads
from workflows.money.waiver_reads import WaiverPlanner

from ...support.builders import an_operation, store
from ...support.case_rules import case_rules
from .adversary_checks import check_given_back, check_held, covered, given_back
from .adversary_scene import UNIT, Asked, Scene
from .adversary_steps import Ask, Decide, Issue

NOTE = "Charged twice for the same month."
KINDS = {
    "refund": Kind.REFUND,
    "note": Kind.CREDIT,
    "balance": Kind.CREDIT,
    "void": Kind.VOID,
    "write off": Kind.WRITE_OFF,
}


class Calls:
    """Calls Stripe as a workflow does."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    async def call(self, activity: Any, query: Any, how: Any) -> Any:
        owner = MoneyReads if activity.__qualname__.startswith(MoneyReads.__name__) else WaiverReads
        reads = owner(self._scene.shop.client, self._scene.database, case_rules())
        return await ActivityEnvironment().run(getattr(reads, activity.__name__), query)


async def ask(scene: Scene, step: Ask) -> None:
    operation = an_operation(scene.tenant, kind=KINDS[step.kind].value)
    await store(scene.database, operation)
    planner, wanted = planner_of(scene, step, operation.id)
    if planner is None:
        return
    plan = await planner.plan(wanted)
    if isinstance(plan, Problem):
        return
    amount = await asked_for(scene, step)
    assert plan.amount.amount_minor == amount, step
    expected = await covered(scene, KINDS[step.kind], amount)
    order = order_of(scene, KINDS[step.kind], operation.id, plan)
    result = await ActivityEnvironment().run(Commitments(scene.database).commit_money, order)
    if result.problem is not None:
        return
    assert result.alone == expected, f"{step}: alone is {result.alone}, {result.why}"
    scene.asked.append(Asked(operation.id, planner, wanted, KINDS[step.kind], plan, amount, result.alone))
    await check_held(scene)


async def asked_for(scene: Scene, step: Ask) -> int:
    """What it comes to, by what Stripe says of the invoice."""
    if step.kind in ("void", "write off"):
        return await scene.left_of(scene.open[-1], voided=step.kind == "void")
    return step.amount * UNIT


def planner_of(scene: Scene, step: Ask, operation: str) -> tuple[Any, Any]:
    request: Any = SimpleNamespace(organization=scene.tenant.id, operation=operation)
    calls, amount = Calls(scene), step.amount * UNIT
    match step.kind:
        case "refund":
            refund = RefundWanted(
                payment_intent=scene.paid[-1][1], amount_minor=amount, reason="duplicate", note=NOTE
            )
            return RefundReads(request, calls), refund
        case "note" | "balance":
            credit = CreditWanted(
                customer=scene.customer,
                amount_minor=amount,
                currency="usd",
                instrument="credit_note" if step.kind == "note" else "balance",
                invoice=scene.paid[-1][0] if step.kind == "note" else None,
                reason="duplicate" if step.kind == "note" else "goodwill",
                note=NOTE,
            )
            return CreditReads(request, calls), credit
    if not scene.open:
        return None, None
    action, reason = ("void", "billed_twice") if step.kind == "void" else ("write_off", "insolvent")
    waiver = WaiverWanted.model_validate(
        {"action": action, "invoice": scene.open[-1], "reason": reason, "note": NOTE}
    )
    return WaiverPlanner(request, calls), waiver


async def decide(scene: Scene, step: Decide) -> None:
    waiting = [one for one in scene.asked if not one.allowed and not one.over]
    if not waiting:
        return
    one = waiting[-1 - step.of % len(waiting)]
    if not step.approve:
        await give_up(scene, one)
        return
    controller = scene.tenant.controller.id
    async with scene.database.transaction() as session:
        await commitments.decide(session, one.operation, authority_of=controller, at=datetime.now(UTC))
    one.allowed = True


async def issue(scene: Scene, step: Issue) -> None:
    """All of them are looked at, then all are given: nothing else happens in between."""
    ready = [one for one in scene.asked if one.allowed and not one.over][-step.together :]
    fit = []
    for one in ready:
        plan = await one.planner.still_possible(one.wanted, one.plan.subject)
        order = plan and order_of(scene, one.kind, one.operation, plan)
        if order and await ActivityEnvironment().run(Commitments(scene.database).check_room, order):
            fit.append(one)
        else:
            await give_up(scene, one)
    if not fit:
        return
    before = await given_back(scene)
    for one in fit:
        await give(scene, one)
    check_given_back(before, await given_back(scene))


async def give(scene: Scene, one: Asked) -> None:
    subject, one.over = one.plan.subject, True
    balance = await scene.balance()
    match one.kind:
        case Kind.REFUND:
            effects = [
                ("refund.create", part.payment_intent, refund_params(subject, part, {}))
                for part in subject.parts
            ]
        case Kind.CREDIT if subject.instrument == "balance":
            effects = [("balance.create", subject.customer, credit_params(subject, {}))]
        case Kind.CREDIT:
            effects = [("credit_note.create", subject.invoice, credit_params(subject, {}))]
        case _:
            effects = [(EFFECTS[subject.becomes], subject.invoice, {})]
    perform = StripeEffects(scene.shop.client, scene.database, case_rules()).perform_effect
    for number, (kind, target, params) in enumerate(effects):
        effect = Effect.model_validate(
            {
                "organization": scene.tenant.id,
                "operation": one.operation,
                "step": f"give:{number}",
                "kind": kind,
                "target": target,
                "params": params,
            }
        )
        done = await ActivityEnvironment().run(perform, effect)
        if done.outcome != "done":
            await give_up(scene, one)
            return
    if one.kind is Kind.VOID:
        assert balance - await scene.balance() == scene.from_balance[subject.invoice], "it goes back"
    scene.books.give(scene.customer, one.operation, one.amount, outside=False)
    if subject.about in ("void", "write_off"):
        scene.open.remove(subject.invoice)
        if subject.about == "write_off":
            scene.written_off.append(subject.invoice)


async def give_up(scene: Scene, one: Asked) -> None:
    one.over = True
    async with scene.database.transaction() as session:
        await commitments.release(session, one.operation, at=datetime.now(UTC))


def order_of(scene: Scene, kind: Kind, operation: str, plan: MoneyProposal[Any]) -> Commit:
    return Commit.under(
        case_rules().policy,
        kind,
        plan.reason,
        organization=scene.tenant.id,
        operation=operation,
        person=scene.tenant.admin.id,
        customer=plan.customer,
        currency="usd",
        parts=plan.parts,
        cap=plan.cap,
        invoice=plan.invoice,
        at=datetime.now(UTC),
    )
