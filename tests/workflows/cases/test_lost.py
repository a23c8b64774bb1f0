"""A case whose workflow is lost and runs again goes on from where the records say that it stands."""

from collections.abc import AsyncIterator

import pytest

from billing.cases.case import CaseInput
from workflows.core import ids

from ...support.builders import Tenant
from ...support.house import House
from ...support.restarts import run_again, stopped
from .test_workflow import WHY, close, confirm, refunded, the_case


@pytest.fixture
async def acme(home: House) -> AsyncIterator[Tenant]:
    async with home.told_by_stripe():
        yield await home.shop.tenant(home.database)


async def lose(home: House, case: str) -> None:
    await run_again(home, ids.CASE, await stopped(home, case, CaseInput))


async def reminders(home: House, acme: Tenant, case: str) -> list[tuple[int, str]]:
    page = await home.get(acme.auditor, f"/v1/operations/{case}/timeline?limit=100")
    return [(one["detail"]["times"], one["code"]) for one in page["data"] if "times" in one["detail"]]


async def test_whoever_was_named_before_is_still_asked_and_heard(home: House, acme: Tenant) -> None:
    await refunded(home, acme, 1000, 100)
    case = (await the_case(home, acme))["id"]
    await close(home, acme.controller, case, done_by=acme.admin.id)
    await home.wait(acme, case, "running", stage="maker_to_confirm")
    await lose(home, case)
    await confirm(home, acme.admin, case, made=True)
    done = await home.wait(acme, case, "completed")
    assert (done["result"]["done_by"], done["result"]["note"].startswith(WHY)) == (acme.admin.id, True)


async def test_reminders_go_on_counting_and_the_controller_hears_once_that_it_is_late(
    home: House, acme: Tenant
) -> None:
    await refunded(home, acme, 1000, 100)
    case = await the_case(home, acme)
    await home.skip_past(case["deadline"])
    before = await reminders(home, acme, case["id"])
    await lose(home, case["id"])
    await home.skip(days=4)
    said = await reminders(home, acme, case["id"])
    assert [times for times, _ in said] == list(range(1, len(said) + 1))
    assert len(said) >= len(before) + 2
    assert [code for _, code in said].count("escalated_to_controller") == 1


async def test_one_that_was_closing_is_closed_as_it_was_begun(home: House, acme: Tenant) -> None:
    refund = await refunded(home, acme, 1000, 100)
    case = (await the_case(home, acme))["id"]
    home.stand_in.fault("drop_before", times=1_000, method="POST", path=f"/v1/refunds/{refund}")
    await home.post(acme.controller, f"/v1/cases/{case}/close", {"note": WHY})
    closing = await home.wait(acme, case, "running", stage="closing")
    assert closing["allowed_actions"] == []
    assert (await home.get(acme.auditor, f"/v1/cases/{case}"))["named"] is None

    lost = await stopped(home, case, CaseInput)
    home.stand_in.clear_faults()
    await run_again(home, ids.CASE, lost)
    done = await home.wait(acme, case, "completed")
    assert (done["result"]["done_by"], done["result"]["noted_in_stripe"]) == (acme.controller.id, True)
