"""How much a benchmark does."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """`alone` and `burst` are the changes of one contender in one round."""

    model_config = ConfigDict(frozen=True)

    postgres: bool = False
    rounds: int = 3
    alone: int = 10
    burst: int = 100
    profile: Path | None = None
    """A folder that gets the stacks of `api` and `worker` by CPU time."""
    changes: int = 2000
    """Of the benchmarks that look at a long run."""
    webhooks: int = 10_000
    """Deliveries of Stripe's webhooks."""
    objects: int = 100_000
    """Of a reconciliation, at the end; a tenth of them at first."""
    links: int = 1_000_000
    """Of the largest reminder run."""
    held: int = 300
    """Operations that an incident holds: of `budget` plan changes, of `held` refunds."""
    invoices: int = 50_000
    operations: int = 20_000
    """Behind the pages of the console."""
