"""`python -m worker.budget`: the pace is seen and set while everything runs."""

from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from db.core.session import Database
from db.stripe import budget as stripe_budgets
from db.tables import StripeBudget
from worker import budget


def run(*arguments: str) -> list[str]:
    found = CliRunner().invoke(budget.app, arguments)
    assert found.exit_code == 0, found.output
    return found.output.splitlines()


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_an_operator_sets_the_pace_and_takes_it_back(
    sqlite_databases: object, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIXO_DATABASE_URL", database_url)
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_plixo")
    assert run() == ["20 requests per second (20 from the policy)"]
    lines = run("--per-second", "5", "--by", "ops")
    assert lines[0] == "5 requests per second (5 set by an operator)"
    assert lines[1].startswith("set by ops at ")
    assert run()[0] == lines[0]
    lines = run("--reset", "--by", "night shift")
    assert lines[0] == "20 requests per second (20 from the policy)"
    assert lines[1].startswith("reset to the policy's rate by night shift at ")
    assert CliRunner().invoke(budget.app, ["--reset", "--per-second", "5"]).exit_code == 2
    assert CliRunner().invoke(budget.app, ["--per-second", "0"]).exit_code == 2


def test_what_slows_or_stops_requests_is_told() -> None:
    row = StripeBudget(
        id=stripe_budgets.ACCOUNT,
        slowed_to=12.5,
        paused_until=1010.0,
        pause_reason="global-rate",
        held_since=datetime(2026, 4, 16, 12, tzinfo=UTC),
    )
    assert budget.told(row, 20.0, now=1000.0) == [
        "12.5 requests per second (20 from the policy)",
        "slowed to 12.5 by Stripe's rate limit; recovering",
        "paused for another 10.0 s: global-rate",
        "held since 2026-04-16 12:00:00 UTC: an incident is open",
    ]


async def test_a_pace_that_is_set_forgets_the_slowing(database: Database) -> None:
    async with database.transaction() as session:
        await stripe_budgets.pause(session, 20.0, seconds=0, reason="global-rate", slow_down=True, sent_ago=0)
        await stripe_budgets.set_rate(session, 8.0, by="ops", at=datetime.now(UTC))
        row = await stripe_budgets.read(session)
    assert (row.requests_per_second, row.slowed_to, row.set_by) == (8.0, None, "ops")
