"""Messages of every operation: its cancellation."""

from .operations import Message


class Cancel(Message):
    """The requester, or another billing admin, takes an operation back."""

    person: str
    comment: str | None = None
