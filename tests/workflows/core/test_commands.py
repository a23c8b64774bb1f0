"""Several people's commands at one moment, and late answers: each counts for what it was given for."""

from asyncio import gather
from typing import Any

import pytest
from sqlmodel import select
from temporalio import workflow
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from billing.core.messages import Cancel
from billing.plan_changes.messages import Resolve, Revise
from billing.plan_changes.subject import PlanChangeRequest
from db.tables import Outbox
from workflows.core import ids
from workflows.core.commands import PendingCommands

from ...support import money
from ...support.builders import Tenant
from ...support.house import House, time_skipping, until

RETRY = {"action": "retry", "comment": "The bank asked for another try."}
CLOSE = {"action": "close", "comment": "The customer was paid by bank transfer."}


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database, seats=6)


async def failed_refund(home: House, acme: Tenant) -> str:
    """One that fails at once, however often it is tried."""
    customer = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, customer, 10_000, "pm_card_refundFailAtOnce")
    operation = await money.refund(home, acme, payment)
    await home.wait(acme, operation, "failed", stage="refund_failed")
    return operation


async def failed(home: House, acme: Tenant, operation: str, times: int) -> None:
    async def so_often() -> bool:
        events = await home.events(acme, operation)
        found = await home.get(acme.auditor, f"/v1/operations/{operation}")
        return events.count("refund_failed") == times and found["stage"] == "refund_failed"

    await until(so_often, lambda: f"it did not fail {times} times", home.patience)


async def answer(home: House, operation: str, update: str, message: dict[str, Any], id_: str) -> str:
    """What the operation's workflow says to it."""
    return await tell(home.temporal, ids.operation_workflow(operation), update, message, id_)


async def tell(client: Client, workflow_id: str, update: str, message: Any, id_: str) -> str:
    """What a workflow says to it: nothing, or the code of its refusal."""
    try:
        await client.get_workflow_handle(workflow_id).execute_update(update, message, id=id_)
    except WorkflowUpdateFailedError as error:
        return str(getattr(error.cause, "type", error.cause))
    return ""


async def recorded(home: House, operation: str, update: str) -> list[dict[str, Any]]:
    """The messages of one kind that the API has recorded for it."""
    async with home.database.reading() as session:
        rows = await session.exec(
            select(Outbox).where(
                Outbox.workflow_id == ids.operation_workflow(operation), Outbox.name == update
            )
        )
        return [row.payload for row in rows]


async def test_of_two_resolutions_at_once_one_is_heard_and_the_other_leaves_no_trace(
    home: House, acme: Tenant
) -> None:
    operation = await failed_refund(home, acme)
    path = f"/v1/refunds/{operation}/resolution"
    answers = await gather(
        home.post(acme.admin, path, CLOSE), home.post(acme.admin, path, CLOSE | {"action": "retry"})
    )

    assert sorted(one.status_code for one in answers) == [200, 409], [one.text for one in answers]
    [refused] = [one.json() for one in answers if one.status_code == 409]
    assert refused["code"] == "nothing_to_resolve"
    closed = answers[0].status_code == 200
    if closed:
        await home.wait(acme, operation, "failed", stage="done")
    else:
        await failed(home, acme, operation, 2)
    assert len(money.refunds(home.shop)) == (1 if closed else 2)
    assert (await home.events(acme, operation)).count("resolution_requested") == 1
    assert len(await recorded(home, operation, "resolve")) == 1


async def test_of_two_resolutions_that_reach_the_workflow_together_the_first_is_taken(
    home: House, acme: Tenant
) -> None:
    operation = await failed_refund(home, acme)
    person, question = {"person": acme.admin.id}, {"question": 1}
    codes = await gather(
        answer(home, operation, "resolve", CLOSE | person | question, "close"),
        answer(home, operation, "resolve", RETRY | person | question, "retry"),
    )

    assert sorted(codes) == ["", "nothing_to_resolve"]
    if codes[0] == "":
        await home.wait(acme, operation, "failed", stage="done")
        assert len(money.refunds(home.shop)) == 1


async def test_a_resolution_is_of_the_failure_that_it_was_given_for(home: House, acme: Tenant) -> None:
    operation = await failed_refund(home, acme)
    retry = await home.post(acme.admin, f"/v1/refunds/{operation}/resolution", RETRY)
    assert retry.status_code == 200, retry.text
    await failed(home, acme, operation, 2)
    [given] = await recorded(home, operation, "resolve")

    late = await answer(home, operation, "resolve", given, "once-more")

    assert late == "nothing_to_resolve"
    assert len(money.refunds(home.shop)) == 2
    assert (await home.post(acme.admin, f"/v1/refunds/{operation}/resolution", CLOSE)).status_code == 200
    await home.wait(acme, operation, "failed", stage="done")


async def test_what_answers_a_question_that_a_run_has_not_come_to_yet_waits_for_it(
    home: House, acme: Tenant
) -> None:
    operation = await failed_refund(home, acme)
    person = {"person": acme.admin.id}
    _, early = await gather(
        answer(home, operation, "resolve", RETRY | person | {"question": 1}, "retry"),
        answer(home, operation, "resolve", CLOSE | person | {"question": 2}, "close"),
    )

    assert early == ""
    await home.wait(acme, operation, "failed", stage="done")
    assert len(money.refunds(home.shop)) == 2


async def changes_requested(home: House, acme: Tenant) -> tuple[str, dict[str, Any]]:
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation, "request_changes", "Fewer seats, please.")
    await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    return operation, {"plan": "growth", "reason": "The team grows."}


async def test_of_two_revisions_at_once_one_is_heard_and_the_other_leaves_no_trace(
    home: House, acme: Tenant
) -> None:
    operation, wanted = await changes_requested(home, acme)
    path = f"/v1/plan-changes/{operation}/revision"
    answers = await gather(*(home.post(acme.admin, path, wanted | {"seats": seats}) for seats in (8, 9)))

    assert sorted(one.status_code for one in answers) == [200, 409], [one.text for one in answers]
    [refused] = [one.json() for one in answers if one.status_code == 409]
    assert refused["code"] == "not_revisable"
    review = await home.reviewed(acme, operation, 2)
    assert review["subject"]["to"]["seats"] == (8 if answers[0].status_code == 200 else 9)
    assert (await home.events(acme, operation)).count("revision_requested") == 1


async def test_a_revision_is_for_the_round_that_it_was_sent_for(home: House, acme: Tenant) -> None:
    operation, wanted = await changes_requested(home, acme)
    path = f"/v1/plan-changes/{operation}/revision"
    assert (await home.post(acme.admin, path, wanted | {"seats": 8})).status_code == 200
    await home.reviewed(acme, operation, 2)
    await home.decide(acme.controller, operation, "request_changes", "Still fewer, please.")
    await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    [given] = await recorded(home, operation, "revise")

    assert await answer(home, operation, "revise", given, "once-more") == "not_revisable"
    found = await home.get(acme.auditor, f"/v1/operations/{operation}")
    assert found["stage"] == "changes_requested"


async def test_two_who_take_it_back_at_once_wish_the_same(home: House, acme: Tenant) -> None:
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    cancels = [Cancel(person=acme.admin.id, comment=comment).model_dump() for comment in ("One.", "Two.")]
    codes = await gather(
        *(answer(home, operation, "cancel", cancel, cancel["comment"]) for cancel in cancels)
    )
    assert codes == ["", ""]
    await home.wait(acme, operation, "cancelled")


# --- One after the other, before the workflow has done anything about it ----------------------------------


@workflow.defn
class Asking:
    """Asks for a second revision, and does nothing about what it is told."""

    @workflow.init
    def __init__(self) -> None:
        self._commands: PendingCommands[Revise, Resolve] = PendingCommands(
            too_late="Late.", revise=Revise, resolve=Resolve
        )
        self._commands.revise.ask(2)
        self._over = False

    @workflow.run
    async def run(self) -> str | None:
        await workflow.wait_condition(lambda: self._over)
        cancel, revised = self._commands.cancel.received, self._commands.revise.pop()
        return (cancel and cancel.comment) or (revised and revised.person)

    @workflow.update
    async def cancel(self, cancel: Cancel) -> None:
        await self._commands.take_back(cancel)

    @workflow.update
    async def revise(self, revise: Revise) -> None:
        await self._commands.revise.take(revise)

    @workflow.signal
    def end(self) -> None:
        self._over = True


def revision(person: str, question: int = 2) -> tuple[str, Revise]:
    wanted = PlanChangeRequest(plan="growth", reason="The team grows.")
    return "revise", Revise(person=person, wanted=wanted, question=question)


def cancellation(comment: str) -> tuple[str, Cancel]:
    return "cancel", Cancel(person="per_1", comment=comment)


@pytest.mark.parametrize(
    ("told", "codes", "heard"),
    [
        ([revision("per_1"), revision("per_2")], ["", "not_revisable"], "per_1"),
        ([revision("per_1", 1), revision("per_2")], ["not_revisable", ""], "per_2"),
        ([cancellation("First."), cancellation("Second.")], ["", ""], "First."),
        ([cancellation("First."), revision("per_1")], ["", "not_revisable"], "First."),
    ],
    ids=["the second", "the late", "two who cancel", "what was taken back"],
)
async def test_what_does_not_count_is_told_so(
    told: list[tuple[str, Any]], codes: list[str], heard: str
) -> None:
    async with (
        time_skipping() as environment,
        Worker(
            environment.client,
            task_queue="asking",
            workflows=[Asking],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
    ):
        asking = await environment.client.start_workflow(Asking.run, id="asking", task_queue="asking")
        answers = [
            await tell(environment.client, "asking", update, message, f"{number}")
            for number, (update, message) in enumerate(told)
        ]
        await asking.signal(Asking.end)
        assert (answers, await asking.result()) == (codes, heard)
