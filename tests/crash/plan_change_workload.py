"""Plan changes under fire: at once, or at the end of the period."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from db.core.clock import utc_now
from db.core.record_hashes import wrote
from db.operations import notices
from db.tables import Notice

from ..support.builders import Member, Tenant
from ..support.house import House, until
from ..support.money import authenticate
from ..support.told import mail_name
from .plan import Step, commit, request
from .records import approve, check_records, deliver, taken, until_state

SUBSCRIPTION = "/v1/subscriptions/sub_[^/]+"
PREVIEW = "/v1/invoices/create_preview"
SCHEDULES = "/v1/subscription_schedules"

UPDATE = request("the change", "POST", SUBSCRIPTION)
INTENT = commit("the intent", "^intent$")
EFFECT = commit("the effect", "^effect:apply")


class ChangeNow:
    calls: Sequence[str] = ("POST /v1/plan-changes$", "/decision$")
    steps: Sequence[Step] = (
        request("the first read", "GET", SUBSCRIPTION),
        request("the plan's price", "GET", "/v1/prices/[^/]+"),
        request("the preview", "POST", PREVIEW),
        request("the renewal preview", "POST", PREVIEW, 2),
        commit("the preview", "preview:1"),
        commit("the review", "^apr_.*:opened$"),
        request("the re-check", "GET", SUBSCRIPTION, 2),
        request("the preview of the re-check", "POST", PREVIEW, 3),
        INTENT,
        UPDATE,
        EFFECT,
        request("the verification", "GET", "/v1/invoices/in_[^/]+"),
        commit("the end", "ended"),
    )

    async def prepare(self, home: House) -> None:
        self.acme: Tenant = await home.shop.tenant(home.database, "starter", seats=6)
        self.since = home.stand_in.last_request()

    async def act(self, home: House) -> None:
        self.operation = await home.ask(self.acme, plan="growth")
        await approve(home, self.acme.controller, self.operation)
        row = await until_state(home, self.operation, "completed", "failed", "mismatched", "declined")
        assert row.state == "completed", row.error
        assert row.result is not None
        assert row.result["verified"] is True

    async def check(self, home: House) -> None:
        subscription = f"/v1/subscriptions/{self.acme.organization.stripe_subscription}"
        assert [line["path"] for line in self._writes(home)] == [subscription]
        assert len(await home.shop.invoices(self.acme)) == 2
        (item,) = (await home.shop.subscription(self.acme))["items"].data
        assert item.price.id == home.shop.price["growth", "month"]
        await check_records(home, self.operation, ["apply:1"], decisions=1)

    def _writes(self, home: House) -> list[dict[str, Any]]:
        """The writes that the stand-in executed itself, not replayed."""
        return [line for line in home.shop.changes(self.since) if not line["replayed"]]


class ChangeOfWhichFinanceIsTold(ChangeNow):
    """Finance acknowledges its final figures only after the controller has heard of it."""

    calls: Sequence[str] = ("/acknowledge$",)
    steps: Sequence[Step] = (
        commit("the record of a mail", "^mailed:ntc_.*_applied:told"),
        commit("the escalation", "^ntc_.*:escalated$"),
    )

    async def act(self, home: House) -> None:
        await super().act(home)
        self.notice = (await self._notices(home))[-1].id
        async with home.database.transaction() as session:
            late = await notices.lock(session, self.notice)
            late.deadline = utc_now()
            wrote(session, self.operation, late)
        await until(lambda: self._is(home, "escalated"), lambda: "nobody hears of it", home.patience)
        for who, name in (
            (self.acme.finance, "notice plan_change_applied"),
            (self.acme.controller, "notice_escalated plan_change_applied"),
            (self.acme.admin, "plan_change_ended completed"),
        ):
            await until(
                partial(self._got, home, who, name), partial("{} is not mailed".format, name), home.patience
            )
        path = f"/v1/notices/{self.notice}/acknowledge"
        taken(await home.post(self.acme.finance, path, {}))
        await until(lambda: self._is(home, "acknowledged"), lambda: "it stays", home.patience)

    async def check(self, home: House) -> None:
        await super().check(home)
        told = [(row.kind, row.state) for row in await self._notices(home)]
        assert told == [
            ("plan_change_requested", "superseded"),
            ("plan_change_applied", "acknowledged"),
        ]
        events = await check_records(home, self.operation, ["apply:1"], decisions=1)
        counted = Counter(event for event in events if "notice" in event or event == "finance_told")
        assert counted == {
            "finance_told": 2,
            "notice_superseded": 1,
            "notice_escalated": 1,
            "notice_acknowledged": 1,
        }

    async def _got(self, home: House, who: Member, name: str) -> bool:
        """Whether they have this mail: once, or more often with the same Message-ID."""
        mine = [one for one in home.mail.mailbox.mails if who.person.email in one["to"]]
        ids = {one["message_id"] for one in mine if mail_name(one) == name}
        assert len(ids) <= 1, f"{len(ids)} of {name}"
        return bool(ids)

    async def _notices(self, home: House) -> list[Notice]:
        async with home.database.reading() as session:
            return await notices.of_operation(session, self.operation)

    async def _is(self, home: House, state: str) -> bool:
        return (await self._notices(home))[-1].state == state


class ChangeAtPeriodEnd:
    """Scheduled, and cancelled while it waits."""

    steps: Sequence[Step] = (
        request("the schedule", "POST", SCHEDULES),
        request("its phases", "POST", f"{SCHEDULES}/[^/]+"),
        commit("the schedule", "effect:schedule"),
        commit("its phases", "effect:phases"),
        commit("the waiting", "scheduled"),
    )
    calls: Sequence[str] = ("POST /v1/plan-changes$", "/decision$", "/cancel$")

    async def prepare(self, home: House) -> None:
        self.acme: Tenant = await home.shop.tenant(home.database, "growth", seats=6)

    async def act(self, home: House) -> None:
        self.operation = await home.ask(self.acme, plan="starter", effective="period_end")
        await approve(home, self.acme.controller, self.operation)
        await until_state(home, self.operation, "running", stage="scheduled")
        self.scheduled = (await home.shop.subscription(self.acme)).schedule
        taken(await home.post(self.acme.admin, f"/v1/plan-changes/{self.operation}/cancel", {}))
        await until_state(home, self.operation, "cancelled")

    async def check(self, home: House) -> None:
        schedules = await home.shop.client.v1.subscription_schedules.list_async(
            {"customer": self.acme.organization.stripe_customer}
        )
        assert [(found.id, found.status) for found in schedules.data] == [(self.scheduled, "released")]
        await check_records(home, self.operation, ["phases:1", "release:1", "schedule:1"], decisions=1)


CARD = "pm_card_authenticationRequired"
WAITING = commit("the waiting", "^payment:1$")


class ChangeThatWaits(ChangeNow):
    """The bank asks the payer, who answers; Stripe tells of it."""

    calls: Sequence[str] = ("/webhooks/stripe$",)
    steps: Sequence[Step] = (
        INTENT,
        UPDATE,
        EFFECT,
        request("the first look at the payment", "GET", "/v1/invoices/in_[^/]+"),
        WAITING,
        request("the look after the event", "GET", SUBSCRIPTION, 4),
        commit("the payment", "^payment_made$"),
        commit("the end", "ended"),
    )

    async def prepare(self, home: House) -> None:
        await super().prepare(home)
        await home.shop.use_card(self.acme, CARD)
        self.since = home.stand_in.last_request()

    async def act(self, home: House) -> None:
        self.operation = await home.ask(self.acme, plan="growth")
        await approve(home, self.acme.controller, self.operation)
        row = await until_state(home, self.operation, "running", stage="payment_due")
        assert row.result is not None
        await authenticate(home.shop, row.result["invoice"])
        await deliver(home, "customer.subscription.pending_update_applied", self._is_ours)
        row = await until_state(home, self.operation, "completed", "failed", "mismatched", "expired")
        assert row.state == "completed", row.error
        assert row.result is not None
        assert row.result["verified"] is True

    def _is_ours(self, subscription: dict[str, Any]) -> bool:
        return bool(subscription["id"] == self.acme.organization.stripe_subscription)


class ChangeTakenBack(ChangeThatWaits):
    """The bank asks the payer, and the admin cancels: the invoice is voided once."""

    calls: Sequence[str] = ("/cancel$",)
    steps: Sequence[Step] = (
        WAITING,
        request("the void", "POST", "/v1/invoices/in_[^/]+/void"),
        commit("the void", "^effect:void"),
        commit("the end", "ended"),
    )

    async def act(self, home: House) -> None:
        self.operation = await home.ask(self.acme, plan="growth")
        await approve(home, self.acme.controller, self.operation)
        await until_state(home, self.operation, "running", stage="payment_due")
        taken(await home.post(self.acme.admin, f"/v1/plan-changes/{self.operation}/cancel", {}))
        row = await until_state(home, self.operation, "cancelled", "completed", "failed", "mismatched")
        assert row.state == "cancelled", row.error

    async def check(self, home: House) -> None:
        assert len(self._writes(home)) == 2
        assert [one.status for one in await home.shop.invoices(self.acme)] == ["void", "paid"]
        (item,) = (await home.shop.subscription(self.acme))["items"].data
        assert item.price.id == home.shop.price["starter", "month"]
        await check_records(home, self.operation, ["apply:1", "void:1"], decisions=1)


class ChangeThatReplaces:
    """Takes the place of one that waits, whose schedule is rewritten once; cancelled while it waits."""

    steps: Sequence[Step] = (
        request("the phase that there is", "GET", f"{SCHEDULES}/[^/]+", 3),
        commit("the end of the one that waited", "took_place"),
        request("the rewriting", "POST", f"{SCHEDULES}/[^/]+", 2),
        commit("the rewritten phases", "effect:phases", 2),
        commit("the waiting of the other", "^scheduled$", 2),
    )
    calls: Sequence[str] = ("POST /v1/plan-changes$", "/decision$", "/cancel$")

    async def prepare(self, home: House) -> None:
        self.acme: Tenant = await home.shop.tenant(home.database, "growth", seats=6)

    async def act(self, home: House) -> None:
        self.first = await home.ask(self.acme, plan="starter", effective="period_end")
        await approve(home, self.acme.controller, self.first)
        await until_state(home, self.first, "running", stage="scheduled")
        self.scheduled = (await home.shop.subscription(self.acme)).schedule
        self.second = await home.ask(self.acme, plan="scale", effective="period_end")
        await approve(home, self.acme.controller, self.second)
        await until_state(home, self.second, "running", stage="scheduled")
        replaced = await until_state(home, self.first, "cancelled")
        assert replaced.result is not None
        assert replaced.result["replaced_by"] == self.second
        (item,) = (await self._schedule(home)).phases[1]["items"]
        assert item.price == home.shop.price["scale", "month"]
        taken(await home.post(self.acme.admin, f"/v1/plan-changes/{self.second}/cancel", {}))
        await until_state(home, self.second, "cancelled")

    async def check(self, home: House) -> None:
        schedules = await home.shop.client.v1.subscription_schedules.list_async(
            {"customer": self.acme.organization.stripe_customer}
        )
        assert [(found.id, found.status) for found in schedules.data] == [(self.scheduled, "released")]
        told = await check_records(home, self.first, ["phases:1", "schedule:1"], decisions=1)
        assert told.count("plan_change_replaced") == 1
        told = await check_records(home, self.second, ["phases:1", "release:1"], decisions=1)
        assert told.count("took_its_place") == 1

    async def _schedule(self, home: House) -> Any:
        return await home.shop.client.v1.subscription_schedules.retrieve_async(str(self.scheduled))
