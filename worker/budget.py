"""`python -m worker.budget [--per-second N | --reset]`: shows or sets the rate of our requests to Stripe.

Every worker applies it from its next request on, without a restart. Who set it, and when, is recorded.
"""

import asyncio
import getpass
import sys
import time
from typing import Annotated

import typer

from db.core.clock import utc_now
from db.core.session import Database
from db.stripe import budget as stripe_budgets
from db.tables import StripeBudget
from settings.settings import InvalidSettings, load

FASTEST = 1000.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    per_second: Annotated[
        float | None,
        typer.Option(min=0.1, max=FASTEST, help="requests per second, instead of the policy's"),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="use the policy's rate again")] = False,
    by: Annotated[str | None, typer.Option(help="who sets it; default: the logged-in user")] = None,
) -> None:
    """Show the rate of requests to Stripe, or set it for all workers."""
    if per_second is not None and reset:
        raise typer.BadParameter("give --per-second or --reset, not both")
    try:
        settings, policy = load()
    except InvalidSettings as error:
        print("Fix these settings:", *error.problems, sep="\n  ", file=sys.stderr)
        raise typer.Exit(2) from error
    change = (per_second,) if per_second is not None or reset else None
    budget = asyncio.run(_changed(settings.database_url, change, by or getpass.getuser()))
    for line in told(budget, policy.stripe.requests_per_second, time.time()):
        print(line)


async def _changed(database_url: str, change: tuple[float | None] | None, by: str) -> StripeBudget:
    """The budget after the change, if there is one."""
    database = Database(database_url)
    try:
        if change is not None:
            async with database.transaction() as session:
                await stripe_budgets.set_rate(session, change[0], by=by, at=utc_now())
        async with database.reading() as session:
            return await stripe_budgets.read(session)
    finally:
        await database.dispose()


def told(budget: StripeBudget, policy_rate: float, now: float) -> list[str]:
    """What holds at the moment `now` (seconds since 1970), one thing a line."""
    operators = budget.requests_per_second
    pace = stripe_budgets.pace(policy_rate, operators, budget.slowed_to)
    source = "set by an operator" if operators else "from the policy"
    lines = [f"{pace:g} requests per second ({operators or policy_rate:g} {source})"]
    if budget.set_at is not None:
        what = "set" if operators else "reset to the policy's rate"
        lines.append(f"{what} by {budget.set_by} at {budget.set_at:%Y-%m-%d %H:%M:%S} UTC")
    if budget.slowed_to is not None:
        lines.append(f"slowed to {budget.slowed_to:.3g} by Stripe's rate limit; recovering")
    if budget.paused_until > now:
        lines.append(f"paused for another {budget.paused_until - now:.1f} s: {budget.pause_reason}")
    if budget.held_since is not None:
        lines.append(f"held since {budget.held_since:%Y-%m-%d %H:%M:%S} UTC: an incident is open")
    return lines


if __name__ == "__main__":
    app()
