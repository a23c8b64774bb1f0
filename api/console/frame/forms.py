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
from ...problems.field_errors import FieldError, field_errors
from ...problems.handlers import from_domain
from ...problems.problem import ApiProblem

LAST = time(23, 59, 59)


@dataclass
class Form:
    """What was typed, and what is wrong with it: `errors` by the field's name, each a sentence, and a
    `problem` as a whole.

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
    def submitted(self, fields: Mapping[str, str] | None = None) -> Iterator[None]:
        """Keeps what the API refuses, for the page that is shown again. `fields` are those of the page for
        what the API points to, where they have other names."""
        try:
            yield
        except RequestValidationError as error:
            self._wrong(field_errors(error.errors()), fields)
        except ApiProblem as problem:
            self._refused(problem, fields)
        except BillingError as error:
            self._refused(from_domain(error), fields)

    @property
    def refused(self) -> bool:
        return bool(self.errors) or self.problem is not None

    @property
    def status(self) -> int:
        return self.problem.type.status if self.problem else 422

    @property
    def said(self) -> str:
        """What is wrong, in a sentence."""
        if self.problem is None:
            return "Please check what you entered."
        return next(iter(self.errors.values()), self.problem.detail)

    def _refused(self, problem: ApiProblem, fields: Mapping[str, str] | None) -> None:
        self.problem = problem
        self._wrong(problem.errors, fields)

    def _wrong(self, errors: Sequence[FieldError], fields: Mapping[str, str] | None) -> None:
        """Beside the field. Forms have amounts as people write them."""
        for one in errors:
            pointed = one.pointer.removeprefix("/")
            name = (fields or {}).get(pointed, pointed.removesuffix("_minor"))
            self.errors[name] = one.to_people(label_of(name))


def label_of(name: str) -> str:
    """What the page calls a field, by its name."""
    return name.rpartition(":")[2].replace("-", " ").replace("_", " ").capitalize()


async def form_of(request: Request) -> Form:
    """What a form of ours has sent."""
    fields = await forms.form_of(request)
    values = [(name, value.replace("\r\n", "\n").strip()) for name, value in fields]
    several: dict[str, list[str]] = {}
    for name, value in values:
        several.setdefault(name, []).append(value)
    return Form(dict(values), several=several)
