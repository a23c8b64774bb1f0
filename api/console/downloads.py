"""Lists as files: all that the filters of their pages find, as the API answers it, streamed."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..approvals import delegations, notices
from ..approvals.schemas import DelegationsQuery
from ..cases import routes as cases
from ..cases.schemas import CasesQuery
from ..customers import routes as customers
from ..customers.schemas import CustomersQuery
from ..http.models import NoticesQuery, Query
from ..incidents import routes as incidents
from ..incidents.schemas import IncidentsQuery
from ..mirror import differences, reconciliations
from ..mirror.schemas import DifferencesQuery, ReconciliationsQuery
from ..money import disputes
from ..money.schemas import DisputesQuery
from ..people import keys, reads
from ..people import routes as people
from ..people.schemas import KeysQuery, PeopleQuery, ReadsQuery
from ..portal_admin import troubles
from ..problems.problem import not_found
from ..reminders import runs
from ..reminders.schemas import RunsQuery
from .frame.calls import wanting_csv
from .frame.queries import read_query
from .frame.serving import pages
from .frame.visit import InVisit

router = pages("/lists")


class ListFile(NamedTuple):
    """A list of the API, and what its address can ask for."""

    route: Any
    query: type[Query]


LISTS: Mapping[str, ListFile] = {
    "api-keys": ListFile(keys.list_keys, KeysQuery),
    "cases": ListFile(cases.list_cases, CasesQuery),
    "customers": ListFile(customers.list_customers, CustomersQuery),
    "delegations": ListFile(delegations.list_delegations, DelegationsQuery),
    "differences": ListFile(differences.list_differences, DifferencesQuery),
    "disputes": ListFile(disputes.list_disputes, DisputesQuery),
    "incidents": ListFile(incidents.list_incidents, IncidentsQuery),
    "notices": ListFile(notices.list_notices, NoticesQuery),
    "people": ListFile(people.list_people, PeopleQuery),
    "portal-troubles": ListFile(troubles.list_troubles, troubles.TroublesQuery),
    "reads": ListFile(reads.list_reads, ReadsQuery),
    "reconciliations": ListFile(reconciliations.list_runs, ReconciliationsQuery),
    "reminder-runs": ListFile(runs.list_runs, RunsQuery),
}
"""By the name that the API has for it. Lists whose page asks for days, or that are below something else, have
a file of their own, and so have sessions."""


@router.get("/{name}/csv")
async def download(name: str, visit: InVisit) -> Any:
    """What the page shows, all of it."""
    if name not in LISTS:
        raise not_found()
    found = LISTS[name]
    query = read_query(found.query, visit.request.query_params)
    return await found.route(query, wanting_csv(visit.request), visit.caller, visit.context)
