"""What operations ask people, each time under its own number, so that an answer belongs to one question."""

from collections.abc import Iterable
from enum import StrEnum


class Question(StrEnum):
    """How the keys of the events begin that ask it: `failed:2` is the second failure."""

    REVISION = "changes_requested"
    FAILURE = "failed"
    MISMATCH = "mismatch"

    def key(self, number: int) -> str:
        return f"{self}:{number}"

    @property
    def stage(self) -> str:
        """In which an operation waits for the answer."""
        return _STAGES[self]


_STAGES = {
    Question.REVISION: "changes_requested",
    Question.FAILURE: "refund_failed",
    Question.MISMATCH: "mismatched",
}

ASKED_BY = {
    "revise": Question.REVISION,
    "retry": Question.FAILURE,
    "close": Question.FAILURE,
    "accept": Question.MISMATCH,
    "revert": Question.MISMATCH,
    "read_again": Question.MISMATCH,
}
"""The question that each action answers."""


def last_number(prefix: str, keys: Iterable[str]) -> int:
    """The highest number among keys `prefix:number`; 0 when there is none."""
    found = (key.removeprefix(f"{prefix}:") for key in keys if key.startswith(f"{prefix}:"))
    return max((int(number) for number in found if number.isdecimal()), default=0)
