"""Who shaped what is decided. None of them decides it, and nobody who acts for them does.

One list an operation, written with the event that says what they did: the timeline bears it out.
"""

from collections.abc import Iterable
from typing import Literal

from pydantic import AwareDatetime

from ..core.operations import Message

Shaping = Literal["asked", "revised", "retried"]


class Author(Message):
    """Somebody who asked for an operation, revised it, or had it tried again."""

    person: str
    at: AwareDatetime
    how: Shaping


AUTHOR_REFUSALS = {
    "asked": "Requesters can't decide on their own requests.",
    "revised": "People can't decide on requests that they revised.",
    "retried": "People can't decide on requests that they retried.",
}
"""Why an author may have no say, by what they did."""


def people(authors: Iterable[Author]) -> tuple[str, ...]:
    """Each once, whoever came first in front."""
    return tuple(dict.fromkeys(author.person for author in authors))
