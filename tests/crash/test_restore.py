"""The records are restored to a moment that Stripe has gone on from: what was under way is found again,
nothing is done twice, and what the records no longer know becomes a case.

Temporal comes back as it was before that moment, after it, or empty; Stripe has forgotten its keys.
"""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Literal

import pytest
from sqlmodel import select
from temporalio.client import Client
from temporalio.service import RPCError

from billing.evidence.verify import verify
from db.core.session import Database
from db.tables import Intent
from sandbox.stack.policies import restated
from sandbox.stripe.server import restricted_keys

from ..support.house import until
from .postgres import MortalPostgres, mortal_postgres
from .stage import PATIENCE
from .test_database_outage import HURRIED
from .town import Town, town_in

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(600)]

LONGER_THAN_KEYS_LIVE = 25 * 3600
IN_FLIGHT, REVIEWED, FORGOTTEN = 1_000, 55_000, 2_000
"""Amounts of refunds: the second is beyond the requester's authority, the third is asked for afterwards."""

UNDER_WAY = {"method": "POST", "path": "^/v1/refunds$", "fault": "key_in_use", "times": 5}
"""Somebody's earlier attempt is still being carried out, says Stripe: for some seconds."""

TemporalBackup = Literal["older", "newer", "empty"]


class Drill:
    """The product as processes, with a backup of its records and one of Temporal's."""

    def __init__(self, town: Town, postgres: MortalPostgres, folder: Path) -> None:
        self.town, self.postgres, self.folder = town, postgres, folder
        self.records = Database(postgres.url)
        self._temporal = Path(town.info["data_dir"]) / "temporal.db"

    async def permit_plan_changes(self, permitted: bool) -> None:
        names = [name for name in restricted_keys.names() if name != "subscription_write"]
        body = {
            "key": self.town.env["PLIXO_STRIPE_API_KEY"],
            "permissions": None if permitted else names,
        }
        await self.town.control("POST", "keys", body)

    async def refund(self, amount: int) -> str:
        answer = await self.town.refund(amount)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def is_asked_for(self, operation: str) -> bool:
        async with self.records.reading() as session:
            found = await session.exec(select(Intent.state).where(Intent.operation_id == operation))
            return found.all() == ["open"]

    async def refunds(self) -> dict[str, list[str]]:
        """What Stripe has, by operation."""
        answer = await self.town.http.get(
            f"{self.town.info['stripe']}/v1/refunds?limit=100",
            headers={"Authorization": f"Bearer {self.town.env['PLIXO_STRIPE_API_KEY']}"},
        )
        found: dict[str, list[str]] = {}
        for one in answer.json()["data"]:
            found.setdefault(one["metadata"]["plixo_operation"], []).append(one["id"])
        return found

    async def cases(self) -> dict[str, str]:
        """The cases, by what they are about."""
        page = await self.town.get("/v1/cases?limit=100")
        return {one["object"]: one["state"] for one in page["data"]}

    async def check_evidence(self, operation: str) -> None:
        verify(json.dumps(await self.town.get(f"/v1/operations/{operation}/evidence")))

    # --- Backups --------------------------------------------------------------------------------------

    async def back_up_records(self) -> None:
        await self.postgres.run("pg_dump", "--format=custom", f"--file={self.folder / 'plixo.dump'}")

    def back_up_temporal(self) -> None:
        copy = self.folder / "temporal.backup"
        with closing(sqlite3.connect(self._temporal)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)

    async def lose_everything(self) -> None:
        await self.town.kill_all()
        await self.records.dispose()
        await self.postgres.kill()

    async def restore(self, temporal: TemporalBackup) -> None:
        """As docs/operating/backup.md says."""
        await self.postgres.start()
        dump = str(self.folder / "plixo.dump")
        await self.postgres.run("pg_restore", "--clean", "--if-exists", dump)
        await self.town.run("db", "upgrade")
        for file in self._temporal.parent.glob("temporal.db*"):
            file.unlink()
        if temporal != "empty":
            (self.folder / "temporal.backup").rename(self._temporal)
        await self.start_temporal()
        await self.town.run("worker.operations", "take-up", "--because", "The drill of restoring.")
        await self.town.start("api", "worker")
        await self.town.serving()

    async def start_temporal(self) -> None:
        await self.town.start("temporal")

        async def answers() -> bool:
            try:
                client = await Client.connect(self.town.info["temporal"])
                await client.count_workflows()
            except (RuntimeError, RPCError):
                return False
            return True

        await until(answers, lambda: self.town.log("temporal"), PATIENCE)


@pytest.fixture
async def drill(tmp_path: Path) -> AsyncIterator[Drill]:
    policy = tmp_path / "policy.toml"
    policy.write_text(restated(HURRIED), encoding="utf-8")
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(mortal_postgres())
        town = await stack.enter_async_context(town_in(tmp_path, without="api,worker,temporal"))
        town.env = town.env | {"PLIXO_DATABASE_URL": postgres.url, "PLIXO_POLICY_FILE": str(policy)}
        built = Drill(town, postgres, tmp_path)
        await town.run("db", "upgrade")
        await built.start_temporal()
        await town.start("api")
        await town.run("worker.provision", str(tmp_path / "data" / "organization.json"))
        await town.start("worker")
        await town.serving()
        yield built
        await built.records.dispose()


@pytest.mark.parametrize("temporal", ["older", "newer", "empty"])
async def test_after_a_restore_everything_is_done_once_and_nothing_is_lost(
    drill: Drill, temporal: TemporalBackup
) -> None:
    town = drill.town

    def log() -> str:
        return town.log("worker")

    # A plan change that is held, a refund that waits for its approval, one that is on its way to Stripe.
    await drill.permit_plan_changes(False)
    change = (await town.ask("drill")).json()["id"]
    assert (await town.approve(await town.wait(change, "awaiting_approval"))).status_code == 200
    await town.wait(change, "held")
    if temporal == "older":
        drill.back_up_temporal()
    reviewed = await drill.refund(REVIEWED)
    await town.wait(reviewed, "awaiting_approval")
    await town.control("POST", "faults", UNDER_WAY)
    in_flight = await drill.refund(IN_FLIGHT)
    await until(lambda: drill.is_asked_for(in_flight), log, PATIENCE)
    await drill.back_up_records()
    assert await drill.is_asked_for(in_flight)

    # Everything goes on, and is lost.
    assert (await town.approve(await town.get(f"/v1/operations/{reviewed}"))).status_code == 200
    await town.wait(reviewed, "completed")
    forgotten = await drill.refund(FORGOTTEN)
    for refund in (in_flight, forgotten):
        await town.wait(refund, "completed")
    await drill.permit_plan_changes(True)
    await town.wait(change, "completed")
    if temporal == "newer":
        drill.back_up_temporal()
    given, changed = await drill.refunds(), await town.updates()
    assert {operation: len(made) for operation, made in given.items()} == {
        in_flight: 1,
        reviewed: 1,
        forgotten: 1,
    }
    await drill.lose_everything()
    await town.control("POST", "clock", {"advance_seconds": LONGER_THAN_KEYS_LIVE})

    await drill.restore(temporal)
    for operation in (change, in_flight):
        await town.wait(operation, "completed")
    again = await town.wait(reviewed, "awaiting_approval")
    approved = await town.approve(again)
    assert approved.status_code == 200, approved.text
    done = await town.wait(reviewed, "completed")

    async def told() -> bool:
        return given[forgotten][0] in await drill.cases()

    await until(told, log, PATIENCE)
    assert await drill.refunds() == given
    assert await town.updates() == changed
    assert done["result"]["refund"] == given[reviewed][0]
    assert given[in_flight][0] not in await drill.cases()
    assert (
        await town.http.get(f"/v1/operations/{forgotten}", headers=town.key("auditor"))
    ).status_code == 404
    for operation in (change, in_flight, reviewed):
        await drill.check_evidence(operation)
