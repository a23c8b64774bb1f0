"""What an operator may do about operations, and what is refused."""

from collections.abc import AsyncIterator

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from billing.core.operations import Kind
from db.core import timeline
from db.core.session import Database
from db.customers import erasure
from db.incidents import holds
from db.money import commitments
from db.operations import operations
from db.stripe import budget
from db.tables import Customer, CustomerErasure
from worker.operations import (
    CommandRefused,
    Tools,
    close_operation,
    erase_listed,
    let_go,
    release_all,
)
from worker.watch.stuck import stuck

from ..support.builders import NOW, a_customer, an_intent, an_operation, store, tenant
from ..support.house import BIN
from ..support.incidents import a_hold
from ..support.money_rows import a_commitment

pytestmark = pytest.mark.slow

ON_ONE_DATABASE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


@pytest.fixture
async def tools(database: Database) -> AsyncIterator[Tools]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_log_level="never",
        data_converter=pydantic_data_converter,
    )
    async with environment:
        yield Tools(database, environment.client)


@ON_ONE_DATABASE
async def test_an_operator_closes_what_does_not_go_on_and_it_is_kept_who_did_it(tools: Tools) -> None:
    acme = await tenant(tools.database)
    operation = an_operation(acme, kind=Kind.REFUND.value)
    await store(tools.database, operation, a_commitment(operation))
    assert [one.id async for one in stuck(tools.database, tools.temporal)] == [operation.id]

    await close_operation(tools, operation.id, "The customer left.", "ada", although=False)

    async with tools.database.reading() as session:
        closed = await operations.get_fresh(session, operation.id)
        [event] = await timeline.read(session, operation.id)
        [aside] = await commitments.of_operation(session, operation.id)
    assert (closed.state, closed.error and closed.error["code"]) == ("failed", "closed_by_operator")
    assert (event.detail["operator"], event.detail["comment"]) == ("ada", "The customer left.")
    assert aside.released_at is not None
    assert [one async for one in stuck(tools.database, tools.temporal)] == []


async def erased(database: Database, customer: str) -> bool:
    async with database.reading() as session:
        row = await session.get_one(Customer, customer)
        return row.name is None and await erasure.is_erased(session, customer)


@ON_ONE_DATABASE
async def test_what_was_erased_since_a_backup_is_erased_again_from_the_list(tools: Tools) -> None:
    acme = await tenant(tools.database)
    customer = a_customer(acme.id, name="Blue Bottle")
    done = CustomerErasure(
        customer_id=customer.id,
        organization_id=acme.id,
        erased_at=NOW,
        erased_by=acme.admin.id,
        reason="Ticket 4711.",
    )
    await store(tools.database, customer)
    listed = f"{done.model_dump_json()}\n"

    assert [await erase_listed(tools.database, listed) for _ in range(2)] == [1, 0]

    assert await erased(tools.database, customer.id)
    with pytest.raises(CommandRefused):
        await erase_listed(tools.database, "cus_1\n")


@ON_ONE_DATABASE
async def test_closing_what_was_begun_in_stripe_takes_another_word_and_keeps_the_money_counted(
    tools: Tools,
) -> None:
    acme = await tenant(tools.database)
    operation = an_operation(acme, kind=Kind.REFUND.value)
    begun = an_intent(operation, step="refund:0", effect="refund.create")
    await store(tools.database, operation, begun, a_commitment(operation))

    with pytest.raises(CommandRefused, match="--although-money-may-have-moved"):
        await close_operation(tools, operation.id, "Why not.", "ada", although=False)
    await close_operation(tools, operation.id, "Seen in Stripe.", "ada", although=True)

    async with tools.database.reading() as session:
        [aside] = await commitments.of_operation(session, operation.id)
    assert aside.released_at is None


@ON_ONE_DATABASE
async def test_what_an_operator_lets_go_on_keeps_who_said_so_and_why(tools: Tools) -> None:
    acme, other = await tenant(tools.database), await tenant(tools.database)
    held = [an_operation(acme), an_operation(other)]
    free = an_operation(acme, state="completed", closed_at=NOW)
    await store(tools.database, *held, free)
    await store(tools.database, *(a_hold(one, number, NOW) for number, one in enumerate(held)))

    await release_all(tools, "Stripe is well again.", "ada")

    async with tools.database.reading() as session:
        for one in held:
            [event] = await timeline.read(session, one.id)
            assert event.code == "released_by_operator"
            assert (event.detail["operator"], event.detail["because"]) == ("ada", "Stripe is well again.")
            assert await holds.of_operation(session, one.id) == []
        assert await timeline.read(session, free.id) == []


@ON_ONE_DATABASE
async def test_nonsense_is_refused_with_what_to_do_instead(tools: Tools) -> None:
    acme = await tenant(tools.database)
    ended = an_operation(acme, state="completed", closed_at=NOW)
    case = an_operation(acme, kind=Kind.CASE.value)
    await store(tools.database, ended, case)
    for id_, why in (("op_none", "no operation"), (ended.id, "already ended"), (case.id, "through the API")):
        with pytest.raises(CommandRefused, match=why):
            await close_operation(tools, id_, "Because.", "ada", although=False)
    async with tools.database.transaction() as session:
        await budget.close_gate(session, NOW)
    with pytest.raises(CommandRefused, match="open-gate"):
        await let_go(tools)
    with pytest.raises(CommandRefused, match="open-gate"):
        await release_all(tools, "Because.", "ada")
