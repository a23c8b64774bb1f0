"""What the address of a list asks for: its form sends the fields that were left empty as well."""

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlencode

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams

TRAIL = "trail"
"""Where the pages before this one began, so that one can go back."""
LONGEST_TRAIL = 20
_FROM_THE_FIRST_PAGE = ("cursor", TRAIL)

Asked = TypeVar("Asked", bound=BaseModel)


def asked(model: type[Asked]) -> Callable[[Request], Asked]:
    """A dependency: the query as the API's `model` has it."""

    def read(request: Request) -> Asked:
        return read_query(model, request.query_params)

    return read


def read_query(model: type[Asked], given: Mapping[str, str]) -> Asked:
    """Raises RequestValidationError, which a page answers as an address that is not there."""
    try:
        return model.model_validate({name: value for name, value in given.items() if value and name != TRAIL})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def with_(query: QueryParams, name: str, value: str) -> str:
    """The address's query with another filter; from the first page on."""
    return urlencode(_filters(query, name) | {name: value})


def without(query: QueryParams, *names: str) -> str:
    """The address's query without these filters; from the first page on."""
    return urlencode(_filters(query, *names))


def next_page(query: QueryParams, cursor: str) -> str:
    """The query of the page that begins there."""
    trail = [*_trail(query), query.get("cursor", "")][-LONGEST_TRAIL:]
    return urlencode(_filters(query) | {"cursor": cursor, TRAIL: ",".join(trail)})


def previous_page(query: QueryParams) -> str:
    """The query of the page before; of the first where it is not known."""
    *trail, cursor = _trail(query) or [""]
    way_back = {"cursor": cursor, TRAIL: ",".join(trail)} if cursor else {}
    return urlencode(_filters(query) | way_back)


def _trail(query: QueryParams) -> list[str]:
    return query[TRAIL].split(",") if TRAIL in query else []


def _filters(query: QueryParams, *others: str) -> dict[str, str]:
    left_out = (*others, *_FROM_THE_FIRST_PAGE)
    return {name: value for name, value in query.items() if value and name not in left_out}
