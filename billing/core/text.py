"""Text that people wrote, made safe to print in mails, pages and logs without changing what it says.

Only two things go: control characters, which break out of headers and lines, and the characters that reorder
what stands around them (https://trojansource.codes). What scripts and emoji are made of stays: zero-width
joiners, direction marks, combining characters, letters newer than our tables.
"""

import re
import unicodedata
from typing import Annotated

from pydantic import StringConstraints

SLUG = r"[a-z0-9][a-z0-9_-]*"
Slug = Annotated[str, StringConstraints(pattern=f"^{SLUG}$")]
"""The short name that a plan or an add-on has in Stripe and goes by here."""

_LINE_BREAKS = re.compile("\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
_UNSAFE = re.compile(
    "["
    "\x00-\x08\x0e-\x1f\x7f-\x9f"  # controls, without tabs and line breaks
    "\u202a-\u202e\u2066-\u2069"  # embeddings, overrides and isolates of direction
    "\ud800-\udfff"  # halves of characters, which can't be encoded
    "]"
)


def printable(text: str) -> str:
    """The text with the line breaks that it has, each as a newline."""
    return _UNSAFE.sub("", _LINE_BREAKS.sub("\n", text))


def one_line(text: str) -> str:
    """The text on one line, with single spaces: it can't leave its place in a header or a table."""
    return " ".join(printable(text).split())


def has_controls(text: str) -> bool:
    """Whether there are characters in it that no person types: neither text, nor tab, nor line break."""
    return any(letter not in "\n\r\t" and (letter < " " or "\x7f" <= letter <= "\x9f") for letter in text)


def folded(text: str) -> str:
    """The text as people search for it: in lower case, without accents, with single spaces."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(one for one in decomposed if not unicodedata.combining(one)).split())


def with_article(noun: str) -> str:
    """`a refund`, `an invoice`: by how its first letter sounds in the words that we use."""
    an = noun[:1].lower() in "aeiou" and not noun.lower().startswith(("eu", "one", "uni", "us"))
    return f"{'an' if an else 'a'} {noun}"


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet calculates (OWASP, CSV Injection)."""


def for_spreadsheet(text: str) -> str:
    """A cell's text, which no spreadsheet takes for a formula: such a one begins with an apostrophe."""
    return f"'{text}" if text.startswith(FORMULA) else str(text)
