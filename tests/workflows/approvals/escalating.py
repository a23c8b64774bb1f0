"""An approval in a running house: opened on a stored operation, at a moment of the test's choice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from httpx import Response
from temporalio.client import WorkflowHandle

from billing.approvals.messages import ApprovalInput, ApprovalOutcome
from billing.core.business_time import Calendar
from billing.core.operations import Role
from billing.policy.policy import LadderStep
from db.core import timeline
from db.tables import Operation
from workflows.core import ids

from ...activities.mail.money_contexts import a_refund
from ...support.builders import SUBJECT_HASH, Member, Tenant, an_operation, store
from ...support.house import BESIDE, House, until
from ...support.told import named
from .one_round import OneRound

NEW_YORK, BERLIN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")


def office(zone: ZoneInfo, country: str | None = None) -> Calendar:
    """Monday to Friday, nine to five."""
    return Calendar.model_validate(
        {
            "name": zone.key,
            "zone": zone.key,
            "country": country,
            "days": (0, 1, 2, 3, 4),
            "opens": "09:00:00",
            "closes": "17:00:00",
        }
    )


CONTROLLER = LadderStep(roles=(Role.CONTROLLER,), respond_within=480, remind_every=240)
LEGAL = LadderStep(roles=(Role.LEGAL,), respond_within=480)
FINANCE = LadderStep(roles=(Role.FINANCE,), respond_within=480)
BOTH = LadderStep(roles=(Role.CONTROLLER, Role.LEGAL), needs="all", respond_within=480, remind_every=240)


@dataclass
class Review:
    """An approval of money back, as an approver and its workflow meet it."""

    home: House
    acme: Tenant
    operation: Operation
    handle: WorkflowHandle[Any, ApprovalOutcome]
    id: str

    async def shown(self, who: Member | None = None) -> dict[str, Any]:
        return await self.home.get(who or self.acme.auditor, f"/v1/approvals/{self.id}")

    async def decide(self, who: Member, decision: str = "approve", comment: str | None = None) -> Response:
        body = {"decision": decision, "subject_hash": SUBJECT_HASH, "comment": comment}
        return await self.home.said(who, self.id, body)

    async def delegate(self, who: Member, to: Member, *, hours: int = 1) -> Response:
        until_ = datetime.now(UTC) + timedelta(hours=hours)
        body = {"to": to.id, "until": until_.isoformat(), "reason": "I am on a plane."}
        given = await self.home.post(who, f"/v1/approvals/{self.id}/delegate", body)
        if given.is_success:
            accepted = await self.home.post(to, f"/v1/delegations/{given.json()['id']}/accept", {})
            assert accepted.status_code == 200, accepted.text
        return given

    async def told(self) -> list[str]:
        """The timeline's events, in order."""
        return [event for event, _ in await self.moments()]

    async def moments(self) -> list[tuple[str, datetime]]:
        """The events, each with its minute."""
        async with self.home.database.reading() as session:
            events = await timeline.read(session, self.operation.id)
        return [
            (named(event), event.at.replace(second=0, microsecond=0))
            for event in events
            if event.code not in BESIDE
        ]

    async def reached(self, rung: int) -> dict[str, Any]:
        """The approval, as soon as it is on this rung."""
        found: dict[str, Any] = {}

        async def there() -> bool:
            nonlocal found
            found = await self.shown()
            return bool(found["rung"] == rung)

        await until(there, lambda: f"it is on rung {found.get('rung')}, not {rung}")
        return found

    async def mailed(self, who: Member, *names: str) -> None:
        """Waits until somebody has each of these mails."""

        async def there() -> bool:
            return set(names) <= set(self.home.mail.names(who.person))

        await until(there, lambda: f"{who.person.name} has only {self.home.mail.names(who.person)}")

    def has_mail(self, who: Member) -> bool:
        return any(who.person.email in mail["to"] for mail in self.home.mail.mailbox.mails)


async def a_review(
    home: House,
    acme: Tenant,
    *ladder: LadderStep,
    calendar: Calendar | None = None,
    calendars: Sequence[Calendar] = (),
    **asked: Any,
) -> Review:
    """Opens an approval now, and waits until it is open."""
    requested_by = asked.get("requested_by", acme.admin.id)
    policy = home.policy.model_dump(mode="json", by_alias=True)
    operation = an_operation(acme, kind="refund", requested_by=requested_by, policy=policy)
    await store(home.database, operation)
    for row in asked.pop("set_aside", lambda _: ())(operation):
        await store(home.database, row)
    approval = ids.approval_id(operation.id, 1)
    given = {
        "approval": approval,
        "organization": acme.id,
        "operation": operation.id,
        "kind": "refund",
        "round": 1,
        "subject": a_refund().model_dump(mode="json"),
        "subject_hash": SUBJECT_HASH,
        "reason": "duplicate",
        "rule": "Beyond the requester's authority.",
        "amount": None,
        "requested_by": requested_by,
        "ladder": ladder,
        "calendar": calendar or office(NEW_YORK),
        "calendars": {one.name: one for one in calendars},
        "authority": None,
        "customer": None,
        "counted": (),
        "revised": None,
        "since": None,
    }
    assert home.host is not None
    handle = await home.temporal.start_workflow(
        OneRound.run,
        ApprovalInput.model_validate(given | asked),
        id=ids.operation_workflow(operation.id),
        task_queue=await home.host(OneRound),
    )
    review = Review(home, acme, operation, handle, approval)

    async def opened() -> bool:
        answer = await home.http.get(f"/v1/approvals/{approval}", headers=acme.auditor.headers)
        return answer.status_code == 200

    await until(opened, lambda: "the approval was never opened")
    return review


# --- Moments ----------------------------------------------------------------------------------------------


async def go_to(home: House, moment: datetime) -> None:
    """Moves the time-skipping server's clock to a moment that is to come."""
    assert home.environment is not None
    now = await home.environment.get_current_time()
    assert moment > now
    await home.environment.sleep(moment - now)


async def coming(home: House, *, weekday: int, hour: int, zone: ZoneInfo) -> datetime:
    """The next such moment, at least a day ahead; Monday is 0."""
    assert home.environment is not None
    day = (await home.environment.get_current_time()).astimezone(zone) + timedelta(days=1)
    while day.weekday() != weekday:
        day += timedelta(days=1)
    return day.replace(hour=hour, minute=0, second=0, microsecond=0)


async def before_clocks_change(home: House, *, forward: bool) -> datetime:
    """The Friday, at noon in New York, before its clocks change so."""
    friday = await coming(home, weekday=4, hour=12, zone=NEW_YORK)
    while not _changes_after(friday, forward):
        friday += timedelta(days=7)
    return friday


def _changes_after(friday: datetime, forward: bool) -> bool:
    before, after = friday.utcoffset(), (friday + timedelta(days=3)).utcoffset()
    assert before is not None
    assert after is not None
    return after > before if forward else after < before
