"""How calls to each component go, counted in memory and added to the records now and then.

Every process has one meter; together they fill the same buckets, which is what incidents are opened by.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.incidents.health import BUCKET
from billing.incidents.states import Component

from ..core.clock import utc_now
from ..core.session import Database
from ..core.statements import insert_if_new, is_sqlite
from ..tables import HealthCount


@dataclass
class _Count:
    ok: int = 0
    faults: int = 0
    first_fault_at: datetime | None = None
    codes: dict[str, int] = field(default_factory=dict)


class HealthMeter:
    """`ok` and `fault` never wait; `flush` adds what they counted to the records."""

    def __init__(self) -> None:
        self._counted: dict[tuple[Component, datetime], _Count] = {}

    def ok(self, component: Component) -> None:
        """A call was answered as it should be, a definite no included."""
        self._now(component, utc_now()).ok += 1

    def fault(self, component: Component, code: str) -> None:
        """A call failed for a reason that is the component's; `code` is a stable word for it."""
        now = utc_now()
        counted = self._now(component, now)
        counted.faults += 1
        counted.first_fault_at = counted.first_fault_at or now
        counted.codes[code] = counted.codes.get(code, 0) + 1

    async def flush(self, database: Database) -> None:
        """Add what was counted; what can't be written is kept for the next time."""
        if not self._counted:
            return
        counted, self._counted = self._counted, {}
        try:
            async with database.transaction() as session:
                for (component, bucket), one in sorted(counted.items()):
                    await _add(session, component, bucket, one)
        except BaseException:
            for key, one in counted.items():
                self._put_back(key, one)
            raise

    def _now(self, component: Component, now: datetime) -> _Count:
        return self._counted.setdefault((component, bucket_of(now)), _Count())

    def _put_back(self, key: tuple[Component, datetime], one: _Count) -> None:
        kept = self._counted.setdefault(key, _Count())
        kept.ok += one.ok
        kept.faults += one.faults
        kept.first_fault_at = one.first_fault_at or kept.first_fault_at
        for code, number in one.codes.items():
            kept.codes[code] = kept.codes.get(code, 0) + number


def bucket_of(at: datetime) -> datetime:
    """The beginning of the bucket that a moment falls into."""
    return datetime.fromtimestamp(at.timestamp() // BUCKET.total_seconds() * BUCKET.total_seconds(), UTC)


async def _add(session: AsyncSession, component: Component, bucket: datetime, one: _Count) -> None:
    fresh = HealthCount(
        component=component.value,
        bucket=bucket,
        ok=one.ok,
        faults=one.faults,
        first_fault_at=one.first_fault_at,
        codes=dict(one.codes),
    )
    if await insert_if_new(session, fresh) is not None:
        return
    wanted = select(HealthCount).where(
        col(HealthCount.component) == component.value, col(HealthCount.bucket) == bucket
    )
    if not is_sqlite(session):
        wanted = wanted.with_for_update()
    row = (await session.exec(wanted)).one()
    row.ok += one.ok
    row.faults += one.faults
    row.first_fault_at = min(filter(None, (row.first_fault_at, one.first_fault_at)), default=None)
    codes = dict(row.codes)
    for code, number in one.codes.items():
        codes[code] = codes.get(code, 0) + number
    row.codes = codes
