"""Whose fault it is when a mail server refuses a mail for good, and when that says nothing of the address.

Reply codes: RFC 5321, section 4.2.3. Enhanced status codes: RFC 3463 and the registry of RFC 5248.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

Blame = Literal["address", "mailbox_full", "server"]
"""The address is none or takes no mail; its mailbox is full; or the server refuses us, or this mail."""

MAILBOX_FULL = 552
ADDRESS_CODES = frozenset({550, 551, 553, 556})
"""Mailbox unavailable, not local, name not allowed, domain that takes no mail: where nothing more is said."""

_ENHANCED = re.compile(r"\s*5\.(\d{1,3})\.(\d{1,3})\b")
_SENDER = frozenset({7, 8})
"""X.1.7 and X.1.8 are about the sender's address."""
_DISABLED = 1
_FULL = 2

RECENT = 5
"""So many of the last answers are looked at."""
BURST = 3
"""Refused recipients among them from which on the server is taken to refuse whatever it is sent."""


class RecipientAnswer(NamedTuple):
    """What a server said to a mail for this recipient."""

    recipient: str
    refused: bool


def blame(code: int, text: str) -> Blame:
    """Whose fault a 5xx reply is; the enhanced status code at the text's beginning says more than `code`."""
    found = _ENHANCED.match(text)
    if found is None:
        if code == MAILBOX_FULL:
            return "mailbox_full"
        return "address" if code in ADDRESS_CODES else "server"
    subject, detail = int(found[1]), int(found[2])
    if subject == 1:
        return "server" if detail in _SENDER else "address"
    if subject == 2 and detail == _FULL:
        return "mailbox_full"
    return "address" if subject == 2 and detail == _DISABLED else "server"


def is_burst(answers: Sequence[RecipientAnswer]) -> bool:
    """Whether the last answers, the newest last, refuse so many recipients that none of them is to blame."""
    refused = {answer.recipient for answer in answers[-RECENT:] if answer.refused}
    return len(refused) >= BURST
