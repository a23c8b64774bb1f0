"""Which languages customers are written to in, and which of them somebody wants. Tags are BCP 47."""

import re
from functools import lru_cache

from babel import Locale, UnknownLocaleError

from .phrases import ENGLISH, PHRASES

LONGEST_HEADER = 500
"""Characters of an Accept-Language that are read; browsers send about fifty."""

_RANGE = re.compile(r"([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?")


def primary(tag: str) -> str:
    """`de` of `de-AT`."""
    return tag.replace("_", "-").partition("-")[0].lower()


def is_offered(tag: str) -> bool:
    """Whether our own words are there in the tag's language."""
    return primary(tag) in PHRASES


def offered() -> str:
    """The languages that there are, as a sentence names them."""
    return ", ".join(sorted(PHRASES))


def spoken(tag: str) -> str:
    """The language of the built-in words for a tag."""
    return primary(tag) if is_offered(tag) else ENGLISH


def preferred(accept_language: str | None) -> str:
    """The tag that a browser likes best of those that are offered, by its Accept-Language; else English.

    What can't be read in the header is passed over (RFC 9110, section 12.5.4).
    """
    best, tag = 0.0, ENGLISH
    for part in (accept_language or "")[:LONGEST_HEADER].split(","):
        shape = _RANGE.fullmatch(part.strip())
        if shape is None or not is_offered(shape[1]):
            continue
        weight = float(shape[2]) if shape[2] else 1.0
        known = known_tag(shape[1])
        if min(weight, 1.0) > best and known is not None:
            best, tag = min(weight, 1.0), known
    return tag


@lru_cache(maxsize=256)
def known_tag(tag: str) -> str | None:
    """A language tag as it is usually written, such as `pt-BR` of `pt_br`; None for none we know."""
    try:
        locale = Locale.parse(tag.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError):
        return None
    parts = (locale.language, locale.script, locale.territory, locale.variant)
    return "-".join(part for part in parts if part) if locale.language != "root" else None


@lru_cache(maxsize=256)
def locale_of(tag: str) -> Locale:
    """How dates and amounts are written: by the tag, else by its language, else as in English."""
    for known in (tag, primary(tag)):
        try:
            return Locale.parse(known.replace("_", "-"), sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse(ENGLISH)
