"""Quotes: how the worker makes one, how it is shown, and how a request finds the one that it names."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode
from ulid import ULID

from billing.core.errors import BillingError
from billing.core.operations import Kind, Message, Problem
from billing.operations.kinds import KINDS
from billing.quotes.quote import QUOTED_FOR, AnyQuote, QuotedReview
from billing.quotes.token import QuoteToken
from db.core.clock import utc_now
from db.operations import operations
from db.people import people
from db.tables import Operation
from workflows.core import ids

from ..dispatch.answers import UNREACHABLE, NoAnswer, answer_of
from ..http.auth import Caller
from ..http.context import Context
from ..http.models import ObstacleAnswer
from ..operations import actions
from ..operations.service import owned
from ..problems.common import STRIPE_UNAVAILABLE, TEMPORARILY_UNAVAILABLE
from ..problems.handlers import from_domain
from ..problems.problem import ApiProblem
from .problems import QUOTE_OUTDATED, QUOTE_UNKNOWN
from .schemas import ApproverAnswer, NamedPerson, ReviewAnswer, RungAnswer

ANSWER_WITHIN = 8.0
"""Seconds that the caller waits."""
LOOKED_UP_WITHIN = 3.0
"""Seconds that a request waits for the quote that it names."""
GIVEN_UP_AFTER = timedelta(seconds=20)
RETRY_AFTER = {"Retry-After": "5"}

Found = TypeVar("Found", bound=AnyQuote)


@dataclass(frozen=True)
class QuoteDraft:
    """A quote that is being asked for; `revises` is the operation that its request would revise."""

    context: Context
    caller: Caller
    kind: Kind
    id: str
    at: datetime
    revises: str | None = None

    @classmethod
    async def of(
        cls, context: Context, caller: Caller, kind: Kind, revises: str | None = None
    ) -> "QuoteDraft":
        """Raises ApiProblem `role_missing` and `too_many_quotes`; of a revision also `not_found` and
        `not_revisable`."""
        if KINDS[kind].gives_money:
            caller.acts_with_all_roles()
        await context.quotes.check(caller.organization, caller.person)
        at = utc_now()
        if revises is not None:
            async with context.database.reading() as session:
                actions.check(await owned(session, caller, kind, revises), "revise", caller)
        return cls(context, caller, kind, f"qte_{ULID.from_datetime(at)}", _asked_at(at), revises)

    @property
    def operation(self) -> str:
        """What the worker is told that it is: the quote itself, where it is of a new request."""
        return self.revises or self.id

    async def find_out(self, request: Message, result: type[Found]) -> Found:
        """What the operation's own reads and rules say of its `request`, the workflow's input.

        Raises ApiProblem `stripe_unavailable` when that can't be known in time; asking again is safe.
        """
        document = request.model_dump(mode="json", by_alias=True, exclude={"policy"})
        try:
            return await answer_of(
                self.context.dispatcher.client,
                ids.QUOTE_WORKFLOWS[self.kind],
                document | {"policy": self.context.policy_document},
                id=ids.quote_workflow(self.kind, self.caller.organization, self.id),
                organization=self.caller.organization,
                result=result,
                within=ANSWER_WITHIN,
                given_up_after=GIVEN_UP_AFTER,
            )
        except NoAnswer as error:
            raise ApiProblem.of(STRIPE_UNAVAILABLE, headers=RETRY_AFTER) from error

    async def shown(self, quote: AnyQuote, refusals: Collection[ObstacleAnswer] = ()) -> dict[str, Any]:
        """What all quotes have in common, as QuoteAnswer has it.

        `refusals` are what the request itself would be answered with.
        """
        told = {one.code for one in refusals}
        obstacles = [*refusals, *(_obstacle(one) for one in quote.obstacles if one.code not in told)]
        clear = not obstacles and quote.subject_hash is not None
        return {
            "quote": str(QuoteToken(self.id, quote.subject_hash or "")) if clear else None,
            "subject_hash": quote.subject_hash,
            "quoted_at": self.at,
            "expires_at": self.at + QUOTED_FOR,
            "obstacles": obstacles,
            "review": await self._review(quote.review) if quote.review and clear else None,
        }

    async def _review(self, review: QuotedReview) -> ReviewAnswer:
        asked = [one for rung in review.preview.rungs for one in rung.people]
        known = {one.person for one in asked} | {one.for_person for one in asked if one.for_person}
        async with self.context.database.reading() as session:
            names = await people.names(session, self.caller.organization, known)
        return review_answer(review, names)


def review_answer(review: QuotedReview, names: Mapping[str, str]) -> ReviewAnswer:
    """With the people's names by their ids."""
    ladder = [
        RungAnswer(
            **rung.rung.model_dump(include={"roles", "needs", "state", "opens_at", "deadline"}),
            vacant=rung.vacant,
            calendar=calendar,
            people=[
                ApproverAnswer(
                    id=one.person,
                    name=names[one.person],
                    role=one.role,
                    for_person=NamedPerson(id=one.for_person, name=names[one.for_person])
                    if one.for_person
                    else None,
                    can_approve=one.why_not is None,
                    why_not=one.why_not,
                )
                for one in rung.people
            ],
        )
        for rung, calendar in zip(review.preview.rungs, review.calendars, strict=True)
    ]
    return ReviewAnswer(
        rule=review.rule,
        why=review.why,
        ladder=ladder,
        rung=review.preview.first,
        expires_at=ladder[-1].deadline,
    )


def refusal(error: ApiProblem | BillingError) -> ObstacleAnswer:
    """What the request itself would be answered with."""
    problem = from_domain(error) if isinstance(error, BillingError) else error
    pointer = problem.errors[0].pointer if problem.errors else None
    return ObstacleAnswer(code=problem.code or problem.type.code, message=problem.detail, pointer=pointer)


def _obstacle(problem: Problem) -> ObstacleAnswer:
    return ObstacleAnswer(code=problem.code, message=problem.message, pointer=None)


async def named_quote(
    context: Context, draft: Operation, token: str | None, result: type[Found]
) -> Found | None:
    """The quote that a new request names; None where it names none, or was sent before.

    Raises ApiProblem `quote_unknown`, `quote_outdated`, and `temporarily_unavailable` where it can't be
    looked up; Conflict `idempotency_key_reused`.
    """
    if token is None:
        return None
    async with context.database.reading() as session:
        if await operations.find_repeated(session, draft) is not None:
            return None
    named = QuoteToken.read(token)
    # Not as a date: a ULID may lie beyond the last one.
    asked_at = ULID.from_str(named.id.removeprefix("qte_")).timestamp
    if utc_now().timestamp() > asked_at + QUOTED_FOR.total_seconds():
        raise ApiProblem.of(QUOTE_OUTDATED)
    quote = await _look_up(context, Kind(draft.kind), draft.organization_id, named, result)
    if quote.subject_hash != named.subject_hash or quote.obstacles:
        raise ApiProblem.of(QUOTE_UNKNOWN)
    return quote


async def _look_up(
    context: Context, kind: Kind, organization: str, named: QuoteToken, result: type[Found]
) -> Found:
    """From Temporal's history, which alone has it."""
    client = context.dispatcher.client
    handle = client.get_workflow_handle(ids.quote_workflow(kind, organization, named.id), result_type=result)
    try:
        async with asyncio.timeout(LOOKED_UP_WITHIN):
            quote: Found = await handle.result(rpc_timeout=timedelta(seconds=LOOKED_UP_WITHIN))
            return quote
    except WorkflowFailureError as error:
        raise ApiProblem.of(QUOTE_UNKNOWN) from error
    except UNREACHABLE as error:
        if isinstance(error, RPCError) and error.status == RPCStatusCode.NOT_FOUND:
            raise ApiProblem.of(QUOTE_UNKNOWN) from error
        detail = "The quote can't be looked up right now. Send the same request again; nothing is done twice."
        raise ApiProblem(TEMPORARILY_UNAVAILABLE, detail, headers=RETRY_AFTER) from error


def _asked_at(at: datetime) -> datetime:
    """To the millisecond, as its id has it."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
