"""What an operation is about and what it ended with: members of unions that are told apart by `about`."""

from typing import Any

from .operations import Message


class Payload(Message):
    """A member of such a union. Each capability has its own, with a literal `about`."""

    def document(self) -> dict[str, Any]:
        """As rows hold it and the API shows it: without the tag, as the row says what kind it is of."""
        return self.model_dump(mode="json", exclude={"about"})
