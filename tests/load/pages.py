"""The controller looks at the console's pages, all the time."""

import asyncio
import itertools
from datetime import timedelta

from api.sign_in.sessions import COOKIE
from billing.core.keys import UNPEPPERED
from db.core.clock import utc_now
from db.sign_in import sessions
from db.tables import Person

from .stage import LoadStage

PAGES = ("", "invoices", "customers", "approvals", "operations", "finance", "incidents")
PAUSE = 0.3
"""Seconds between two looks."""


async def look_at_pages(stage: LoadStage) -> None:
    """Until it is cancelled."""
    cookie = {"Cookie": f"{COOKIE}={await _signed_in(stage)}"}
    for page in itertools.cycle(PAGES):
        answer = await stage.patiently("GET", None, f"/console/{page}", cookie)
        assert answer.status_code == 200, f"{page}: {answer.status_code}"
        await asyncio.sleep(PAUSE)


async def _signed_in(stage: LoadStage) -> str:
    now = utc_now()
    async with stage.records.transaction() as session:
        seen = await sessions.begin(
            session,
            UNPEPPERED,
            await session.get_one(Person, stage.info["people"]["controller"]["person"]),
            how="operator",
            address="192.0.2.1",
            user_agent=None,
            at=now,
            expires_at=now + timedelta(days=1),
        )
    return seen.secret
