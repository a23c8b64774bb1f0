"""Lists as files: all that the filters of their pages find, as the API answers it."""

from fastapi import Response

from ..problems.problem import not_found
from .frame.queries import without
from .frame.serving import pages
from .frame.visit import InVisit

router = pages("/lists")

LISTS = frozenset(
    {
        "api-keys",
        "cases",
        "customers",
        "delegations",
        "differences",
        "incidents",
        "notices",
        "people",
        "portal-troubles",
        "reconciliations",
        "reminder-runs",
        "sessions",
    }
)
"""By the name that the API has for it. Lists whose page asks for days, or that are below something else, have
a file of their own."""


@router.get("/{name}/csv")
async def download(name: str, visit: InVisit) -> Response:
    """What the page shows, all of it."""
    if name not in LISTS:
        raise not_found()
    found = await visit.read_csv(f"/v1/{name}?{without(visit.request.query_params)}")
    named = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(found, media_type="text/csv; charset=utf-8; header=present", headers=named)
