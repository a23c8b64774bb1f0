"""The shapes of notes."""

import unicodedata
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from billing.money.notes import NOTE_MAX, NOTE_MIN

from ..http.models import Answer, Body, plain


def _visible(text: str) -> str:
    """Format characters, such as zero-width spaces, are no words."""
    if sum(unicodedata.category(c) != "Cf" for c in text) < NOTE_MIN:
        raise PydanticCustomError("string_too_short", "too short")
    return text


NoteText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=NOTE_MIN, max_length=NOTE_MAX),
    AfterValidator(plain),
    AfterValidator(_visible),
]


class NoteBody(Body):
    note: NoteText


class NoteAnswer(Answer):
    """`text` ends with the ids of the Stripe payments that it is about. A note never changes."""

    id: str
    operation: str
    seq: int = Field(description="Starts at 1, which is the note of the request")
    text: str
    author: str
    at: datetime
