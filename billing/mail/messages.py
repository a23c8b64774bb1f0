"""Messages to the mailer, and its answer."""

from typing import Any

from pydantic import Field

from ..core.operations import Message, Role


class MailRequest(Message):
    """One mail to everybody with one of the roles, or to some people. `key` is part of its Message-ID.

    Who gets it by a role, or as somebody who is asked, hears how what it is `about` ended.
    """

    organization: str
    operation: str
    key: str
    template: str
    roles: tuple[Role, ...] = ()
    person: str | None = None
    people: tuple[str, ...] = ()
    """Others who get it too, such as those who act for somebody."""
    excluding: tuple[str, ...] = ()
    """Who does not get it all the same, such as whoever asked for what others decide."""
    about: str | None = None
    """The approval or notice that it asks them for: once that is closed it is not sent any more. None: it
    tells of the operation itself."""
    context: dict[str, Any] = Field(default_factory=dict)


class MailsSent(Message):
    """How a mail to several people went; those who had it from an earlier attempt are `skipped`."""

    sent: int
    skipped: int
    refused: tuple[str, ...] = ()
    """Ids of the people whose mail the server will never take."""
