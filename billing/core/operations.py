"""What an operation is: its kinds, states and who may do what with it next."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from .text import with_article


class Message(BaseModel):
    """Base of everything that crosses a process: frozen, and unknown fields are an error.

    Fields are added, never re-used: open workflows still hold older ones.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


class Payload(Message):
    """What an operation is about, or what it ended with: a member of a union, told apart by `about`.

    Each capability has its own, with a literal `about`.
    """

    def document(self) -> dict[str, Any]:
        """As rows hold it and the API shows it: without the tag, as the row says what kind it is of."""
        return self.model_dump(mode="json", exclude={"about"})

    def bound(self) -> dict[str, Any]:
        """What of the document an approval binds to."""
        return self.document()

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Of the document."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        schema["properties"].pop("about", None)
        if "about" in schema.get("required", ()):
            schema["required"].remove("about")
        return schema


class Kind(StrEnum):
    PLAN_CHANGE = "plan_change"
    REFUND = "refund"
    CREDIT = "credit"
    VOID = "void"
    WRITE_OFF = "write_off"
    CANCELLATION = "cancellation"
    REMINDER_RUN = "reminder_run"
    PORTAL_ACCESS = "portal_access"
    CASE = "case"

    @property
    def noun(self) -> str:
        """What people call it, within a sentence. Its other names come of this one."""
        return _NOUNS[self]

    @property
    def a_noun(self) -> str:
        """`a refund`."""
        return with_article(self.noun)

    @property
    def label(self) -> str:
        """`Plan change`."""
        return self.noun.capitalize()

    @property
    def plural(self) -> str:
        """`Plan changes`."""
        return f"{self.label}s"

    @property
    def resource(self) -> str:
        """Where the API has it: `plan-changes`."""
        return f"{self.noun.replace(' ', '-')}s"


_NOUNS = {
    Kind.PLAN_CHANGE: "plan change",
    Kind.REFUND: "refund",
    Kind.CREDIT: "credit",
    Kind.VOID: "void",
    Kind.WRITE_OFF: "write-off",
    Kind.CANCELLATION: "cancellation",
    Kind.REMINDER_RUN: "reminder run",
    Kind.PORTAL_ACCESS: "portal trouble",
    Kind.CASE: "case",
}


class State(StrEnum):
    ACCEPTED = "accepted"
    RUNNING = "running"
    AWAITING_APPROVAL = "awaiting_approval"
    HELD = "held"
    COMPLETED = "completed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    BLOCKED = "blocked"
    DECLINED = "declined"
    MISMATCHED = "mismatched"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing more happens by itself; `mismatched` still waits for a person."""
        return self in FINAL


FINAL = frozenset(
    {
        State.COMPLETED,
        State.REJECTED,
        State.CANCELLED,
        State.EXPIRED,
        State.BLOCKED,
        State.DECLINED,
        State.FAILED,
    }
)


class Role(StrEnum):
    BILLING_ADMIN = "billing_admin"
    CONTROLLER = "controller"
    LEGAL = "legal"
    FINANCE = "finance"
    AUDITOR = "auditor"


class Problem(Message):
    """Why an operation ended other than well: a stable code and a sentence for the admin."""

    code: str
    message: str


SYSTEM = "system"
"""The actor of timeline events that no person caused."""

CUSTOMER = "customer"
"""Stands for a person where one of the organization's customers asked for something."""
