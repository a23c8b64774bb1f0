"""API keys: what programs act by in a person's name. Who makes one makes it for themselves alone."""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from db.core.clock import utc_now
from db.core.pages import NOTHING
from db.people import keys, people
from db.people.keys import LastUse
from db.people.people import NewKey, new_api_key
from db.tables import ApiKey

from ..http.auth import Actor, AnyCaller, Caller, may_end, refused, whose
from ..http.client_address import client_address
from ..http.context import Context, InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf
from ..http.openapi import WITH_BODY, answers, body_example
from ..http.scopes import KeyScope, in_order, words
from ..problems.common import CREDENTIALS_REVOKED, NOT_FOUND, ROLE_MISSING
from ..problems.problem import ApiProblem, existing, not_found
from .problems import (
    KEY_EXPIRY_PAST,
    KEY_MAY_LESS,
    KEY_NOT_LIVE,
    KEY_OF_ANOTHER,
    KEY_OUTLIVES_YOURS,
    KEY_REPLACED,
    TOO_MANY_KEYS,
)
from .schemas import KeyAnswer, KeyBody, KeysQuery, NewKeyAnswer, RotationBody

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1/api-keys", tags=["API keys"])

MOST_LIVE = 20
"""Keys of one person that work."""


@router.get(
    "",
    summary="List API keys",
    response_model=ListOf[KeyAnswer],
    responses=list_answers("people/key", KeyAnswer),
)
async def list_keys(
    query: Annotated[KeysQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise, without their secrets; as `text/csv` all that the filters
    find. Billing admins and auditors see everybody's, others only their own."""
    at = utc_now()
    person, visible = whose(caller, query.person)
    listing = keys.paged(
        caller.organization, person=person, live_at=at if query.live else None, sort=query.sort
    )

    async def shown(session: AsyncSession, rows: Sequence[ApiKey]) -> list[KeyAnswer]:
        uses = await keys.last_uses(session, [row.prefix for row in rows])
        return [_answer(row, uses.get(row.prefix), at) for row in rows]

    return await answer_list(request, context, query, listing if visible else NOTHING, shown, KeyAnswer)


@router.post(
    "",
    status_code=201,
    summary="Make an API key",
    responses=answers(
        {201: example("people/new_key")},
        *WITH_BODY,
        ROLE_MISSING,
        KEY_EXPIRY_PAST,
        KEY_OUTLIVES_YOURS,
        KEY_MAY_LESS,
        TOO_MANY_KEYS,
    ),
    openapi_extra=body_example(example("people/key_body")),
)
async def make(body: KeyBody, request: Request, caller: Actor, context: InContext) -> NewKeyAnswer:
    """For yourself: with it a program does what you may do and its scopes say, no more, and no longer than
    you may. A key that was made with another ends with that one, and may do no more.

    `api_key` is shown this once and is not kept. Sending the request again makes another key.
    """
    # A key has the roles of the records, so who makes one must have them all.
    caller.acts_with_all_roles()
    at = utc_now()
    expires_at = _expiry(body.expires_at, caller, at)
    scopes = frozenset(map(KeyScope, body.scopes)) if body.scopes else caller.scopes
    if not scopes <= caller.scopes:
        detail = (
            f"A key can't make one with other scopes than its own: {words(caller.scopes)}. Choose among "
            "these, or sign in to the console."
        )
        raise ApiProblem.at(KEY_MAY_LESS, detail, "/scopes")
    fresh = new_api_key()
    async with context.database.transaction() as session:
        await _check_room(session, caller, at)
        row = await _store(
            *(session, context, caller, fresh), name=body.name, at=at, expires_at=expires_at, scopes=scopes
        )
        answer = _answer(row, None, at)
    log.info("API key %s was made by %s from %s", fresh.prefix, caller.person, client_address(request))
    return NewKeyAnswer(**answer.model_dump(), api_key=fresh.plaintext)


@router.post(
    "/{id}/rotation",
    status_code=201,
    summary="Replace an API key",
    responses=answers(
        {201: example("people/successor")},
        *WITH_BODY,
        ROLE_MISSING,
        NOT_FOUND,
        KEY_OF_ANOTHER,
        KEY_MAY_LESS,
        KEY_NOT_LIVE,
        KEY_REPLACED,
        TOO_MANY_KEYS,
    ),
    openapi_extra=body_example(example("people/rotation_body")),
)
async def rotate(
    id: Id, body: RotationBody, request: Request, caller: Actor, context: InContext
) -> NewKeyAnswer:
    """Another key of yours with the same name and scopes, for as long a time as this one was made for. Both
    work while programs are given the new one; then the old one ends.

    `api_key` is shown this once and is not kept. A key can replace itself: the new one then ends no later
    than it would have.
    """
    caller.acts_with_all_roles()
    at, fresh = utc_now(), new_api_key()
    async with context.database.transaction() as session:
        await _check_room(session, caller, at)
        old, successor = existing(await keys.replace(session, caller.organization, id, at))
        if not may_end(caller, old.person_id):
            raise not_found()
        if old.person_id != caller.person:
            raise ApiProblem.of(KEY_OF_ANOTHER)
        if successor is not None:
            after = "takes its place. If nobody has its secret, revoke that one first."
            raise ApiProblem(KEY_REPLACED, f"The key {successor.prefix} {after}")
        if keys.state_of(old, at) != "live":
            raise ApiProblem.of(KEY_NOT_LIVE)
        scopes = frozenset(map(KeyScope, old.scopes))
        if not scopes <= caller.scopes:
            raise ApiProblem.at(KEY_MAY_LESS, KEY_MAY_LESS.detail, "/scopes")
        ends = [] if old.expires_at is None else [at + (old.expires_at - old.created_at)]
        row = await _store(
            *(session, context, caller, fresh),
            name=old.name,
            at=at,
            expires_at=min([*ends, *([caller.until] if caller.until else [])], default=None),
            scopes=scopes,
        )
        old.replaced_by = fresh.prefix
        overlap = at + timedelta(hours=body.overlap_hours)
        old.expires_at = min(overlap, old.expires_at or overlap)
        answer = _answer(row, None, at)
    log.info(
        "API key %s was made by %s from %s in place of %s",
        *(fresh.prefix, caller.person, client_address(request), id),
    )
    return NewKeyAnswer(**answer.model_dump(), api_key=fresh.plaintext)


@router.post(
    "/{id}/revoke",
    summary="Revoke an API key",
    responses=answers({200: example("people/revoked_key")}, ROLE_MISSING, NOT_FOUND),
)
async def revoke(id: Id, request: Request, caller: Actor, context: InContext) -> KeyAnswer:
    """It stops working with the next request, for good, and so do the keys that were made with it. Billing
    admins can revoke everybody's, others only their own. A key that was revoked before does not change."""
    at = utc_now()
    async with context.database.transaction() as session:
        row = await keys.get(session, caller.organization, id)
        if row is None or not may_end(caller, row.person_id):
            raise not_found()
        revoked = await keys.revoke(session, id, by=caller.person, at=at)
        await session.refresh(row)
        uses = await keys.last_uses(session, [id])
    if revoked:
        log.info("API key %s was revoked by %s from %s", id, caller.person, client_address(request))
    return _answer(row, uses.get(id), at)


async def _check_room(session: AsyncSession, caller: Caller, at: datetime) -> None:
    """Raises ApiProblem `too_many_keys`, and `credentials_revoked` for who calls by a key that has ended."""
    await people.lock_organization(session, caller.organization)
    if await keys.count_live(session, caller.person, at) >= MOST_LIVE:
        raise ApiProblem.of(TOO_MANY_KEYS)
    if caller.key is not None and not await keys.still_works(session, caller.key, at):
        raise refused(CREDENTIALS_REVOKED)


async def _store(
    session: AsyncSession,
    context: Context,
    caller: Caller,
    fresh: NewKey,
    *,
    name: str | None,
    at: datetime,
    expires_at: datetime | None,
    scopes: Collection[KeyScope],
) -> ApiKey:
    person = existing(await people.get(session, caller.organization, caller.person))
    row = keys.made(
        *(fresh, context.hashes, person), name=name, at=at, expires_at=expires_at,
        made_with=caller.key, scopes=in_order(scopes),
    )  # fmt: skip
    session.add(row)
    await session.flush()
    return row


def _expiry(asked: datetime | None, caller: Caller, at: datetime) -> datetime | None:
    """When a new key ends: as asked, and not after the key by which it is made."""
    if asked is not None and asked <= at:
        raise ApiProblem.of(KEY_EXPIRY_PAST)
    if caller.until is not None and (asked is not None and asked > caller.until):
        raise ApiProblem.of(KEY_OUTLIVES_YOURS)
    return asked or caller.until


def _answer(row: ApiKey, last: LastUse | None, at: datetime) -> KeyAnswer:
    return KeyAnswer(
        id=row.prefix,
        name=row.name,
        person=row.person_id,
        state=keys.state_of(row, at),
        scopes=in_order(row.scopes),
        created_at=row.created_at,
        created_by=row.created_by,
        made_with=row.made_with,
        expires_at=row.expires_at,
        replaced_by=row.replaced_by,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
        last_used_at=last.at if last else None,
        last_used_from=last.address if last else None,
    )
