"""The routes that all requests for money have in common: they are asked for and seen to alike."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Response

from billing.core.events import EventCode
from billing.core.operations import Kind, Message
from billing.money.credit import CreditInput, CreditWanted, ReviseCredit
from billing.money.refund import RefundInput, RefundWanted, ReviseRefund
from billing.money.waiver import ReviseWaiver, WaiverInput, WaiverWanted
from billing.quotes.quote import CreditQuote, RefundQuote, WaiverQuote

from ..http.auth import Giver, giver
from ..http.context import InContext
from ..http.idempotency import IdempotencyKey
from ..http.ids import Id
from ..http.models import OperationAnswer
from ..notes import service as notes
from ..notes.problems import NOTES_FULL
from ..notes.routes import add_note_routes
from ..operations import service
from ..operations.common_routes import add_comment_command, command_route, start_route
from ..operations.problems import NOT_REVISABLE, TOO_LATE
from ..operations.service import Command
from ..problems.catalogue import ProblemType
from ..quotes.problems import WITH_QUOTE
from ..quotes.service import named_quote
from . import checks

_INPUTS: Mapping[Kind, Callable[..., Message]] = {
    Kind.REFUND: RefundInput,
    Kind.CREDIT: CreditInput,
    Kind.VOID: WaiverInput,
    Kind.WRITE_OFF: WaiverInput,
}
_REVISIONS: Mapping[Kind, Callable[..., Message]] = {
    Kind.REFUND: ReviseRefund,
    Kind.CREDIT: ReviseCredit,
    Kind.VOID: ReviseWaiver,
    Kind.WRITE_OFF: ReviseWaiver,
}

_QUOTES: Mapping[Kind, type[RefundQuote | CreditQuote | WaiverQuote]] = {
    Kind.REFUND: RefundQuote,
    Kind.CREDIT: CreditQuote,
    Kind.VOID: WaiverQuote,
    Kind.WRITE_OFF: WaiverQuote,
}

_ANSWERED = """
Answers as soon as the request and its note are recorded. It ends as `blocked` if Stripe can't do it. A
request within your authority proceeds without review; a request beyond it needs approval.

With a `quote`, it is exactly what the quote showed, or it ends as `blocked` with the code `quote_outdated`
and nobody is asked."""


MoneyWanted = RefundWanted | CreditWanted | WaiverWanted


class MoneyRequest(NamedTuple):
    """What is asked for, and the quote of exactly that, if one is named."""

    wanted: MoneyWanted
    quote: str | None


def add_money_routes(
    router: APIRouter,
    kind: Kind,
    *problems: ProblemType,
    read_request: Callable[..., Any],
    read_wanted: Callable[..., Any],
    description: str,
    cancel_description: str,
) -> None:
    """Register how one kind is asked for, cancelled, revised and noted.

    `read_request` is the dependency that reads a new request from the body, `read_wanted` that of a revision,
    which names no quote; `problems` are what can be wrong with either.
    """

    @start_route(
        router,
        *problems,
        *WITH_QUOTE,
        summary=f"Request {kind.a_noun}",
        description=f"{description}\n{_ANSWERED}",
        body=f"money/{kind}_body",
        accepted=f"money/accepted_{kind}",
    )
    async def ask(
        request: Annotated[MoneyRequest, Depends(read_request)],
        caller: Giver,
        key: IdempotencyKey,
        context: InContext,
        response: Response,
    ) -> OperationAnswer:
        wanted = request.wanted
        checks.check_in_itself(wanted)
        draft = service.draft(context, caller, kind, wanted, key=key, quote=request.quote)
        quote = await named_quote(context, draft, request.quote, _QUOTES[kind])
        async with context.database.transaction() as session:
            started = await service.find_repeated(session, draft)
            if started is None:
                await checks.check_by_mirror(session, caller, wanted)
                workflow_input = _INPUTS[kind](
                    operation=draft.id,
                    organization=draft.organization_id,
                    requested_by=draft.requested_by,
                    wanted=wanted,
                    note=notes.first_message(draft, wanted.note),
                    policy=context.policy,
                    quoted=quote.subject if quote is not None else None,
                )
                started = await service.start_operation(
                    session,
                    context,
                    draft,
                    rows=[notes.first(draft, wanted.note)],
                    workflow_input=workflow_input,
                )
        return service.answer_started(context, caller, started, response)

    add_comment_command(
        router,
        kind,
        "cancel",
        TOO_LATE,
        by=giver,
        summary=f"Cancel {kind.a_noun}",
        description=cancel_description,
        done=f"money/cancelled_{kind}",
        pending=f"money/{kind}_in_review",
    )

    @command_route(
        router,
        "revision",
        NOT_REVISABLE,
        NOTES_FULL,
        *problems,
        summary=f"Revise {kind.a_noun}",
        body=f"money/{kind}_body",
        done=f"money/{kind}_in_review",
        pending=f"money/{kind}_in_review",
    )
    async def revise(
        id: Id,
        wanted: Annotated[MoneyWanted, Depends(read_wanted)],
        caller: Giver,
        context: InContext,
        response: Response,
    ) -> OperationAnswer:
        """Send the complete request again. It is checked and, if necessary, reviewed again.

        If the note differs, it is added to the earlier ones.
        """
        checks.check_in_itself(wanted)
        async with context.database.transaction() as session:
            operation = await service.locked_for(session, caller, kind, id, "revise")
            await checks.check_by_mirror(session, caller, wanted)
            note = await notes.find_or_add(session, operation, caller, wanted.note)
            message = _REVISIONS[kind](person=caller.person, wanted=wanted, note=note)
            detail = wanted.model_dump(mode="json")
            command = Command("revise", message, EventCode.REVISION_REQUESTED, detail, shapes="revised")
            recorded = await service.record_command(session, caller, operation, command)
        return await service.answer_command(context, caller, recorded, response)

    add_note_routes(
        router,
        kind,
        description="The note is stored in the records at once and then in Stripe's metadata. Notes can't be "
        "changed or deleted.\n\nThe same text by the same person is stored once.",
        body="money/note_body",
        note=f"money/note_on_{kind}",
    )
