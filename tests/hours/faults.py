"""Bad minutes of Stripe's and the mail server's, drawn by a seed, which always gives the same ones."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from .stage import Stage

REASONS = ("global-rate", "endpoint-rate", "global-concurrency", "endpoint-concurrency", "resource-specific")
PASSING = (
    "rate_limit",
    "lock_timeout",
    "key_in_use",
    "error_before",
    "error_after",
    "drop_before",
    "drop_after",
    "bad_gateway",
    "delay",
    "decline",
)
"""Each hits a few requests of one kind."""
LASTING = ("rate_limit", "error_before", "drop_before", "bad_gateway")
"""Each hits every request for a while: nothing is executed meanwhile."""
PATHS = (
    "^/v1/",
    "^/v1/refunds",
    "^/v1/subscriptions",
    "^/v1/customers",
    "^/v1/invoices",
    "^/v1/payment_intents",
    "^/v1/credit_notes",
)
OUTAGE = "^/v1/"
MODES = ("normal", "normal", "duplicate", "reorder", "hold", "drop")


@dataclass(frozen=True)
class Episode:
    """What goes wrong, and for how long (seconds of the test); `quiet` is how long all is well before."""

    quiet: float
    lasts: float
    fault: dict[str, Any] = field(default_factory=dict)
    mails: int = 0
    """So many mails are not taken."""
    events: str = "normal"
    """How Stripe's events come meanwhile."""


def episodes(seed: int, seconds: float) -> Iterator[Episode]:
    """Until the time is over: passing ones, and outages that open an incident."""
    dice = random.Random(seed)
    left, number = seconds, 0
    while left > 0:
        number += 1
        # The second is an outage in any case, and then every fourth or so: each test has its incidents.
        outage = number == 2 or dice.random() < 0.25
        one = _outage(dice) if outage else _passing(dice)
        left -= one.quiet + one.lasts
        yield one


def _outage(dice: random.Random) -> Episode:
    fault: dict[str, Any] = {"fault": dice.choice(LASTING), "path": OUTAGE, "times": None}
    if fault["fault"] == "rate_limit":
        fault["reason"] = dice.choice(REASONS[:1] + REASONS[2:3])
    return Episode(quiet=dice.uniform(1, 3), lasts=dice.uniform(6, 9), fault=fault)


def _passing(dice: random.Random) -> Episode:
    kind = dice.choice(PASSING)
    fault: dict[str, Any] = {"fault": kind, "path": dice.choice(PATHS), "times": dice.randint(1, 6)}
    if kind in ("error_after", "drop_after", "decline", "key_in_use") or dice.random() < 0.5:
        fault["method"] = "POST"
    if kind == "rate_limit":
        fault["reason"] = dice.choice(REASONS)
        if dice.random() < 0.5:
            fault["retry_after"] = 1
    if kind == "delay":
        fault["delay_ms"] = dice.choice((200, 1500))
    return Episode(
        quiet=dice.uniform(0.2, 1.5),
        lasts=dice.uniform(0.5, 2),
        fault=fault,
        mails=dice.choice((0, 0, 3)),
        events=dice.choice(MODES),
    )


async def play(stage: Stage, seed: int, seconds: float) -> list[Episode]:
    """All of them, one after the other; afterwards all is well."""
    played = []
    async with httpx.AsyncClient(base_url=stage.info["mail"], trust_env=False, timeout=10) as mail:
        for one in episodes(seed, seconds):
            await asyncio.sleep(one.quiet)
            await stage.control("faults", one.fault)
            await stage.control("webhooks", {"mode": one.events})
            if one.mails:
                (await mail.post("/faults", json={"code": 451, "times": one.mails})).raise_for_status()
            await asyncio.sleep(one.lasts)
            await stage.control("faults", method="DELETE")
            await stage.control("webhooks", {"mode": "normal"})
            played.append(one)
        (await mail.post("/faults", json={"code": 451, "times": 0})).raise_for_status()
    return played
