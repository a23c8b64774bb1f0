"""The rules of sign-in to the console, as `policy.toml` states them."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, StrictBool, model_validator

from ..core.operations import Message


class SignInPolicy(Message):
    """How long people stay signed in: a session ends after `idle_minutes` without a request, and after
    `session_days` in any case. A sign-in link that is mailed works for `link_minutes`; a person has at most
    `links_open` that can be used, and one network asks for at most `links_per_hour`.

    With `decide_by_mail`, the mail that asks for a decision has a link by which its reader decides without
    signing in, for `decision_link_hours`.
    """

    idle_minutes: Annotated[int, Field(strict=True, gt=0, le=30 * 24 * 60)] = 480
    session_days: Annotated[int, Field(strict=True, gt=0, le=30)] = 7
    link_minutes: Annotated[int, Field(strict=True, gt=0, le=60)] = 15
    links_open: Annotated[int, Field(strict=True, gt=0, le=20)] = 3
    links_per_hour: Annotated[int, Field(strict=True, gt=0, le=10_000)] = 20
    decide_by_mail: StrictBool = True
    decision_link_hours: Annotated[int, Field(strict=True, gt=0, le=30 * 24)] = 72

    def decision_links(self, *, by_mail: bool) -> timedelta | None:
        """How long a link to a decision works; None where people sign in first.

        That is so too where they don't sign in `by_mail`: a mail gives nobody more there than their provider
        would.
        """
        return timedelta(hours=self.decision_link_hours) if by_mail and self.decide_by_mail else None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.idle_minutes > self.session_days * 24 * 60:
            raise ValueError("idle_minutes must not be longer than session_days")
        return self
