"""How a request names the quote that it asks for: by its id and the hash of what it has shown."""

import re
from typing import NamedTuple

PATTERN = r"^qte_[0-7][0-9A-HJKMNP-TV-Z]{25}\.[0-9a-f]{64}$"


class QuoteToken(NamedTuple):
    """`id` is `qte_` and a ULID, by whose time the quote's age counts."""

    id: str
    subject_hash: str

    def __str__(self) -> str:
        return f"{self.id}.{self.subject_hash}"

    @classmethod
    def read(cls, text: str) -> "QuoteToken":
        """Raises ValueError for what is no quote."""
        if not re.fullmatch(PATTERN, text):
            raise ValueError(f"not a quote: {text!r}")
        id_, _, subject_hash = text.partition(".")
        return cls(id_, subject_hash)
