"""What the routes of all kinds of operations have in common: how one is started, and how it is commanded."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Response

from billing.core.events import EventCode
from billing.core.messages import Cancel
from billing.core.operations import Kind, Message

from ..http import idempotency
from ..http.auth import Caller
from ..http.context import InContext
from ..http.examples import example
from ..http.examples import pending as in_progress
from ..http.ids import Id
from ..http.models import CancelBody, OperationAnswer
from ..http.openapi import TOLD, WITH_BODY, WITH_KEY, answers, body_example
from ..problems.catalogue import ProblemType
from ..problems.common import ROLE_MISSING
from . import service
from .problems import NOT_CANCELLABLE, NOT_PAUSABLE, NOT_RESUMABLE
from .service import Command

Handler = TypeVar("Handler", bound=Callable[..., Any])

_COMMENT_COMMANDS = {
    "cancel": (EventCode.CANCELLATION_REQUESTED, NOT_CANCELLABLE),
    "pause": (EventCode.PAUSE_REQUESTED, NOT_PAUSABLE),
    "resume": (EventCode.RESUME_REQUESTED, NOT_RESUMABLE),
}
"""The event of each, and the problem when it is not possible."""


def start_route(
    router: APIRouter,
    *problems: ProblemType,
    summary: str,
    description: str | None = None,
    body: str,
    accepted: str,
) -> Callable[[Handler], Handler]:
    """The POST that starts an operation.

    `problems` are those of its own; `body` and `accepted` name examples.
    """
    return router.post(
        "",
        status_code=202,
        summary=summary,
        description=description,
        responses=answers(
            {202: example(accepted)},
            *WITH_BODY,
            *WITH_KEY,
            ROLE_MISSING,
            *problems,
            headers={202: ("Location", "Idempotent-Replayed")},
        ),
        openapi_extra={"parameters": [idempotency.PARAMETER], **body_example(example(body))},
    )


def command_route(
    router: APIRouter,
    path: str,
    *problems: ProblemType,
    summary: str,
    description: str | None = None,
    name: str | None = None,
    body: str | None = None,
    done: str,
    pending: str,
) -> Callable[[Handler], Handler]:
    """A POST under an operation that passes a command on: 200 with `done`, or 202 with `pending`.

    `problems` are those of its own; `body`, `done` and `pending` name examples. Without `body` it takes none.
    """
    return router.post(
        f"/{{id}}/{path}",
        name=name,
        summary=summary,
        description=description,
        responses=answers(
            {200: example(done), 202: in_progress(example(pending))},
            *(WITH_BODY if body else ()),
            *TOLD,
            *problems,
            also=(202, OperationAnswer),
        ),
        openapi_extra=body_example(example(body)) if body else None,
    )


def add_comment_command(
    router: APIRouter,
    kind: Kind,
    action: str,
    *problems: ProblemType,
    by: Callable[..., Any],
    message: Callable[..., Message] = Cancel,
    body: str = "operations/cancel_body",
    **described: Any,
) -> None:
    """Register to cancel, pause or resume an operation, which says no more than who does and perhaps why.

    `by` is the dependency that finds a caller who may; `message` is made of `person` and `comment`;
    `described` is what `command_route` takes.
    """
    event, impossible = _COMMENT_COMMANDS[action]

    @command_route(router, action, impossible, *problems, name=action, body=body, **described)
    async def send(
        id: Id,
        caller: Annotated[Caller, Depends(by)],
        context: InContext,
        response: Response,
        body: CancelBody | None = None,
    ) -> OperationAnswer:
        comment = body.comment if body else None
        sent = message(person=caller.person, comment=comment)
        command = Command(action, sent, event, {"comment": comment})
        return await service.send_command(context, caller, kind, id, command, response)
