"""Who was told that something waits for them hears how it ended, in a running house."""

from datetime import timedelta

from activities.operations.endings import end_operation
from billing.core.operations import Problem, State
from billing.operations.messages import Progress

from ...support.builders import Member, Tenant
from ...support.house import House, until
from ...support.shop import APRIL, MID_APRIL


async def has_mail(home: House, who: Member, name: str) -> None:
    """Waits until somebody has this mail."""

    async def there() -> bool:
        return name in home.mail.names(who.person)

    await until(there, lambda: f"{who.person.name} has only {home.mail.names(who.person)}, not {name}")


async def _notices(home: House, acme: Tenant) -> list[tuple[str, str]]:
    found = (await home.get(acme.finance, "/v1/notices"))["data"]
    return sorted((one["kind"], one["state"]) for one in found)


async def test_a_request_that_is_cancelled_at_once_is_over_for_everybody_who_was_told_of_it(
    home: House,
) -> None:
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    await has_mail(home, acme.controller, "review_requested")
    await has_mail(home, acme.finance, "notice plan_change_requested")

    await home.post(acme.admin, f"/v1/plan-changes/{operation}/cancel", {"comment": "Too early."})
    await has_mail(home, acme.controller, "review_over cancelled")
    await has_mail(home, acme.finance, "notice_over cancelled plan_change_requested")
    await has_mail(home, acme.admin, "plan_change_ended cancelled")

    [notice] = (await home.get(acme.finance, "/v1/notices"))["data"]
    assert notice["state"] == "superseded"
    assert notice["superseded_because"]
    refused = await home.post(acme.finance, f"/v1/notices/{notice['id']}/acknowledge", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "notice_superseded")


async def test_a_revised_request_replaces_the_notice_and_says_what_is_new(home: House) -> None:
    acme = await home.shop.tenant(home.database, "starter", seats=6)
    home.stand_in.advance(MID_APRIL - APRIL)
    operation = await home.ask(acme, plan="growth")
    first = await home.reviewed(acme, operation)
    assert first["since"] is None
    await home.decide(acme.controller, operation, "request_changes", "Fewer seats, please.")
    await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    body = {"plan": "growth", "seats": 5, "reason": "The team grows a little."}
    answer = await home.post(acme.admin, f"/v1/plan-changes/{operation}/revision", body)
    assert answer.status_code == 200, answer.text
    second = await home.reviewed(acme, operation, 2)

    since = second["since"]
    assert (since["why"], since["comment"]) == ("revised", "Fewer seats, please.")
    assert (since["asked_by"], since["revised_by"]) == (acme.controller.id, acme.admin.id)
    changed = [(one["before"], one["after"]) for one in since["changes"]]
    assert ("6", "5") in changed
    assert ("The team grows.", "The team grows a little.") in changed
    await until(lambda: _two(home, acme), lambda: "there are no two notices")
    assert await _notices(home, acme) == [
        ("plan_change_requested", "open"),
        ("plan_change_requested", "superseded"),
    ]


async def _two(home: House, acme: Tenant) -> bool:
    return len(await _notices(home, acme)) == 2


async def test_the_final_figures_replace_the_notice_of_the_request(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    await has_mail(home, acme.finance, "notice plan_change_requested")
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")
    await until(lambda: _two(home, acme), lambda: "there are no two notices")
    assert await _notices(home, acme) == [
        ("plan_change_applied", "open"),
        ("plan_change_requested", "superseded"),
    ]


async def test_a_workflow_that_is_gone_leaves_nobody_waiting(home: House) -> None:
    """Whoever ends the operation in its place: the words go out with the end and not with the workflow."""
    acme = await home.shop.tenant(home.database)
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    await has_mail(home, acme.controller, "review_requested")
    await has_mail(home, acme.finance, "notice plan_change_requested")
    await home.temporal.get_workflow_handle(f"operation-{operation}").terminate()
    ending = Progress(
        operation=operation,
        key="reaped",
        event="workflow_ended",
        at=await home.now() + timedelta(seconds=1),
        state=State.FAILED,
        stage="done",
        error=Problem(code="workflow_over", message="Its workflow was stopped."),
        allowed_actions=(),
    )
    async with home.database.transaction() as session:
        await end_operation(session, ending)

    await has_mail(home, acme.controller, "review_over failed")
    await has_mail(home, acme.finance, "notice_over failed plan_change_requested")
    await has_mail(home, acme.admin, "plan_change_ended failed")
