"""What of Temporal's payloads somebody may read: those of workflows of their own organization."""

import json
from collections.abc import Iterable, Sequence

from temporalio.api.common.v1 import Payload

from db.core.session import Database
from db.operations import operations
from workflows.client.codec import ENCODING, REFUSED, WORKFLOW, EncryptionCodec, KeyUnknown
from workflows.core import ids

NOT_YOURS = "It belongs to no operation or quote of your organization."


async def read(
    database: Database, codec: EncryptionCodec | None, organization: str, payloads: Sequence[Payload]
) -> list[Payload]:
    """Each as it was before it was encrypted, where its workflow is the organization's; else why not.

    To which workflow it belongs is part of what is encrypted: a payload that names another one is refused.
    """
    named = {_workflow(payload) for payload in payloads if _is_encrypted(payload)}
    readable = await _of(database, organization, named)
    return [await _read(codec, payload, readable) for payload in payloads]


async def _read(codec: EncryptionCodec | None, payload: Payload, readable: set[str]) -> Payload:
    if not _is_encrypted(payload):
        return payload  # whoever sends it reads it already
    if codec is None or _workflow(payload) not in readable:
        return _refused(NOT_YOURS)
    try:
        [found] = await codec.decode([payload])
    except KeyUnknown as error:
        return _refused(str(error))
    return _refused(found.data.decode()) if found.metadata.get("encoding") == REFUSED else found


async def _of(database: Database, organization: str, workflows: Iterable[str]) -> set[str]:
    """Those of these workflows that belong to the organization."""
    of_operations = {one: operation for one in workflows if (operation := ids.about_operation(one))}
    async with database.reading() as session:
        own = await operations.own(session, organization, set(of_operations.values()))
    found = {one for one, operation in of_operations.items() if operation in own}
    return found | {one for one in workflows if ids.is_quote_of(one, organization)}


def _is_encrypted(payload: Payload) -> bool:
    return payload.metadata.get("encoding") == ENCODING


def _workflow(payload: Payload) -> str:
    return payload.metadata.get(WORKFLOW, b"").decode(errors="replace")


def _refused(why: str) -> Payload:
    """In its place, as JSON that Temporal's tools can show."""
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps({"refused": why}).encode())
