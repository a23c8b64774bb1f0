"""Taking a plan change in: its row, its first timeline event and the start of its workflow, or nothing."""

from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.errors import Conflict
from billing.hashing import digest
from billing.operations import Kind, State
from billing.plan_change import PlanChangeInput, Terms, Wanted
from billing.plan_rules import validate_change
from billing.plans import find_plan
from db import mirror, operations, outbox, timeline
from db.tables import Operation, Organization, Outbox, new_id
from workflows import ids

from .auth import Caller
from .context import Context
from .dispatcher import HEAD_START
from .problems import ApiProblem


async def accept(
    session: AsyncSession, context: Context, who: Caller, key: str, wanted: Wanted, at: datetime
) -> tuple[Operation, Outbox | None]:
    """The operation and, unless it was there before, the start of its workflow.

    The row comes first: a repeated key is answered whatever the present state, and what is then found to
    be wrong rolls everything back.
    """
    operation = _draft(context, who, key, wanted, at)
    try:
        operation, new = await operations.create(session, operation)
    except Conflict as conflict:
        if conflict.code == "plan_change_open":
            await check_sensible(session, who, wanted)  # what is wrong in itself is said first
        raise
    if not new:
        return operation, None
    organization = await check_sensible(session, who, wanted)
    await timeline.append(
        session,
        operation.id,
        key="requested",
        event="plan change requested",
        actor=who.person,
        at=at,
        detail=operation.request,
    )
    start = await outbox.enqueue(
        session,
        action=outbox.START,
        workflow_id=operation.workflow_id,
        name=ids.PLAN_CHANGE,
        payload=_input(context, operation, organization, wanted),
        at=at,
        due_at=at + HEAD_START,
    )
    return operation, start


def _draft(context: Context, who: Caller, key: str, wanted: Wanted, at: datetime) -> Operation:
    id_ = new_id("op")
    request = wanted.model_dump(mode="json")
    return Operation(
        id=id_,
        organization_id=who.organization,
        kind=Kind.PLAN_CHANGE.value,
        state=State.ACCEPTED.value,
        stage="accepted",
        request=request,
        request_hash=digest({"kind": Kind.PLAN_CHANGE.value, "request": request}),
        idempotency_key=key,
        policy=context.policy_document,
        requested_by=who.person,
        allowed_actions=["cancel"],
        workflow_id=ids.operation_workflow(id_),
        created_at=at,
        updated_at=at,
    )


def _input(
    context: Context, operation: Operation, organization: Organization, wanted: Wanted
) -> dict[str, Any]:
    message = PlanChangeInput(
        operation=operation.id,
        organization=organization.id,
        subscription=organization.stripe_subscription,
        requested_by=operation.requested_by,
        wanted=wanted,
        policy=context.policy,
    )
    document = message.model_dump(mode="json", by_alias=True, exclude={"policy"})
    return {**document, "policy": context.policy_document}


async def check_sensible(session: AsyncSession, who: Caller, wanted: Wanted) -> Organization:
    """Raises what the mirror already knows to be impossible; the workflow asks Stripe itself."""
    organization = await mirror.organization(session, who.organization)
    plans = await mirror.plans(session)
    if organization.subscription is None or not plans:
        raise ApiProblem.usual("not_synced")
    held = organization.subscription
    current = Terms.model_validate({name: held[name] for name in Terms.model_fields})
    usage = await mirror.usage(session, organization.id, held["currency"])
    validate_change(current, wanted, find_plan(plans, wanted.plan), usage)
    return organization
