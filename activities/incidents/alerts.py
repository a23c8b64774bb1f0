"""Alerts to the chat or pager of whoever runs Plixo, by a webhook as Slack takes it."""

import logging
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote

import httpx
from temporalio import activity
from temporalio.exceptions import ApplicationError

from billing.incidents.messages import AlertPost
from billing.incidents.states import IncidentState
from billing.incidents.words import affected, headline

log = logging.getLogger(__name__)

WITHIN = 10.0
"""Seconds for the webhook to answer."""


class AlertCode(StrEnum):
    """What an alert is, for programs: header `X-Plixo-Alert`."""

    INCIDENT_DEGRADED = "incident_degraded"
    INCIDENT_RECOVERED = "incident_recovered"
    WORK_OVERDUE = "work_overdue"
    WORK_ON_TIME = "work_on_time"
    WORKFLOW_STUCK = "workflow_stuck"
    EVIDENCE_LOST = "evidence_lost"


class AlertMessage(NamedTuple):
    code: AlertCode
    about: str
    """The incident's component, the workflow, or the kinds of work that are late."""
    text: str


class Alerts:
    """Posts {"text": …}, and no other field: some chats refuse those that they don't know. What programs
    need is in headers. The webhook's address is a secret: no error and no history names it.
    """

    def __init__(self, url: str | None, public_url: str, web: httpx.AsyncClient) -> None:
        self._url = url
        self._console = f"{public_url.rstrip('/')}/console"
        self._web = web

    @activity.defn
    async def post_alert(self, alert: AlertPost) -> bool:
        """Whether it was taken; False where no webhook is set.

        Raises ApplicationError: to be tried again unless the webhook refuses it for good.
        """
        state = IncidentState.DEGRADED if alert.degraded else IncidentState.RECOVERED
        code = AlertCode.INCIDENT_DEGRADED if alert.degraded else AlertCode.INCIDENT_RECOVERED
        return await self._post(AlertMessage(code, alert.component.value, self._text(alert, state)))

    async def say(self, alert: AlertMessage) -> None:
        """One that nobody tries again: what it tells of is told elsewhere too."""
        try:
            await self._post(alert)
        except ApplicationError as error:
            log.warning("an alert was not delivered: %s", error.message)

    async def _post(self, alert: AlertMessage) -> bool:
        if self._url is None:
            return False
        try:
            answer = await self._web.post(
                self._url,
                json={"text": alert.text},
                headers={"X-Plixo-Alert": alert.code, "X-Plixo-About": quote(alert.about, safe=",:")},
                timeout=WITHIN,
            )
        except httpx.HTTPError as error:
            raise ApplicationError(
                f"The alert webhook can't be reached ({type(error).__name__}).", type="alert_unreachable"
            ) from None
        if answer.is_success:
            return True
        status = answer.status_code
        later = status in (408, 429) or status >= 500
        raise ApplicationError(
            f"The alert webhook answered {status}; check PLIXO_ALERT_WEBHOOK_URL.",
            type="alert_later" if later else "alert_refused",
            non_retryable=not later,
            next_retry_delay=_retry_after(answer),
        )

    def _text(self, alert: AlertPost, state: IncidentState) -> str:
        since = f"{alert.since:%Y-%m-%d %H:%M} UTC"
        lines = [f"Plixo: {headline(alert.component, state, alert.cause)} (since {since})"]
        meaning = affected(alert.component, state, alert.cause)
        lines += [f"• {words}" for words in dict.fromkeys(meaning.values())]
        lines.append(f"What to do: {self._console}/incidents/{alert.incident}")
        return "\n".join(lines)


def _retry_after(answer: httpx.Response) -> timedelta | None:
    value = answer.headers.get("retry-after", "")
    return timedelta(seconds=int(value)) if value.isdigit() else None
