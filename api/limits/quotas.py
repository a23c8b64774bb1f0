"""How much one person, and one organization, may begin: nobody fills the others' queues or mailboxes."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from db.core import paces
from db.core.session import Database
from db.operations import begun
from db.operations.begun import StartCount

from ..problems.catalogue import ProblemType
from ..problems.problem import ApiProblem
from .problems import TOO_MANY_DELEGATIONS, TOO_MANY_OPERATIONS, TOO_MANY_QUOTES

OPERATIONS_WITHIN = timedelta(minutes=1)
QUOTES_WITHIN = timedelta(minutes=1)
DELEGATIONS_WITHIN = timedelta(hours=1)


@dataclass(frozen=True)
class Limits:
    """So many operations and quotes a minute, delegations an hour; None is without end."""

    operations_per_person: int | None = None
    operations_per_organization: int | None = None
    quotes_per_person: int | None = None
    quotes_per_organization: int | None = None
    delegations_per_person: int | None = None

    async def check_operations(
        self, session: AsyncSession, organization: str, person: str, at: datetime
    ) -> None:
        """With the one that is just being begun. Raises ApiProblem `too_many_operations`."""
        theirs, everybodys = await begun.operations(session, organization, person, at - OPERATIONS_WITHIN)
        for done, most, subject in (
            (theirs, self.operations_per_person, "You can"),
            (everybodys, self.operations_per_organization, "Your organization can"),
        ):
            if most is not None and done.number > most:
                detail = (
                    f"{subject} start {most} operations per minute. Nothing was started; try again later."
                )
                raise _refused(TOO_MANY_OPERATIONS, detail, done, OPERATIONS_WITHIN, at)

    async def check_delegations(
        self, session: AsyncSession, organization: str, person: str, at: datetime
    ) -> None:
        """Before one more is given. Raises ApiProblem `too_many_delegations`."""
        recent = await begun.delegations(session, organization, person, at - DELEGATIONS_WITHIN)
        most = self.delegations_per_person
        if most is not None and recent.number >= most:
            detail = f"You can create {most} delegations per hour. Nothing was created; try again later."
            raise _refused(TOO_MANY_DELEGATIONS, detail, recent, DELEGATIONS_WITHIN, at)


class QuoteLimits:
    """How many quotes a person, and an organization, may get a minute, all of them at once if need be.

    A quote leaves no row to count, so that is one of its own.
    """

    def __init__(self, limits: Limits, database: Database) -> None:
        self._limits, self._database = limits, database

    async def check(self, organization: str, person: str) -> None:
        """With the one that is just being asked for. Raises ApiProblem `too_many_quotes`."""
        theirs, everybodys = self._limits.quotes_per_person, self._limits.quotes_per_organization
        within = QUOTES_WITHIN.total_seconds()
        for key, most, subject in (
            (person, theirs, "You can"),
            (organization, everybodys, "Your organization can"),
        ):
            if most is None:
                continue
            async with self._database.statement() as session:
                wait = await paces.take(session, f"quotes {key}", cost=within / most, burst=within)
            if wait:
                detail = f"{subject} get {most} quotes per minute. Nothing was read; try again later."
                raise ApiProblem(TOO_MANY_QUOTES, detail, headers={"Retry-After": str(math.ceil(wait))})


def _refused(
    type_: ProblemType, detail: str, done: StartCount, within: timedelta, at: datetime
) -> ApiProblem:
    """There is room again when the earliest of them is long enough ago."""
    wait = (done.first or at) + within - at
    return ApiProblem(type_, detail, headers={"Retry-After": str(max(1, math.ceil(wait.total_seconds())))})
