"""Whether what was given was anybody's to give, reckoned anew from Stripe's objects and the timelines."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby, permutations
from typing import Any, NamedTuple

from billing.core.operations import Kind, Role
from billing.money.credit import CreditSubject, credit_hash
from billing.money.refund import RefundSubject, refund_hash
from billing.money.waiver import WAIVERS, WaiverSubject, waiver_hash
from billing.policy.policy import AuthorityLimit, Policy
from db.tables import Operation, TimelineEvent

from ...support.house import default_policy
from .machine import ACTING_FOR, Scene
from .machine_steps import Person
from .machine_world import World

ROLES: dict[Person, Role] = {
    "admin": Role.BILLING_ADMIN,
    "deputy": Role.BILLING_ADMIN,
    "controller": Role.CONTROLLER,
    "partner": Role.CONTROLLER,
    "legal": Role.LEGAL,
}
LARGE = 150_000
"""Above this, the controller and Legal both have to approve."""


def _limit(per_item: int, window: int, customer: int | None = None) -> dict[str, Any]:
    def usd(amount: int) -> dict[str, Any]:
        return {"amount_minor": amount, "currency": "usd"}

    limit = {"per_item": usd(per_item), "window_days": 2, "window_total": usd(window)}
    return limit | ({"customer_total": usd(customer)} if customer else {})


def _policy() -> Policy:
    """The policy that the project ships, with windows that a short scenario can fill and leave again."""
    document = default_policy().model_dump(mode="json")
    approvers = {
        "controller": [_limit(200_000, 300_000)],
        "legal": [_limit(1_000_000, 5_000_000)],
    }
    document["authority"] = {
        "refund": {"billing_admin": [_limit(50_000, 100_000, 120_000)], **approvers},
        "credit": {"billing_admin": [_limit(25_000, 60_000, 80_000)], **approvers},
        "void": {"billing_admin": [_limit(60_000, 90_000, 100_000)], **approvers},
        "write_off": {"billing_admin": [_limit(60_000, 90_000, 100_000)], **approvers},
    }
    for kind in ("refund", "credit", "void", "write_off"):
        # At any hour of any day a scenario goes the same way.
        document[kind] |= {"calendar": "24x7"}
        for rule in document[kind]["review"]:
            if rule["above"]:
                rule["above"] = [{"amount_minor": LARGE, "currency": "usd"}]
    document["refund"]["watch_days"] = 3
    return Policy.model_validate(document)


POLICY = _policy()


class Given(NamedTuple):
    """What an operation was allowed to give: by whose authority, since when, how much of it Stripe has."""

    operation: Operation
    principal: Person
    alone: bool
    at: datetime
    amount: int
    in_stripe: int

    @property
    def limit(self) -> AuthorityLimit:
        (limit,) = POLICY.authority[Kind(self.operation.kind)][ROLES[self.principal]]
        return limit

    @property
    def customer(self) -> str:
        return str((self.operation.subject or {})["customer"])


def check_authority(scene: Scene, world: World) -> None:
    """Every effect was allowed before it happened, and the windows hold whoever was quicker."""
    given = []
    for operation in world.operations.values():
        made = [
            *world.stripe.refunds_of(operation.id),
            *world.stripe.credits_of(operation.id),
            *world.stripe.waived_by(operation.id),
        ]
        allowed = _allowed(scene, world, operation)
        if allowed is not None:
            given.append(allowed)
        assert not made or allowed is not None, f"{operation.id} was given, and nobody allowed it"
        if allowed is not None and not allowed.alone and made:
            _check_approval(scene, allowed)
    _check_windows(scene, given)


def _allowed(scene: Scene, world: World, operation: Operation) -> Given | None:
    """By the last event that allowed it before it was issued; what is checked anew is not allowed yet."""
    allowing: TimelineEvent | None = None
    for event in world.timelines[operation.id]:
        if event.key == "issuing" or event.key.startswith("effect:"):
            break
        if event.key.startswith(("checked:", "authority:")):
            allowing = None
        if event.code in ("within_requesters_authority", "approved"):
            allowing = event
    if allowing is None:
        return None
    alone = allowing.code != "approved"
    subject = operation.subject or {}
    if not alone:
        assert allowing.detail["subject_hash"] == _hash(operation), f"{operation.id}: another was approved"
    names = {member.id: name for name, member in scene.people.items()}
    principal = names[operation.requested_by if alone else allowing.detail["authority_of"]]
    return Given(
        operation=operation,
        principal=principal,
        alone=alone,
        at=allowing.at,
        amount=subject["amount"]["amount_minor"],
        in_stripe=sum(abs(one["amount"]) for one in world.stripe.made_by(operation.id)),
    )


def _hash(operation: Operation) -> str:
    if operation.kind == "refund":
        return refund_hash(RefundSubject.model_validate(operation.subject))
    if operation.kind in WAIVERS:
        return waiver_hash(
            WaiverSubject.model_validate({**(operation.subject or {}), "about": operation.kind})
        )
    return credit_hash(CreditSubject.model_validate(operation.subject))


def _check_approval(scene: Scene, given: Given) -> None:
    """The people of this scenario said yes to exactly this before Stripe was first asked for it."""
    operation = given.operation
    yeses = [
        yes for yes in scene.yeses if (yes.operation, yes.subject_hash) == (operation.id, _hash(operation))
    ]
    first = min(
        line["seq"]
        for line in scene.home.stand_in.requests()
        if line["method"] == "POST" and f":{operation.id}:" in (line["idempotency_key"] or "")
    )
    before = {ACTING_FOR[yes.by] if yes.by == "stand_in" else yes.by for yes in yeses if yes.line < first}
    requester = scene.asked[operation.id]
    assert requester not in before
    roles = {ROLES[person] for person in before}
    if (operation.subject or {})["reason"] == "fraudulent":
        assert Role.LEGAL in roles, f"{operation.id} was approved by {before}"
    elif given.amount > LARGE:
        assert {Role.CONTROLLER, Role.LEGAL} <= roles, f"{operation.id} was approved by {before}"
    else:
        assert roles & {Role.CONTROLLER, Role.LEGAL}, f"{operation.id} was approved by {before}"
    assert given.principal in before, f"{operation.id} counts in the window of {given.principal}"


def _check_windows(scene: Scene, given: Sequence[Given]) -> None:
    """What was allowed at the same moment came in some order in which each of them fitted."""
    earlier: list[Given] = []
    in_time = sorted(given, key=lambda one: one.at)
    for _, moment in groupby(in_time, key=lambda one: bisect_right(scene.moments, one.at)):
        at_once = list(moment)
        assert any(_fits_in_turn(order, earlier) for order in permutations(at_once)), [
            (one.operation.id, one.principal, one.at, one.amount) for one in (*earlier, *at_once)
        ]
        earlier += at_once


def _fits_in_turn(order: Sequence[Given], earlier: Sequence[Given]) -> bool:
    return all(_fits(one, [*earlier, *order[:number]]) for number, one in enumerate(order))


def _fits(one: Given, before: Sequence[Given]) -> bool:
    limit = one.limit
    since = one.at - timedelta(days=limit.window_days)
    counted = [other for other in before if other.at > since]
    by_person = sum(other.in_stripe for other in counted if other.principal == one.principal)
    to_customer = sum(other.in_stripe for other in counted if other.customer == one.customer)
    most = limit.customer_total
    return (
        one.amount <= limit.per_item.amount_minor
        and by_person + one.amount <= limit.window_total.amount_minor
        and (most is None or to_customer + one.amount <= most.amount_minor)
    )
