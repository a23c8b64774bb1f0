"""What one person and one organization may begin, counted over all processes."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from httpx import Response
from temporalio.client import Client

from api.limits.quotas import Limits
from billing.policy.policy import Policy
from db.core.session import Database
from db.tables import Delegation, Operation, Outbox

from ...support.builders import NOW, Member, Tenant, tenant
from ..conftest import Api, counted, serving
from ..giving import ask

LIMITS = Limits(operations_per_person=3, operations_per_organization=5, delegations_per_person=3)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def wait(self, answer: Response) -> None:
        self.now += timedelta(seconds=int(answer.headers["Retry-After"]))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("operations.service", "approvals.delegations"):
        monkeypatch.setattr(f"api.{module}.utc_now", clock)
    return clock


@pytest.fixture
async def api(database: Database, policy: Policy, no_temporal: Client) -> AsyncIterator[Api]:
    async for api in serving(database, policy, no_temporal, limits=LIMITS):
        yield api


@pytest.fixture
async def another_process(database: Database, policy: Policy, no_temporal: Client) -> AsyncIterator[Api]:
    async for api in serving(database, policy, no_temporal, limits=LIMITS):
        yield api


async def refunds(api: Api, who: Member, *keys: str) -> list[int]:
    return [(await ask(api, who, "refunds", f"{who.id}-{key}")).status_code for key in keys]


async def test_a_person_begins_so_many_operations_a_minute_and_waits_then(
    api: Api, another_process: Api, acme: Tenant, database: Database, clock: Clock
) -> None:
    assert await refunds(api, acme.admin, "1", "2") == [202, 202]
    clock.now += timedelta(seconds=20)
    assert await refunds(another_process, acme.admin, "3", "4") == [202, 429]
    refused = await ask(api, acme.admin, "refunds", f"{acme.admin.id}-4")
    assert (refused.json()["code"], refused.headers["Retry-After"]) == ("too_many_operations", "40")
    assert await counted(database, Operation, Outbox) == [3, 3]
    assert await refunds(api, acme.admin, "1", "3") == [202, 202], "what was begun is answered again"
    clock.wait(refused)
    assert await refunds(api, acme.admin, "4") == [202]


async def test_an_organization_does_not_get_round_it_by_many_people_and_no_other_waits_for_it(
    api: Api, acme: Tenant, database: Database, clock: Clock
) -> None:
    other = await tenant(database)
    assert await refunds(api, acme.admin, "1", "2", "3") == [202] * 3
    assert await refunds(api, acme.controller, "1", "2", "3") == [202, 202, 429]
    assert await refunds(api, other.admin, "1", "2", "3", "4") == [202] * 3 + [429]


async def test_a_person_gives_so_many_delegations_an_hour_and_no_more_mails_go_out(
    api: Api, acme: Tenant, database: Database, clock: Clock
) -> None:
    def away(days: int) -> dict[str, str]:
        return {
            "to": acme.finance.id,
            "ends_at": (NOW + timedelta(days=days)).isoformat(),
            "reason": "On leave.",
        }

    answers = [await api.post("/v1/delegations", acme.controller, away(n + 1)) for n in range(5)]
    assert [answer.status_code for answer in answers] == [201] * 3 + [429] * 2
    assert answers[3].json()["code"] == "too_many_delegations"
    assert answers[3].headers["Retry-After"] == "3600"
    assert await counted(database, Delegation, Outbox) == [3, 3]
    assert (await api.post("/v1/delegations", acme.controller, away(1))).status_code == 201, "the same again"
    clock.wait(answers[3])
    assert (await api.post("/v1/delegations", acme.controller, away(9))).status_code == 201
