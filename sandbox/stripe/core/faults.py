"""Scripted misbehaviour: what `POST /_sandbox/faults` arms and which request it hits.

- rate_limit: 429 with a reason; nothing executed
- lock_timeout: 429 without Request-Id; nothing executed
- key_in_use: 409; nothing executed
- error_before: 500; nothing executed, nothing kept under the key
- error_after: executed, answered 500, and the 500 is kept
- drop_before: connection closed; nothing executed
- drop_after: executed and kept; connection closed
- delay: held up (as any fault with delay_ms is), then served
- bad_gateway: 502 in HTML; nothing executed
- refuse: 404, or another status below 500, as a definite refusal; nothing executed, nothing kept
- needs_approval: a rule of the account's has the request approved in Stripe first; nothing executed
- decline: 402 card_declined instead of executing a POST, kept under the key
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .limits import REASONS

Kind = Literal[
    "rate_limit",
    "lock_timeout",
    "key_in_use",
    "error_before",
    "error_after",
    "drop_before",
    "drop_after",
    "delay",
    "bad_gateway",
    "refuse",
    "needs_approval",
    "decline",
]
KINDS: tuple[str, ...] = get_args(Kind)


class FaultRequest(BaseModel):
    """The body of `POST /_sandbox/faults`; `times` null means until cleared."""

    model_config = ConfigDict(extra="forbid")

    fault: Kind
    method: str | None = None
    path: str | None = Field(default=None, description="regular expression, searched in the path")
    times: int | None = Field(default=1, ge=1)
    after: int = Field(default=0, ge=0, description="how many matching requests pass first")
    delay_ms: int = Field(default=0, ge=0)
    reason: Literal[REASONS] = "global-rate"  # type: ignore[valid-type]
    retry_after: int | None = Field(default=None, ge=0, description="seconds, for a Retry-After header")
    status: int | None = Field(default=None, ge=400, le=599, description="instead of 500, 502 or 404")

    @field_validator("path")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
        return value


@dataclass(slots=True)
class Fault:
    """An armed fault and what is left of it."""

    asked: FaultRequest
    pattern: re.Pattern[str] | None
    skip: int
    left: int | None

    def matches(self, method: str, path: str) -> bool:
        """Whether the request is one that this fault speaks of."""
        wanted = self.asked.method
        return (wanted is None or wanted.upper() == method) and (
            self.pattern is None or self.pattern.search(path) is not None
        )


class FaultList:
    """Armed faults; each request takes the first one that matches and has something left."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []

    def arm(self, asked: FaultRequest) -> None:
        """Add one at the end of the list."""
        pattern = re.compile(asked.path) if asked.path is not None else None
        self._armed.append(Fault(asked, pattern, asked.after, asked.times))

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def take(self, method: str, path: str) -> FaultRequest | None:
        """The fault for this request. One that still lets matches pass counts this one and lets it pass."""
        for fault in self._armed:
            if fault.left == 0 or not fault.matches(method, path):
                continue
            if fault.asked.fault == "decline" and method != "POST":
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.left is not None:
                fault.left -= 1
            return fault.asked
        return None

    def listed(self) -> list[dict[str, Any]]:
        """All armed faults with what is left of them."""
        return [{**f.asked.model_dump(), "skip": f.skip, "left": f.left} for f in self._armed]
