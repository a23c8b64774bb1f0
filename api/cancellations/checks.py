"""What is known to be impossible of a cancellation without Stripe; the workflow asks Stripe itself."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cancellations.cancellation import CancellationWanted, check_wanted
from db.tables import Organization

from ..http.auth import Caller
from ..operations.problems import NOT_SYNCED
from ..problems.problem import ApiProblem


async def check(session: AsyncSession, caller: Caller, wanted: CancellationWanted) -> Organization:
    """The organization whose plan it is. Raises ApiProblem and InvalidRequest."""
    check_wanted(wanted)
    organization = await session.get_one(Organization, caller.organization)
    if organization.subscription is None:
        raise ApiProblem.of(NOT_SYNCED)
    return organization
