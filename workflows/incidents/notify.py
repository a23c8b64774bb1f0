"""Who is told of an incident, and when: in the background, for nothing waits for a chat or a mail server."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.incidents.alerts import Alerts
    from activities.incidents.mails import IncidentMails
    from billing.core.operations import Role
    from billing.incidents.messages import (
        AlertPost,
        IncidentInput,
        IncidentKept,
        IncidentMail,
        IncidentNow,
        ResolveIncident,
    )
    from billing.incidents.states import Component
    from billing.incidents.words import IncidentSubject

from ..core import options
from ..core.recorded import recorded

EVERYBODY = (Role.CONTROLLER, Role.FINANCE)


class IncidentNotifier:
    """Alerts, and mails to the controllers and Finance, who both hear of its beginning and of its end; only
    the controllers are reminded while it lasts. `alerted_at` is when the first alert had gone out.
    """

    def __init__(self, request: IncidentInput, now: IncidentNow) -> None:
        self._request = request
        self.alerted_at = now.alerted_at
        self._due_at = now.alert_due_at
        self.alerts = now.alerts
        self._loud = now.alerts == 0
        self._tasks: list[asyncio.Future[None]] = []

    @property
    def idle(self) -> bool:
        return not self._tasks

    def state(self) -> dict[str, Any]:
        """What a new history has to know."""
        return {"alerted_at": self.alerted_at, "alert_due_at": self._due_at, "alerts": self.alerts}

    async def done(self) -> None:
        """Waits for what is on its way."""
        await workflow.wait_condition(lambda: self.idle)

    def alert_soon(self) -> None:
        """It is degraded again: nobody waits for the next time."""
        self._due_at, self._loud = None, True

    def alert_if_due(self, kept: IncidentKept) -> None:
        """At once, and then every so often for as long as it is degraded or its note is owed."""
        if self._due_at is not None and workflow.now() < self._due_at:
            return
        self._due_at = workflow.now() + timedelta(minutes=self._request.policy.alert_every)
        self.alerts += 1
        self._begin(self._post(kept, self.alerts))
        # Of each time that it breaks; what comes after is for those who fix it.
        roles = EVERYBODY if self._loud and kept.recovered_at is None else (Role.CONTROLLER,)
        self._loud = False
        self._begin(self._mail_alert(kept, self.alerts, roles))

    def works_again(self) -> None:
        """What could not go out before, as a mail about the mail server, goes out now at the latest."""
        self._has_alerted()

    def recovered(self, kept: IncidentKept, number: int) -> None:
        """Everybody hears that normal operations have resumed."""
        mail = self._mail_to(EVERYBODY, f"recovered-{number}", "incident_recovered", kept)
        self._begin(self._mail(mail))

    def cleared(self, kept: IncidentKept, resolved: ResolveIncident) -> None:
        """Everybody hears what was done: who wrote the note is known in their own organization alone."""
        mail = self._mail_to(EVERYBODY, "cleared", "incident_cleared", kept)
        own = {"note": resolved.note, "person": resolved.person, "private_to": resolved.organization}
        self._begin(self._mail(mail.model_copy(update=own)))

    async def _post(self, kept: IncidentKept, number: int) -> None:
        alert = AlertPost(
            incident=kept.incident,
            component=kept.component,
            cause=kept.cause,
            degraded=kept.recovered_at is None,
            since=kept.recovered_at or kept.opened_at,
            number=number,
        )
        if await workflow.execute_activity_method(Alerts.post_alert, alert, **options.ALERT):
            self._has_alerted()

    async def _mail_alert(self, kept: IncidentKept, number: int, roles: tuple[Role, ...]) -> None:
        mail = self._mail_to(roles, f"alert-{number}", "incident_alert", kept)
        if kept.component is Component.DATABASE and kept.recovered_at is None:
            sent = await workflow.execute_activity_method(
                IncidentMails.mail_from_memory, mail, **options.ALERT
            )
            if sent:
                self._has_alerted()
            return
        await self._mail(mail)
        if kept.component is not Component.MAIL or kept.recovered_at is not None:
            # A mail about the mail server goes out when that works again.
            self._has_alerted()

    async def _mail(self, mail: IncidentMail) -> None:
        await recorded(IncidentMails.mail_organizations, mail)

    def _mail_to(self, roles: tuple[Role, ...], key: str, template: str, kept: IncidentKept) -> IncidentMail:
        return IncidentMail(
            incident=kept.incident,
            key=key,
            template=template,
            roles=roles,
            at=kept.at,
            subject=IncidentSubject(
                incident=kept.incident,
                component=kept.component,
                opened_at=kept.opened_at,
                first_fault_at=kept.first_fault_at,
                recovered_at=kept.recovered_at,
                cause=kept.cause,
            ),
        )

    def _has_alerted(self) -> None:
        self.alerted_at = self.alerted_at or workflow.now()

    def _begin(self, telling: Awaitable[None]) -> None:
        task = asyncio.ensure_future(self._unless_given_up(telling))
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    async def _unless_given_up(self, telling: Awaitable[None]) -> None:
        try:
            await telling
        except ActivityError:
            workflow.logger.warning("an alert for %s could not be sent", self._request.incident)
