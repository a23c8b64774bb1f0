"""What the API answers when it can't do what was asked: RFC 9457 problem details with stable codes.

`detail` names the field and what to do about it, and never shows exception text or what the caller sent as a
credential.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from starlette.responses import JSONResponse, Response

from billing.core.operations import Problem

from .catalogue import CATALOGUE, ProblemType, to_programs
from .common import NOT_FOUND, REFUSED
from .field_errors import FieldError

Row = TypeVar("Row")

MEDIA_TYPE = "application/problem+json"


@dataclass(eq=False)
class ApiProblem(Exception):
    """A refusal on its way to the caller; `more` are further members of the document.

    `code` is the workflow's own where the catalogue does not have it.
    """

    type: ProblemType
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] | None = None
    more: Mapping[str, Any] | None = None
    code: str | None = None

    @classmethod
    def of(
        cls,
        type_: ProblemType,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> "ApiProblem":
        """A refusal that says just what the catalogue says."""
        errors: tuple[FieldError, ...] = ()
        if type_.pointer:
            errors = (_blaming(type_, type_.detail, type_.pointer, type_.where),)
        return cls(type_, type_.detail, errors, headers, more)

    @classmethod
    def at(cls, type_: ProblemType, detail: str, pointer: str, *, where: str = "body") -> "ApiProblem":
        """A refusal for which one field is to blame."""
        return cls(type_, detail, (_blaming(type_, detail, pointer, where),))

    @property
    def for_programs(self) -> str:
        """What the document says after the detail."""
        first = self.errors[0].for_programs if self.errors else ""
        return self.type.for_programs or first


def _blaming(type_: ProblemType, detail: str, pointer: str, where: str) -> FieldError:
    return FieldError(where, pointer, type_.code, detail, type_.for_programs)


def not_found() -> ApiProblem:
    """The same for an id that does not exist and for another organization's."""
    return ApiProblem.of(NOT_FOUND)


def existing(row: Row | None) -> Row:
    """The row that was looked for. Raises ApiProblem `not_found` where there is none."""
    if row is None:
        raise not_found()
    return row


def refused_by_workflow(problem: Problem | None) -> ApiProblem:
    """What a workflow refused after it was recorded here."""
    if problem is None:
        return ApiProblem.of(REFUSED)
    return ApiProblem(CATALOGUE.get(problem.code, REFUSED), problem.message, code=problem.code)


def problem_response(request_id: str, problem: ApiProblem) -> Response:
    """The problem as a document."""
    document = {
        "type": f"/docs#{problem.type.code}",
        "title": problem.type.title,
        "status": problem.type.status,
        "code": problem.code or problem.type.code,
        "detail": to_programs(problem.detail, problem.for_programs),
        "request_id": request_id,
        "errors": [error.document() for error in problem.errors],
        **(problem.more or {}),
    }
    return JSONResponse(
        document, problem.type.status, headers=dict(problem.headers or {}), media_type=MEDIA_TYPE
    )


def request_id_of(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))
