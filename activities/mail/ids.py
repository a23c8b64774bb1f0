"""Ids in mails: none is left but in the address that the mail links to.

Problems and reasons that other systems give name objects by their ids, which tell people nothing.
"""

import re
from collections.abc import Mapping

WORDS = {
    "pi": "the payment",
    "ch": "the charge",
    "re": "the refund",
    "pyr": "the refund",
    "in": "the invoice",
    "cn": "the credit note",
    "cbtxn": "the credit",
    "cus": "the customer",
    "sub": "the subscription",
    "si": "the subscription",
    "price": "the price",
    "prod": "the plan",
    "op": "another request",
    "apr": "the approval",
    "ntc": "the notice",
    "per": "a colleague",
}
_ID = re.compile(rf"\b({'|'.join(WORDS)})_[A-Za-z0-9_]+(?:-[0-9a-z_]+)*(?![A-Za-z0-9_])")


def without_ids(text: str, names: Mapping[str, str]) -> str:
    """The text with names in place of ids, as far as there are any; what people wrote, and addresses to
    follow, stay as they are.
    """
    return "\n".join(
        row if row.startswith("  >") or "://" in row else _ID.sub(lambda found: _word(found, names), row)
        for row in text.split("\n")
    )


def _word(found: re.Match[str], names: Mapping[str, str]) -> str:
    word = names.get(found[0]) or WORDS[found[1]]
    return f"{word[:1].upper()}{word[1:]}" if found.start() == 0 else word
