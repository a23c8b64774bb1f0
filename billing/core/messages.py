"""What people send to any operation: its cancellation, and answers to what it asks them."""

from .operations import Message


class Cancel(Message):
    """The requester, or another billing admin, takes an operation back."""

    person: str
    comment: str | None = None


class Reply(Message):
    """What a person says to something that an operation has asked them, and to which time of asking."""

    person: str
    question: int = 0
    """The number in the key of the event that asks. The API fills it in as it records the answer."""


class AcceptAsInStripe(Reply):
    """A person accepts what Stripe made of something that was done once."""

    comment: str
