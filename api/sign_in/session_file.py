"""The list of sessions as a file, for their page in the console, which sign-in is built upon."""

from typing import Annotated, Any

from fastapi import Depends

from ..console.frame.calls import wanting_csv
from ..console.frame.queries import asked
from ..console.frame.serving import pages
from ..console.frame.visit import InVisit
from .schemas import SessionsQuery
from .session_routes import list_sessions

router = pages("/admin/sessions")


@router.get("/csv")
async def download(query: Annotated[SessionsQuery, Depends(asked(SessionsQuery))], visit: InVisit) -> Any:
    """All that the page's filters find."""
    return await list_sessions(query, wanting_csv(visit.request), visit.caller, visit.context)
