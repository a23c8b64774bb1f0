"""Makes the root of each day, and looks whether what earlier roots stand for is still there.

A root closes a UTC day soon after it is over: one boundary for all organizations, which no change to summer
time moves, so that who compares the roots of several sees the same days. What counts is what was recorded
when the root is made, whatever its time says. Days on which no worker ran have no root of their own.
"""

import asyncio
import logging
from datetime import timedelta

from activities.incidents.alerts import AlertCode, AlertMessage
from billing.evidence.seals.roots import SealedHead, SignedRoot, seal
from billing.evidence.seals.signing import Signer, SigningFailed
from db.core.clock import Clock, utc_now
from db.core.session import AWAY, Database
from db.evidence import roots
from db.incidents import turns

from ..watch.reaper import Alert, no_alert

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=10)
"""How often one of all workers looks whether a day is over."""
LOOK_EVERY = 60.0
"""Seconds."""
PAGE = 500
"""Operations of one snapshot."""
NAMED = 20
"""Operations that an alert names."""


class DailyRoots:
    """`run` is the process's loop; `look` is one round of it."""

    def __init__(
        self,
        database: Database,
        signer: Signer | None,
        alert: Alert = no_alert,
        clock: Clock = utc_now,
    ) -> None:
        self._database, self._signer, self._alert, self._clock = database, signer, alert, clock

    async def run(self) -> None:
        """Until it is cancelled; whatever fails is tried again."""
        if self._signer is None:
            log.warning(
                "PLIXO_SIGNING_KEY_FILE is not set: no daily roots are made, and evidence that somebody with "
                "access to the database removes is not missed"
            )
            return
        while True:
            try:
                if await turns.take(self._database, "seals", EVERY, self._clock):
                    await self.look()
            except (*AWAY, SigningFailed) as error:
                log.warning("could not make the day's roots: %s", type(error).__name__)
            except Exception:
                log.exception("could not make the day's roots")
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> int:
        """Makes the roots of the day that is over, and returns how many.

        Raises SigningFailed, and what the records raise while they are away.
        """
        if self._signer is None:
            return 0
        day = (self._clock() - timedelta(days=1)).date()
        async with self._database.reading() as session:
            due = await roots.due(session, day)
        made = 0
        for organization in due:
            made += await self._seal(organization, self._signer)
        if made:
            log.info("made the roots of %s: %d", day, made)
            await self._see_what_is_lost()
        return made

    async def _seal(self, organization: str, signer: Signer) -> bool:
        at = self._clock()
        async with self._database.reading() as session:
            before: SignedRoot | None = await roots.last(session, organization)
        heads: list[SealedHead] = []
        last: dict[str, SealedHead] = {}
        while True:
            after = heads[-1].operation if heads else ""
            async with self._database.snapshot() as session:
                moved = await roots.moved(session, organization, after, PAGE)
            heads += moved.heads
            last |= moved.last
            if len(moved.heads) < PAGE:
                break
        day = (at - timedelta(days=1)).date()
        root = await seal(organization, day, at, before, heads, last, signer)
        async with self._database.transaction() as session:
            return await roots.keep(session, root, heads, signer.public_key)

    async def _see_what_is_lost(self) -> None:
        async with self._database.reading() as session:
            lost = await roots.lost(session, NAMED)
        if not lost:
            return
        named = list(dict.fromkeys(row.operation_id for row in lost))
        log.error("evidence was removed or rewritten: %s", ", ".join(named))
        text = "\n".join(
            [
                "Plixo: evidence was removed or rewritten in the database",
                *(f"• {operation}" for operation in named),
                "What to do: run python -m worker.evidence, and compare with roots that were kept elsewhere",
            ]
        )
        await self._alert(AlertMessage(AlertCode.EVIDENCE_LOST, ",".join(named), text))
