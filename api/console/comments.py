"""The thread on an operation, as pages have it: what was said, and the form that adds to it."""

from collections.abc import Sequence

from ..operations import comments
from ..operations.comments import CommentAnswer
from .frame.forms import Form, form_of
from .frame.visit import PageVisit


async def thread(visit: PageVisit, operation: str) -> Sequence[CommentAnswer]:
    """Everything that was said about what the reader sees, the oldest first."""
    async with visit.context.database.reading() as session:
        return await comments.thread(session, operation)


async def say(visit: PageVisit, operation: str) -> Form:
    """Sends what was typed on; the form, with what the API refuses of it."""
    form = await form_of(visit.request)
    with form.submitted():
        await visit.send(f"/v1/operations/{operation}/comments", form.body("text"))
    return form
