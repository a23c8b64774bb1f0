"""How an attempt to tell Temporal something ended."""

from typing import Literal

from .operations import Message, Problem


class Delivery(Message):
    """`later`: not known to have arrived, send again with the same id. `refused` is final."""

    outcome: Literal["delivered", "refused", "later"]
    problem: Problem | None = None
