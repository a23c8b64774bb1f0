"""Secret keys with ids, of which the first is used and all are accepted, so that they can be rotated."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

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


def _key(id_: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise InvalidRequest("keys", f"{id_}: must be 32 bytes in base64, as of `openssl rand -base64 32`")
    return key
