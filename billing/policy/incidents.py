"""The business rules of bad hours and of what is done in Stripe itself, as `policy.toml` states them."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from ..core.operations import Message

Seconds = Annotated[int, Field(strict=True, gt=0, le=24 * 3600)]
Minutes = Annotated[int, Field(strict=True, gt=0, le=366 * 24 * 60)]


class IncidentPolicy(Message):
    """When a component counts as degraded, and as recovered.

    It is degraded when there were `faults` within `window_seconds`, and these are at least `fault_share` of
    all calls, or when `probe_failures` probes in a row have failed, one every `probe_every_seconds`. It has
    recovered when for `healthy_seconds` no call failed and every probe was answered. The controller is
    alerted at once and then every `alert_every` minutes, until it has recovered and its note is there.
    """

    window_seconds: Seconds
    faults: Annotated[int, Field(strict=True, gt=0, le=100_000)]
    fault_share: Annotated[float, Field(gt=0, le=1)]
    probe_every_seconds: Seconds
    probe_failures: Annotated[int, Field(strict=True, gt=0, le=1000)]
    healthy_seconds: Seconds
    alert_every: Minutes

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.healthy_seconds < self.probe_every_seconds:
            raise ValueError("healthy_seconds must be at least probe_every_seconds, or no probe tells")
        return self


class CasePolicy(Message):
    """What was made in Stripe itself owes a note within `note_within` business minutes of `calendar`; its
    owner is reminded every `remind_every`, and when it is late the controller hears of it."""

    calendar: str
    note_within: Minutes
    remind_every: Minutes

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.remind_every >= self.note_within:
            raise ValueError("remind_every must be shorter than note_within, or nobody is ever reminded")
        return self
