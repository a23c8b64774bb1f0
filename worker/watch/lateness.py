"""Tells an operator when what should be done soon is not done: a sweep that hangs has no other voice.

Every worker looks twice a minute. It logs what is late at `error`, sets the gauge `plixo_oldest_seconds`, and
posts to the alert webhook: when something becomes late, every quarter of an hour, and when nothing is.
"""

import logging
from datetime import datetime, timedelta

from temporalio.runtime import Runtime

from activities.incidents.alerts import AlertCode, AlertMessage
from db.core.clock import Clock, utc_now
from db.core.session import Database
from db.incidents import lateness
from db.incidents.lateness import OldestWaiting

from .reaper import Alert, no_alert

log = logging.getLogger(__name__)

AGAIN = timedelta(minutes=15)
LATE = {
    "outbox": (timedelta(minutes=3), "An accepted request or decision has not reached Temporal"),
    "event": (timedelta(minutes=10), "A Stripe event has not been processed"),
    "events_asked": (timedelta(minutes=30), "Stripe has not been polled for events"),
    "mail": (timedelta(hours=1), "A mail to a customer is due but has not been sent"),
    "person_mail": (timedelta(hours=1), "A mail to people of an organization has not been sent"),
    "notice": (timedelta(minutes=5), "The controller has not been told of a notice that is late"),
}
"""After so long it is late. Each is swept within a minute, but mails by the reminder runs; Stripe is asked
every quarter of an hour when nothing happens."""


class Lateness:
    def __init__(
        self,
        database: Database,
        alert: Alert = no_alert,
        runtime: Runtime | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._database, self._alert, self._clock = database, alert, clock
        self._told: tuple[frozenset[str], datetime] | None = None
        meter = (runtime or Runtime.default()).metric_meter
        self._ages = meter.create_gauge_float(
            "plixo_oldest_seconds", "Age of the oldest pending item, by kind"
        )
        self._failing = meter.create_gauge("plixo_failing_units", "Items that fail while the others continue")

    async def look(self) -> None:
        """Raises what the records raise while they are away."""
        at = self._clock()
        async with self._database.reading() as session:
            waiting = await lateness.oldest(session, at)
        self._measure(waiting, at)
        late = _late(waiting, at)
        for line in late.values():
            log.error("%s", line)
        await self._tell(late, at)

    def _measure(self, waiting: OldestWaiting, at: datetime) -> None:
        for what in LATE:
            since: datetime | None = getattr(waiting, what)
            self._ages.set((at - since).total_seconds() if since else 0.0, {"what": what})
        self._failing.set(waiting.set_aside, {"what": "events"})
        self._failing.set(waiting.setbacks, {"what": "units of sweeps"})
        self._failing.set(waiting.mails_given_up, {"what": "mails to people"})

    async def _tell(self, late: dict[str, str], at: datetime) -> None:
        before = self._told
        if before is not None and before[0] == late.keys() and at - before[1] < AGAIN:
            return
        if late:
            text = "\n".join(["Plixo: work is overdue", *(f"• {line}" for line in late.values())])
            await self._alert(AlertMessage(AlertCode.WORK_OVERDUE, ",".join(late), text))
            self._told = frozenset(late), at
        elif before is not None:
            text = "Plixo: nothing is overdue anymore"
            await self._alert(AlertMessage(AlertCode.WORK_ON_TIME, ",".join(sorted(before[0])), text))
            self._told = None


def _late(waiting: OldestWaiting, at: datetime) -> dict[str, str]:
    """A line for each kind that is late, or fails."""
    late: dict[str, str] = {}
    for what, (limit, words) in LATE.items():
        since: datetime | None = getattr(waiting, what)
        if since is not None and at - since > limit:
            late[what] = f"{words} for {int((at - since).total_seconds() // 60)} minutes."
    if waiting.set_aside:
        late["set_aside"] = f"{waiting.set_aside} Stripe event(s) could not be processed and were set aside."
    if waiting.setbacks:
        late["setbacks"] = f"{waiting.setbacks} object(s) fail in background sweeps; the others continue."
    if waiting.mails_given_up:
        late["mails_given_up"] = (
            f"{waiting.mails_given_up} mail(s) to people of an organization were given up in the last day, "
            "after three days of trying; they will not be sent anymore."
        )
    return late
