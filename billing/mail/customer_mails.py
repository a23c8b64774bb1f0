"""A single mail to a customer: how it is asked for, outside workflows too."""

from ..core.operations import Message

CUSTOMER_MAIL = "CustomerMailWorkflow"
"""What sends it: started by whoever writes its row, in the same transaction."""


def customer_mail_workflow(mail: str) -> str:
    """The id of the workflow that sends this mail to a customer."""
    return f"customer-mail-{mail}"


class CustomerMailInput(Message):
    """A mail that is to be sent as soon as it can be; `mail` is its row."""

    organization: str
    mail: str
