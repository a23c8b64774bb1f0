"""How much one person, and one organization, may begin: nobody fills the others' queues or mailboxes."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from db.core import begun
from db.core.begun import StartCount

from ..problems.catalogue import ProblemType
from ..problems.problem import ApiProblem
from .problems import TOO_MANY_DELEGATIONS, TOO_MANY_OPERATIONS

OPERATIONS_WITHIN = timedelta(minutes=1)
DELEGATIONS_WITHIN = timedelta(hours=1)


@dataclass(frozen=True)
class Limits:
    """So many operations a minute, delegations an hour; None is without end."""

    operations_per_person: int | None = None
    operations_per_organization: int | None = None
    delegations_per_person: int | None = None

    async def check_operations(
        self, session: AsyncSession, organization: str, person: str, at: datetime
    ) -> None:
        """With the one that is just being begun. Raises ApiProblem `too_many_operations`."""
        theirs, everybodys = await begun.operations(session, organization, person, at - OPERATIONS_WITHIN)
        for done, most, who in (
            (theirs, self.operations_per_person, "You can"),
            (everybodys, self.operations_per_organization, "Your organization can"),
        ):
            if most is not None and done.number > most:
                detail = (
                    f"{who} start {most} operations per minute. Nothing was started; "
                    "retry after the time in Retry-After."
                )
                raise _refused(TOO_MANY_OPERATIONS, detail, done, OPERATIONS_WITHIN, at)

    async def check_delegations(
        self, session: AsyncSession, organization: str, person: str, at: datetime
    ) -> None:
        """Before one more is given. Raises ApiProblem `too_many_delegations`."""
        given = await begun.delegations(session, organization, person, at - DELEGATIONS_WITHIN)
        most = self.delegations_per_person
        if most is not None and given.number >= most:
            detail = (
                f"You can create {most} delegations per hour. Nothing was created; "
                "retry after the time in Retry-After."
            )
            raise _refused(TOO_MANY_DELEGATIONS, detail, given, DELEGATIONS_WITHIN, at)


def _refused(
    type_: ProblemType, detail: str, done: StartCount, within: timedelta, at: datetime
) -> ApiProblem:
    """There is room again when the earliest of them is long enough ago."""
    wait = (done.first or at) + within - at
    return ApiProblem(type_, detail, headers={"Retry-After": str(max(1, math.ceil(wait.total_seconds())))})
