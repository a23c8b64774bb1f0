"""What passes about a single mail to a customer."""

from ..core.operations import Message


class CustomerMailInput(Message):
    """A mail that is to be sent as soon as it can be; `mail` is its row."""

    organization: str
    mail: str


PERSON_MAIL = "PersonMailWorkflow"
"""What mails somebody of an organization; who has something to tell starts it with the same transaction."""


def person_mail_workflow(key: str) -> str:
    """`key` names what is told, so that it is told once."""
    return f"person-mail-{key}"
