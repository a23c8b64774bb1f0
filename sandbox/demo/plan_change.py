"""Plan changes of the example organization: an upgrade, one that a limit blocks, one whose payment has to be
confirmed, one at the period's end."""

from datetime import UTC, datetime

from ..stack.seed import CURRENCY
from .people import Json, People, expect, where
from .real_account import RealAccount
from .telling import money


class PlanChanges:
    """Four of them, told as they happen; `done` sums them up."""

    def __init__(self, people: People) -> None:
        self._people, self._teller = people, people.teller
        self.done: list[str] = []

    async def play(self) -> None:
        await self._starting_point()
        await self._upgrade()
        await self._finance_acknowledges()
        await self._blocked_downgrade()
        await self._with_more_on_it()
        await self._scheduled_downgrade()

    async def _starting_point(self) -> None:
        organization = await self._people.get("billing_admin", "/v1/organization")
        self._teller.chapter("Where we are")
        self._teller.say(
            f"{organization['name']} is on {organization['plan'].capitalize()} "
            f"with {organization['seats']} seats, billed by the {organization['interval']}; "
            f"it renews on {organization['renews_at'][:10]}."
        )
        self._teller.limits(organization["limits"], CURRENCY)

    async def _upgrade(self) -> None:
        self._teller.chapter("An upgrade, charged at once")
        self._teller.say("Bea, the billing admin, asks for Scale with 8 seats, now, charged immediately.")
        operation, approval = await self._people.reviewed(
            "/v1/plan-changes",
            {
                "plan": "scale",
                "seats": 8,
                "effective": "now",
                "invoicing": "immediately",
                "reason": "Three people join the receivables team.",
            },
        )
        subject = approval["subject"]
        self._teller.say("Stripe's preview, to the second. Nothing is changed or charged yet:")
        self._preview(subject["preview"])
        await self._approve(approval)
        ended = await self._people.ended(operation)
        result = ended["result"]
        self._teller.say(
            f"Stripe was changed once. Its invoice {result['invoice']}, beside what was approved:"
        )
        self._teller.compared(subject["preview"]["lines"], result["lines"], result["total"]["currency"])
        expect(not result["differences"], f"no differences, but found {result['differences']}")
        charged = money(**result["total"])
        self._teller.say(f"Every line is as approved. {charged} is {result['invoice_status']}.")
        organization = await self._people.get("billing_admin", "/v1/organization")
        expect(organization["plan"] == "scale", f"to be on scale now, but is on {organization['plan']}")
        await self._people.timeline(operation)
        self.done.append(f"Upgraded Growth to Scale: {charged} charged once, verified line by line.")

    async def _finance_acknowledges(self) -> None:
        self._teller.chapter("Finance is told")
        notices: list[Json] = []

        async def both() -> list[Json] | None:
            # Each is a workflow of its own, which may begin a moment after the plan change is done.
            nonlocal notices
            notices = (await self._people.get("finance", "/v1/notices"))["data"]
            return notices if len(notices) >= 2 else None

        await self._people.seen(both, lambda: f"two notices to Finance, but there are {len(notices)}")
        expect(len(notices) == 2, f"two notices to Finance, but there are {len(notices)}")
        waiting = [notice for notice in notices if notice["state"] == "open"]
        expect([one["kind"] for one in waiting] == ["plan_change_applied"], f"one to wait: {waiting}")
        self._teller.say("The notice of the request was replaced by the one with the final figures.")
        await self._people.post("finance", f"/v1/notices/{waiting[0]['id']}/acknowledge", {}, (200,))
        self._teller.say("Finn, of Finance, acknowledges that one.")
        self.done.append("Finance was told of the request, and acknowledged the final figures.")

    async def _blocked_downgrade(self) -> None:
        self._teller.chapter("A downgrade that a limit blocks")
        self._teller.say("Bea asks for Starter.")
        operation = await self._people.ask(
            "/v1/plan-changes",
            {
                "plan": "starter",
                "effective": "now",
                "invoicing": "next_invoice",
                "reason": "Could the small plan do?",
            },
        )
        ended = await self._people.ended(operation, "blocked")
        why = ended["error"]["message"]
        expect("Customers" in why, f"the customers limit to be named, but was told: {why}")
        self._teller.say(f"Blocked, and nobody was bothered for an approval: {why}")
        self.done.append(f"Downgrade to Starter blocked: {why}")

    async def _with_more_on_it(self) -> None:
        more = RealAccount(self._people)
        await more.play()
        self.done += more.done

    async def _scheduled_downgrade(self) -> None:
        self._teller.chapter("A downgrade at the end of the period")
        self._teller.say("Bea asks for Growth from the next renewal on.")
        operation, approval = await self._people.reviewed(
            "/v1/plan-changes",
            {"plan": "growth", "effective": "period_end", "reason": "The project ends with the period."},
        )
        self._preview(approval["subject"]["preview"])
        await self._approve(approval)
        scheduled = await self._people.until(operation, lambda now: now["stage"] in ("scheduled", "done"))
        expect(
            scheduled["stage"] == "scheduled", f"the downgrade to be scheduled, but it is {where(scheduled)}"
        )
        day = f"{datetime.fromtimestamp(scheduled['result']['effective_at'], UTC):%d %B %Y, %H:%M} UTC"
        self._teller.say(
            f"Scheduled in Stripe as {scheduled['result']['schedule']}. It takes effect on {day}, "
            "without a proration. Until then Bea can still cancel it."
        )
        self.done.append(f"Downgrade to Growth scheduled for {day}.")

    async def _approve(self, approval: Json) -> None:
        self._teller.say(
            f"Cora, the controller, approves exactly this: subject hash {approval['subject_hash'][:16]}…"
        )
        await self._people.approve("controller", approval)

    def _preview(self, preview: Json) -> None:
        self._teller.lines(preview["lines"], preview["currency"])
        due, later = preview["due_now"], preview["next_invoice"]
        self._teller.say(
            f"Due now: {money(due['amount_minor'], due['currency'])}. "
            f"On the next invoice: {money(later['amount_minor'], later['currency'])}."
        )
