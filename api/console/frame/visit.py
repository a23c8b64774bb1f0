"""Somebody's look at a page: who they are, what they asked for, and the answer that they get."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import Response

from ...http.auth import AnyCaller, Caller
from ...http.context import Context, InContext
from .calls import send
from .forms import Form
from .page import page
from .shell import InShell, Shell
from .subjects import About, Document, about, headlines


@dataclass(frozen=True)
class PageVisit:
    """A request for a page with all that handlers need of it: `caller` and `context` as the API's routes
    take them, and what is around the page."""

    request: Request
    caller: Caller
    context: Context
    shell: Shell

    def page(self, name: str, *, title: str, form: Form | None = None, **values: Any) -> Response:
        """The page of a template; with the status of what was refused, if the form was."""
        status = form.status if form is not None and form.refused else 200
        return page(self.request, self.shell, name, title=title, status=status, form=form, **values)

    async def send(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        method: str = "POST",
    ) -> dict[str, Any]:
        """The API's answer to what a button does. Raises what the route raises; see `Form.submitted`."""
        return await send(self.request, method, path, body, key=key)

    async def names(self, documents: Sequence[Document | None], payments: Collection[str] = ()) -> About:
        """The names of what these subjects and requests mention, and what `payments` have paid."""
        async with self.context.database.reading() as session:
            return await about(session, self.caller.organization, self.shell.plans, documents, payments)

    async def headlines(self, operations: Collection[str]) -> Mapping[str, str]:
        """What these operations are called, by their ids."""
        async with self.context.database.reading() as session:
            return await headlines(session, self.caller.organization, self.shell.plans, operations)


async def _visit(request: Request, caller: AnyCaller, context: InContext, shell: InShell) -> PageVisit:
    return PageVisit(request, caller, context, shell)


InVisit = Annotated[PageVisit, Depends(_visit)]
