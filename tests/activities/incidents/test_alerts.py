"""Alerts: posted as Slack takes them, and tried again or given up by what the webhook answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from temporalio.exceptions import ApplicationError

from activities.incidents.alerts import AlertCode, AlertMessage, Alerts
from billing.incidents.messages import AlertPost
from billing.incidents.states import Component

from ...support.house import served

SINCE = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SECRET = "T0123-very-secret"


def an_alert(*, degraded: bool = True) -> AlertPost:
    return AlertPost(
        incident="inc_1",
        component=Component.STRIPE,
        cause="rate_limit",
        degraded=degraded,
        since=SINCE,
        number=1,
    )


@dataclass
class Chat:
    """A webhook that keeps what it gets and answers as told."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    got: list[Any] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    """What programs are told of each: its code, and what it is about."""

    @property
    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/services/{secret}")
        async def take(secret: str, request: Request) -> Response:
            assert secret == SECRET
            self.got.append(await request.json())
            self.told.append((request.headers["X-Plixo-Alert"], request.headers["X-Plixo-About"]))
            return Response(status_code=self.status, headers=self.headers)

        return app


@pytest.fixture
def chat() -> Chat:
    return Chat()


@pytest.fixture
async def alerts(chat: Chat) -> AsyncIterator[Alerts]:
    async with served(chat.app) as address, httpx.AsyncClient() as web:
        yield Alerts(f"{address}/services/{SECRET}", "https://billing.acme.example/", web)


async def test_it_says_what_is_the_matter_what_that_means_and_where_the_runbook_is(
    alerts: Alerts, chat: Chat
) -> None:
    assert await alerts.post_alert(an_alert())
    [posted] = chat.got
    assert list(posted) == ["text"]
    lines = posted["text"].splitlines()
    assert lines[0].startswith("Plixo: Stripe is degraded: Stripe limits our request rate.")
    assert lines[0].endswith("(since 2026-03-02 15:00 UTC)")
    assert "• Refunds are queued; nothing is lost. Don't issue them in Stripe as well." in lines
    assert lines[-1] == "What to do: https://billing.acme.example/console/incidents/inc_1"
    assert await alerts.post_alert(an_alert(degraded=False))
    assert "It still needs a note" in chat.got[1]["text"]
    assert chat.told == [("incident_degraded", "stripe"), ("incident_recovered", "stripe")]


async def test_a_name_that_no_header_can_bear_is_quoted(alerts: Alerts, chat: Chat) -> None:
    await alerts.say(AlertMessage(AlertCode.WORKFLOW_STUCK, "größe\r\nX-Evil: 1", "Plixo: it is stuck"))
    assert chat.told == [("workflow_stuck", "gr%C3%B6%C3%9Fe%0D%0AX-Evil:%201")]


async def test_a_key_that_lacks_permissions_is_alerted_with_each_and_what_it_stops(
    alerts: Alerts, chat: Chat
) -> None:
    cause = "stripe_permission_missing: rak_charge_write, rak_plan_read"
    alert = an_alert().model_copy(update={"component": Component.STRIPE_KEY, "cause": cause})
    assert await alerts.post_alert(alert)
    lines = chat.got[0]["text"].splitlines()
    assert lines[0].startswith(
        "Plixo: Plixo's key at Stripe lacks rak_charge_write (refunds) and rak_plan_read (plan changes, and "
        "reading prices). Only what needs it is held; everything else works"
    )
    assert "• What needs it is held until rak_plan_read is granted; nothing is lost." in lines


@pytest.mark.parametrize(
    ("status", "final", "code"),
    [(503, False, "alert_later"), (429, False, "alert_later"), (404, True, "alert_refused")],
)
async def test_what_it_refuses_for_good_is_given_up_and_nothing_tells_its_address(
    alerts: Alerts, chat: Chat, status: int, final: bool, code: str
) -> None:
    chat.status, chat.headers = status, {"Retry-After": "7"}
    with pytest.raises(ApplicationError) as raised:
        await alerts.post_alert(an_alert())
    assert (raised.value.non_retryable, raised.value.type) == (final, code)
    assert raised.value.next_retry_delay == timedelta(seconds=7)
    assert SECRET not in str(raised.value)


async def test_one_that_is_away_is_tried_again_and_none_at_all_is_no_error() -> None:
    async with httpx.AsyncClient() as web:
        with pytest.raises(ApplicationError) as raised:
            await Alerts(f"http://127.0.0.1:9/{SECRET}", "https://x", web).post_alert(an_alert())
        assert not raised.value.non_retryable
        assert SECRET not in str(raised.value)
        assert raised.value.__cause__ is None
        assert not await Alerts(None, "https://x", web).post_alert(an_alert())
