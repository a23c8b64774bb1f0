"""Canonical JSON and the hashes made of it: the same content gives the same hash, on any machine."""

import hashlib
import json
from typing import Any

_EXACT = frozenset((str, int, bool, type(None)))
"""The types of most leaves; nothing in them is to be looked at."""


def canonical_json(obj: object) -> bytes:
    """JSON with sorted keys and no spaces, as UTF-8.

    Raises TypeError for floats (their text differs between writers), for keys that are not strings (two
    different keys could become one) and for what JSON does not have.
    """
    _refuse_inexact(obj)
    text = json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest(obj: object) -> str:
    """The SHA-256 of `canonical_json(obj)`, in hex."""
    return hashlib.sha256(canonical_json(obj)).hexdigest()


def exact(obj: Any) -> Any:
    """The same with every float as its shortest text, so that it can be hashed on any machine."""
    if isinstance(obj, float):
        return repr(obj)
    if isinstance(obj, dict):
        return {key: value if type(value) in _EXACT else exact(value) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return [value if type(value) in _EXACT else exact(value) for value in obj]
    return obj


def _refuse_inexact(obj: object) -> None:
    if isinstance(obj, float):
        raise TypeError(f"a float ({obj!r}) cannot be hashed: use integer minor units or a string")
    if isinstance(obj, dict):
        for key, value in obj.items():
            if not isinstance(key, str):
                raise TypeError(f"a key that is not a string ({key!r}) cannot be hashed")
            if type(value) not in _EXACT:
                _refuse_inexact(value)
    elif isinstance(obj, list | tuple):
        for value in obj:
            if type(value) not in _EXACT:
                _refuse_inexact(value)
