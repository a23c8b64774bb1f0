"""The Idempotency-Key of a request that starts an operation."""

import re
from typing import Annotated, Any

from fastapi import Depends, Request

from ..problems.common import IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_KEY_MISSING
from ..problems.problem import ApiProblem

_PRINTABLE = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")

PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A value of your own for this request, unique in your organization. The same key with the "
    "same body answers with the same operation and `Idempotent-Replayed: true`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "example": "7f8f2c1e-5a0e-4f0b-9b43-3d2f0f6f1a11",
}


async def _key(request: Request) -> str:
    sent = request.headers.getlist("idempotency-key")
    if not sent or sent == [""]:
        raise ApiProblem.of(IDEMPOTENCY_KEY_MISSING)
    if len(sent) > 1 or not _PRINTABLE.fullmatch(sent[0]):
        raise ApiProblem.of(IDEMPOTENCY_KEY_INVALID)
    return sent[0]


IdempotencyKey = Annotated[str, Depends(_key)]
