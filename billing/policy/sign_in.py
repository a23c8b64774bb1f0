"""The rules of sign-in to the console, as `policy.toml` states them."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from ..core.operations import Message


class SignInPolicy(Message):
    """How long people stay signed in: a session ends after `idle_minutes` without a request, and after
    `session_days` in any case. A sign-in link that is mailed works for `link_minutes`; a person has at most
    `links_open` that can be used, and one network asks for at most `links_per_hour`.
    """

    idle_minutes: Annotated[int, Field(strict=True, gt=0, le=30 * 24 * 60)] = 480
    session_days: Annotated[int, Field(strict=True, gt=0, le=30)] = 7
    link_minutes: Annotated[int, Field(strict=True, gt=0, le=60)] = 15
    links_open: Annotated[int, Field(strict=True, gt=0, le=20)] = 3
    links_per_hour: Annotated[int, Field(strict=True, gt=0, le=10_000)] = 20

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.idle_minutes > self.session_days * 24 * 60:
            raise ValueError("idle_minutes must not be longer than session_days")
        return self
