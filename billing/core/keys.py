"""Secret keys with ids, of which the first is used and all are accepted, so that they can be rotated."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .errors import InvalidRequest

PLAIN = "plain"
"""Among the keys: what was made without any is accepted as well."""

KEY_BYTES = 32


@dataclass(frozen=True)
class Keys:
    """`current` is the id of the one that is used; `plain`: what was made without any is accepted, too."""

    current: str
    by_id: Mapping[str, bytes]
    plain: bool = False

    @classmethod
    def parse(cls, value: str) -> "Keys":
        """From `id=base64` of 32 bytes each, separated by commas, and `plain`. Raises InvalidRequest, which
        never repeats a key."""
        keys: dict[str, bytes] = {}
        parts = [part.strip() for part in value.split(",") if part.strip()]
        for part in parts:
            id_, _, key = part.partition("=")
            if part == PLAIN:
                continue
            if not id_ or not key or not id_.isascii():
                raise InvalidRequest("keys", "must be id=key, such as 2026-12=…; several separated by commas")
            keys[id_] = _key(id_, key)
        if not keys:
            raise InvalidRequest("keys", "must have a key to begin with, such as 2026-12=…")
        if len(keys) != len(parts) - (PLAIN in parts):
            raise InvalidRequest("keys", "must have each id once")
        return cls(next(iter(keys)), keys, PLAIN in parts)

    def derived(self, purpose: str) -> "Keys":
        """Others, for another purpose: who has one of them knows nothing of the first."""
        derived = {
            id_: hmac.digest(key, f"plixo {purpose}".encode(), "sha256") for id_, key in self.by_id.items()
        }
        return Keys(self.current, derived, self.plain)


class SecretHashes(NamedTuple):
    """How secrets that let somebody in are kept: makes their hashes, and knows those that were made.

    An API key, a session, a link: each is random enough that its hash tells nobody what it was. The keys (a
    pepper) are for the other way round: whoever can write to the database could add the hash of a secret of
    their own, and walk in. Without keys it is the plain SHA-256.
    """

    keys: Keys | None

    @classmethod
    def of(cls, keys: Keys | None) -> "SecretHashes":
        """By the keys of the process."""
        return cls(keys.derived("secrets") if keys is not None else None)

    def hash(self, secret: str, about: str = "") -> str:
        """What is to be kept: `keyid:hex`, or the hex alone without keys. `about` is whose secret it is,
        where that must not be changed afterwards."""
        if self.keys is None:
            return _plain(secret)
        return self._by(self.keys, self.keys.current, secret, about)

    def every(self, secret: str, about: str = "") -> tuple[str, ...]:
        """All that the secret may have been kept as, by any of the keys; the current one's first."""
        if self.keys is None:
            return (_plain(secret),)
        kept = [self._by(self.keys, id_, secret, about) for id_ in self.keys.by_id]
        return (*kept, _plain(secret)) if self.keys.plain else tuple(kept)

    def match(self, kept: str, secret: str, about: str = "") -> bool:
        """Whether `kept` is of this secret, by any of the keys. As fast where it is not."""
        found = [hmac.compare_digest(kept.encode(), one.encode()) for one in self.every(secret, about)]
        return any(found)

    def is_current(self, kept: str) -> bool:
        """Whether a new one would be kept by the same key."""
        return self.keys is None or kept.startswith(f"{self.keys.current}:")

    def is_legible(self, kept: str) -> bool:
        """Whether the key by which it was made is still among these: else it is of no secret any more."""
        id_, by_key, _ = kept.rpartition(":")
        if not by_key:
            return self.keys is None or self.keys.plain
        return self.keys is not None and id_ in self.keys.by_id

    @staticmethod
    def _by(keys: Keys, id_: str, secret: str, about: str) -> str:
        return f"{id_}:{hmac.new(keys.by_id[id_], f'{about} {secret}'.encode(), 'sha256').hexdigest()}"


UNPEPPERED = SecretHashes(None)
"""Where there are no keys."""


def _key(id_: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise InvalidRequest("keys", f"{id_}: must be 32 bytes in base64, as of `openssl rand -base64 32`")
    return key


def _plain(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
