"""A plan change from the request to the last verified line, through the API, with its ends."""

import re
from typing import Literal

from ...support.builders import Tenant, a_customer, store
from ...support.house import House, until
from ...support.shop import APRIL, MID_APRIL
from ..conftest import ON_BOTH_DATABASES

HALF_A_MONTH = MID_APRIL - APRIL


@ON_BOTH_DATABASES
async def test_an_approved_upgrade_is_charged_once_exactly_as_previewed(home: House) -> None:
    acme = await home.shop.tenant(home.database, "starter", seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme, plan="growth")
    approval = await home.reviewed(acme, operation)
    lines = [(line["kind"], line["amount_minor"]) for line in approval["subject"]["preview"]["lines"]]
    since = home.stand_in.requests()[-1]["seq"]

    answer = await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed")

    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "approved"
    pinned = approval["subject"]["proration_date"]
    assert APRIL < pinned <= home.stand_in.now()
    left = APRIL + 2_592_000 - pinned
    credit, debit = round(6 * 1000 * left / 2_592_000), round(6 * 2000 * left / 2_592_000)
    assert lines == [("credit", -credit), ("debit", debit)]
    assert approval["subject"]["preview"]["next_invoice"]["amount_minor"] == 6 * 2000
    assert done["result"]["verified"] is True
    assert [line["amount_minor"] for line in done["result"]["lines"]] == [-credit, debit]
    assert done["result"]["total"] == {"amount_minor": debit - credit, "currency": "usd"}
    assert [change["path"] for change in home.shop.changes(since)] == [
        f"/v1/subscriptions/{acme.organization.stripe_subscription}"
    ]
    # Finance is told beside the workflow, so its events may stand anywhere after the preview.
    beside = ("finance_told", "notice_superseded")
    events = [event for event in await home.events(acme, operation) if event not in beside]
    assert events == [
        "plan_change_requested",
        "previewed",
        "review_requested",
        "approved",
        "applying",
        "changed_in_stripe",
        "verified",
    ]


@ON_BOTH_DATABASES
async def test_finance_is_told_at_the_request_and_with_final_figures_and_acknowledges(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")

    async def told_of_the_end() -> bool:
        return (await home.events(acme, operation)).count("finance_told") == 2

    await until(told_of_the_end, lambda: "Finance was not told how it ended")
    notices = (await home.get(acme.finance, "/v1/notices"))["data"]
    [waiting] = [notice for notice in notices if notice["state"] == "open"]
    answer = await home.post(acme.finance, f"/v1/notices/{waiting['id']}/acknowledge", {})

    assert waiting["kind"] == "plan_change_applied"
    assert sorted(notice["kind"] for notice in notices) == ["plan_change_applied", "plan_change_requested"]
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "acknowledged"
    assert "notice_acknowledged" in await home.events(acme, operation)


async def test_charging_with_the_next_invoice_leaves_verified_pending_items(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme, invoicing="next_invoice")
    approval = await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed")

    kinds = [line["kind"] for line in approval["subject"]["preview"]["lines"]]
    assert kinds == ["credit", "debit", "renewal"]
    assert approval["subject"]["preview"]["due_now"]["amount_minor"] == 0
    assert sorted(line["kind"] for line in done["result"]["lines"]) == ["credit", "debit"]
    assert len(done["result"]["invoice_items"]) == 2
    assert len(await home.shop.invoices(acme)) == 1


async def test_plan_seats_and_interval_change_together(home: House) -> None:
    acme = await home.shop.tenant(home.database, "starter", seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme, plan="growth", seats=8, interval="year")
    approval = await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed")

    assert done["result"]["verified"] is True
    kinds = {line["kind"]: line["amount_minor"] for line in approval["subject"]["preview"]["lines"]}
    assert kinds["renewal"] == 8 * 20_000
    assert -3000 <= kinds["credit"] < -2990
    subscription = await home.shop.subscription(acme)
    item = subscription["items"].data[0]
    assert (item.price.id, item.quantity) == (home.shop.price["growth", "year"], 8)


async def test_a_downgrade_within_limits_credits_the_balance(home: House) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme, plan="starter")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed")

    assert done["result"]["total"]["amount_minor"] < 0
    customer = await home.shop.client.v1.customers.retrieve_async(acme.organization.stripe_customer)
    assert customer.balance == done["result"]["total"]["amount_minor"]


async def test_a_downgrade_over_a_limit_is_blocked_by_name_before_anyone_is_asked(home: House) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    await store(home.database, *(a_customer(acme.id) for _ in range(51)))
    since = home.stand_in.requests()[-1]["seq"]
    operation = await home.ask(acme, plan="starter")
    blocked = await home.wait(acme, operation, "blocked")

    assert blocked["error"]["code"] == "limits_exceeded"
    assert {"customers:", "51", "50"} <= set(re.findall(r"\w+:?", blocked["error"]["message"].lower()))
    assert blocked["approval"] is None
    assert home.shop.changes(since) == []


async def test_a_rejected_change_leaves_stripe_alone_and_says_who_and_why(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    since = home.stand_in.requests()[-1]["seq"]
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation, "reject", "Not in this quarter.")
    rejected = await home.wait(acme, operation, "rejected")

    assert rejected["allowed_actions"] == []
    assert home.shop.changes(since) == []
    page = await home.get(acme.auditor, f"/v1/operations/{operation}/timeline?limit=100")
    decided = next(event for event in page["data"] if event["code"] == "rejected")
    assert decided["actor"] == acme.controller.id
    assert decided["detail"]["comment"] == "Not in this quarter."


async def test_a_cancelled_review_is_dismissed_and_cannot_be_approved_any_more(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    since = home.stand_in.requests()[-1]["seq"]
    operation = await home.ask(acme)
    approval = await home.reviewed(acme, operation)
    answer = await home.post(acme.admin, f"/v1/plan-changes/{operation}/cancel", {"comment": "Too early."})
    told = answer.json()
    assert (told["state"], told["pending"], told["allowed_actions"]) == ("cancelled", False, [])
    await home.wait(acme, operation, "cancelled")
    late = await home.post(
        acme.controller,
        f"/v1/approvals/{approval['id']}/decision",
        {"decision": "approve", "subject_hash": approval["subject_hash"]},
    )

    assert answer.status_code == 200, answer.text
    assert late.status_code == 409
    assert late.json()["code"] == "approval_closed"
    assert home.shop.changes(since) == []


async def test_a_declined_card_changes_nothing_and_is_told_as_such(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    await home.shop.use_card(acme, "pm_card_chargeCustomerFail")
    # With what waits for the next invoice Stripe could not wait for another card.
    await home.shop.client.v1.invoice_items.create_async(
        {
            "customer": acme.organization.stripe_customer,
            "subscription": acme.organization.stripe_subscription,
            "amount": 900,
            "currency": "usd",
        }
    )
    home.stand_in.advance(HALF_A_MONTH)
    before = (await home.shop.subscription(acme)).to_dict()
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    declined = await home.wait(acme, operation, "declined")

    after = (await home.shop.subscription(acme)).to_dict()
    assert declined["error"]["code"] == "card_declined"
    assert after["items"] == before["items"]
    assert len(await home.shop.invoices(acme)) == 1


async def test_lines_that_drifted_since_the_review_go_to_a_new_round(home: House) -> None:
    acme = await home.shop.tenant(home.database, seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme, seats=6)
    await home.reviewed(acme, operation)
    await change_seats_in_stripe(home, acme, 9)
    await home.decide(acme.controller, operation)
    second = await home.reviewed(acme, operation, round_=2)
    await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed")

    assert second["subject"]["from"]["seats"] == 9
    assert done["result"]["verified"] is True
    assert "lines_drifted" in await home.events(acme, operation)


async def test_a_period_that_rolled_over_while_waiting_is_previewed_anew(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme)
    first = await home.reviewed(acme, operation)
    home.stand_in.advance(20 * 86_400)
    await home.decide(acme.controller, operation)
    second = await home.reviewed(acme, operation, round_=2)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")

    assert second["subject"]["period_start"] == first["subject"]["period_end"]


async def test_a_limit_that_is_exceeded_after_the_approval_blocks_the_change(home: House) -> None:
    acme = await home.shop.tenant(home.database, "growth")
    operation = await home.ask(acme, plan="starter")
    await home.reviewed(acme, operation)
    await store(home.database, *(a_customer(acme.id) for _ in range(51)))
    await home.decide(acme.controller, operation)
    blocked = await home.wait(acme, operation, "blocked")

    assert blocked["error"]["code"] == "limits_exceeded"


@ON_BOTH_DATABASES
async def test_requested_changes_lead_to_a_revised_request_and_a_new_round(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme, seats=8)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation, "request_changes", "Seven seats will do.")
    await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    body = {"plan": "growth", "seats": 7, "reason": "Seven, as agreed."}
    answer = await home.post(acme.admin, f"/v1/plan-changes/{operation}/revision", body)
    second = await home.reviewed(acme, operation, round_=2)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")

    assert answer.status_code == 200, answer.text
    assert second["subject"]["to"]["seats"] == 7


async def test_a_change_at_period_end_waits_in_a_schedule_and_is_verified_on_the_renewal(home: House) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme, plan="starter", effective="period_end")
    approval = await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    scheduled = await home.get(acme.admin, f"/v1/operations/{operation}")
    organization = await home.get(acme.admin, "/v1/organization")
    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed")

    assert approval["subject"]["proration_date"] is None
    assert [line["kind"] for line in approval["subject"]["preview"]["lines"]] == ["renewal"]
    assert scheduled["allowed_actions"] == ["cancel"]
    assert organization["pending_change"] == operation
    assert organization["plan"] == "growth"
    assert done["result"]["verified"] is True
    assert [line["amount_minor"] for line in done["result"]["lines"]] == [6 * 1000]
    assert (await home.get(acme.admin, "/v1/organization"))["plan"] == "starter"
    assert (await home.shop.subscription(acme)).schedule is None
    again = await home.ask(acme, plan="growth")
    await home.reviewed(acme, again)


async def test_a_scheduled_change_can_be_cancelled_and_then_never_happens(home: House) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    operation = await home.ask(acme, plan="starter", effective="period_end")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    answer = await home.post(acme.admin, f"/v1/plan-changes/{operation}/cancel", {})
    await home.wait(acme, operation, "cancelled")
    home.stand_in.advance(31 * 86_400)

    assert answer.status_code == 200, answer.text
    subscription = await home.shop.subscription(acme)
    assert subscription.schedule is None
    assert subscription["items"].data[0].price.id == home.shop.price["growth", "month"]


async def test_other_lines_than_approved_are_a_mismatch_that_a_controller_accepts(home: House) -> None:
    acme, operation = await mismatched(home)
    wrong = await home.get(acme.admin, f"/v1/operations/{operation}")
    body = {"action": "accept", "comment": "The extra seats were agreed by phone."}
    refused = await home.post(acme.admin, f"/v1/plan-changes/{operation}/resolution", body)
    answer = await home.post(acme.controller, f"/v1/plan-changes/{operation}/resolution", body)
    done = await home.wait(acme, operation, "completed")

    assert wrong["error"]["code"] == "lines_mismatched"
    assert wrong["result"]["verified"] is False
    whats = {difference["what"] for difference in wrong["result"]["differences"]}
    assert whats == {"missing", "unexpected", "amount"}
    assert refused.status_code == 403
    assert answer.status_code == 200, answer.text
    assert done["result"]["accepted_by"] == acme.controller.id


@ON_BOTH_DATABASES
async def test_a_mismatch_can_be_reverted_to_the_former_plan(home: House) -> None:
    acme, operation = await mismatched(home)
    body = {"action": "revert", "comment": "Back, please."}
    answer = await home.post(acme.admin, f"/v1/plan-changes/{operation}/resolution", body)
    done = await home.wait(acme, operation, "cancelled")

    assert answer.status_code == 200, answer.text
    assert done["result"]["reverted_by"] == acme.admin.id
    item = (await home.shop.subscription(acme))["items"].data[0]
    assert (item.price.id, item.quantity) == (home.shop.price["starter", "month"], 6)


async def mismatched(home: House) -> tuple[Tenant, str]:
    """A change whose subscription somebody else changes between our re-check and our update."""
    acme = await home.shop.tenant(home.database, "starter", seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme, seats=6)
    await home.reviewed(acme, operation)
    path = f"/v1/subscriptions/{acme.organization.stripe_subscription}$"
    home.stand_in.fault("lock_timeout", method="POST", path=path, times=1)
    await home.decide(acme.controller, operation)

    async def refused_once() -> bool:
        return any(line["fault"] == "lock_timeout" for line in home.stand_in.requests())

    await until(refused_once, lambda: "the change was not tried")
    await change_seats_in_stripe(home, acme, 9, proration_behavior="always_invoice")
    await home.wait(acme, operation, "mismatched")
    return acme, operation


async def change_seats_in_stripe(
    home: House, tenant: Tenant, seats: int, proration_behavior: Literal["none", "always_invoice"] = "none"
) -> None:
    """Somebody changes the seats in Stripe itself."""
    subscription = await home.shop.subscription(tenant)
    await home.shop.client.v1.subscriptions.update_async(
        subscription.id,
        {
            "items": [{"id": subscription["items"].data[0].id, "quantity": seats}],
            "proration_behavior": proration_behavior,
        },
    )


async def test_a_subscription_that_stripe_does_not_have_fails_with_its_reason(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    await home.shop.client.v1.subscriptions.cancel_async(acme.organization.stripe_subscription)
    operation = await home.ask(acme)
    failed = await home.wait(acme, operation, "failed")

    assert failed["error"]["code"] == "subscription_ended"
