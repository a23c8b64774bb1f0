"""Idempotency keys: one execution a key, its answer replayed for a day.

Kept: status and body of the first request that executed, also of a 402 or a 500. Not kept: refused
parameters, conflicts, rate limits. Source: https://docs.stripe.com/api/idempotent_requests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic_core import from_json, to_json

from .errors import StripeError, invalid
from .forms import Pairs
from .store import Record

KEPT_SECONDS = 24 * 3600
MAX_KEY = 255


@dataclass(frozen=True, slots=True)
class Saved:
    """The answer of the first execution under a key."""

    fingerprint: str
    status: int
    body: bytes
    request_id: str
    at: int


def fingerprint(method: str, path: str, given: Pairs) -> str:
    """What must be equal for a key to be used again: verb, path and parameters in any order."""
    return hashlib.blake2b(repr((method, path, sorted(given))).encode(), digest_size=16).hexdigest()


class IdempotencyKeys:
    """All keys in use or remembered."""

    def __init__(self) -> None:
        self._saved: dict[str, Saved] = {}
        self._running: set[str] = set()

    def claim(self, key: str, print: str, now: int) -> Saved | None:
        """The answer to replay; or None, and the key is running until `release`.

        Raises 400 for a key of other parameters or of a wrong length, and 409 for one that is running.
        """
        if len(key) > MAX_KEY:
            raise _unsaved(invalid(f"Idempotency keys may have at most {MAX_KEY} characters."))
        saved = self._saved.get(key)
        if saved is not None and now - saved.at < KEPT_SECONDS:
            if saved.fingerprint != print:
                raise _other_parameters(key)
            return saved
        if key in self._running:
            raise key_in_use(key)
        self._running.add(key)
        return None

    def release(self, key: str) -> None:
        """The request under the key has ended."""
        self._running.discard(key)

    def save(self, key: str, saved: Saved) -> list[Record]:
        """Remember the answer; gives the journal's records, those of forgotten keys included."""
        records: list[Record] = []
        self._saved.pop(key, None)
        for old, answer in list(self._oldest(2)):
            if saved.at - answer.at >= KEPT_SECONDS:
                del self._saved[old]
                records.append(("idempotency", old, None))
        self._saved[key] = saved
        records.append(("idempotency", key, _dumped(saved)))
        return records

    def load(self, key: str, body: bytes | None) -> None:
        """Take a record of the journal."""
        if body is None:
            self._saved.pop(key, None)
            return
        fields = from_json(body)
        self._saved[key] = Saved(**{**fields, "body": fields["body"].encode()})

    def dump(self) -> Iterator[Record]:
        """The journal's records of every key remembered."""
        yield from (("idempotency", key, _dumped(saved)) for key, saved in self._saved.items())

    def _oldest(self, count: int) -> Iterator[tuple[str, Saved]]:
        for _, item in zip(range(count), self._saved.items(), strict=False):
            yield item


def _dumped(saved: Saved) -> bytes:
    return to_json(
        {
            "fingerprint": saved.fingerprint,
            "status": saved.status,
            "body": saved.body.decode(),
            "request_id": saved.request_id,
            "at": saved.at,
        }
    )


def _unsaved(error: StripeError) -> StripeError:
    error.saved = False
    return error


def _other_parameters(key: str) -> StripeError:
    message = (
        "Keys for idempotent requests can only be used with the same parameters they were first used "
        f"with. Try using a key other than '{key}' if you meant to execute a different request."
    )
    return StripeError(400, "idempotency_error", message, saved=False)


def key_in_use(key: str | None) -> StripeError:
    """409: a request with the same key is still running."""
    message = (
        "There is currently another in-progress request using this Idempotent Key (that probably means you "
        f"submitted twice, and the other request is still going through): {key}. Please try again later."
    )
    return StripeError(409, "idempotency_error", message, code="idempotency_key_in_use", saved=False)
