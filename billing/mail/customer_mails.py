"""What passes about a single mail to a customer."""

from ..core.operations import Message


class CustomerMailInput(Message):
    """A mail that is to be sent as soon as it can be; `mail` is its row."""

    organization: str
    mail: str
