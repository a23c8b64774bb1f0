"""Forms of the console: they are sent on to the API, and what it refuses is shown beside the field."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from billing.core.errors import BillingError

from ...http import forms
from ...problems.field_errors import field_errors
from ...problems.handlers import from_domain
from ...problems.problem import ApiProblem

LAST = time(23, 59, 59)


FOR_PROGRAMS = ", without quotes or decimals"
"""What the API says of a number, to those who write JSON."""


@dataclass
class Form:
    """What was typed, and what is wrong with it: `errors` by the field's name, and a `problem` as a whole.

    A new form has neither.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    problem: ApiProblem | None = None
    several: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """All that was sent under a name, where that may be more than one thing."""

    def value(self, name: str, default: object = "") -> str:
        """What stands in a field: what was typed, or what it starts with."""
        return self.values[name] if name in self.values else str(default if default is not None else "")

    def body(self, *names: str) -> dict[str, str]:
        """What was typed in these fields; an empty one is left out."""
        return {name: self.values[name] for name in names if self.values.get(name)}

    def whole(self, name: str) -> dict[str, int | str]:
        """A whole number; what is none goes to the API as it is, which says what it must be."""
        typed = self.values.get(name, "")
        return {name: int(typed) if typed.isascii() and typed.isdigit() else typed} if typed else {}

    def end_of_day(self, name: str, zone: ZoneInfo) -> str | None:
        """The last second of the day that was chosen, by this zone's clock; what is no day goes to the API as
        it is."""
        typed = self.values.get(name)
        try:
            return datetime.combine(date.fromisoformat(typed), LAST, zone).isoformat() if typed else None
        except ValueError:
            return typed

    @contextmanager
    def submitted(self) -> Iterator[None]:
        """Keeps what the API refuses, for the page that is shown again."""
        try:
            yield
        except RequestValidationError as error:
            for one in field_errors(error.errors()):
                self._wrong(one.pointer, one.message)
        except ApiProblem as problem:
            self._refused(problem)
        except BillingError as error:
            self._refused(from_domain(error))

    @property
    def refused(self) -> bool:
        return bool(self.errors) or self.problem is not None

    @property
    def status(self) -> int:
        return self.problem.type.status if self.problem else 422

    def _refused(self, problem: ApiProblem) -> None:
        self.problem = problem
        for one in problem.errors:
            self._wrong(one.pointer, one.message)

    def _wrong(self, pointer: str, message: str) -> None:
        """Beside the field, whose name the page says itself. Forms have amounts as people write them."""
        name = pointer.strip("/")
        said = message.removeprefix(f"{name} ").replace(FOR_PROGRAMS, "")
        self.errors[name.removesuffix("_minor")] = said


async def form_of(request: Request) -> Form:
    """What a form of ours has sent."""
    fields = await forms.form_of(request)
    values = [(name, value.replace("\r\n", "\n").strip()) for name, value in fields]
    several: dict[str, list[str]] = {}
    for name, value in values:
        several.setdefault(name, []).append(value)
    return Form(dict(values), several=several)
