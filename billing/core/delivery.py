"""How an attempt to send something ended: to Temporal, or to people by mail."""

from datetime import timedelta
from typing import Literal

from .operations import Message, Problem


class Delivery(Message):
    """`later`: not known to have arrived, send again with the same id. `refused` is final."""

    outcome: Literal["delivered", "refused", "later"]
    problem: Problem | None = None
    after: timedelta | None = None
    """When to send it again; None: ever later."""
    settled: bool = False
    """Whether its row says so already."""
