"""Lists as CSV (RFC 4180): the whole filtered set, streamed page by page, for whoever accepts `text/csv`.

Columns are those of the JSON answer that hold one value each, named as there; documents within it are left
out. Amounts are decimal, with one `currency` column for all of a row. Times are ISO 8601 in UTC. Text that a
spreadsheet would take for a formula begins with an apostrophe.
"""

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal, TypeVar, get_args, get_origin

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.core.text import for_spreadsheet
from db.core.pages import RowPages

from ..problems.catalogue import ProblemType
from ..problems.common import INVALID_CURSOR, INVALID_REQUEST, TOO_MANY_ROWS
from ..problems.problem import ApiProblem
from .context import Context
from .examples import example, listed
from .models import ListOf, Query
from .openapi import Responses, answers

MEDIA_TYPE = "text/csv"
MAX_ROWS = 100_000
PAGE = 500
CURRENCY = "currency"

Row = TypeVar("Row")
Shown = TypeVar("Shown", bound=BaseModel)
Show = Callable[[AsyncSession, Sequence[Row]], Awaitable[list[Shown]]]


def list_answers(
    shown: str, model: type[BaseModel], *problems: ProblemType, page: dict[str, Any] | None = None
) -> Responses:
    """The responses of a route that answers with `answer_list`: `shown` names the example of a row, `page` is
    that of a page which has more than rows. Of CSV it has the names of the columns."""
    return answers(
        {200: page or listed(example(shown))},
        *problems,
        INVALID_REQUEST,
        INVALID_CURSOR,
        TOO_MANY_ROWS,
        also_as={MEDIA_TYPE: {"schema": {"type": "string"}, "example": csv_text(model, [])}},
    )


async def answer_list(
    request: Request,
    context: Context,
    query: Query,
    listing: RowPages[Row],
    show: Show[Row, Shown],
    model: type[Shown],
    *,
    month: str | None = None,
) -> ListOf[Shown] | StreamingResponse:
    """A page of the list as JSON, or all of it as CSV if the caller prefers that.

    `show` makes the answers of a page's rows; `month` is what a file is named by too. Raises InvalidRequest
    `invalid_cursor`, ApiProblem `too_many_rows`.
    """
    if not prefers_csv(request.headers.get("accept", "")):
        async with context.database.reading() as session:
            page = await listing.page(session, limit=query.limit, cursor=query.cursor)
            shown = await show(session, page.rows)
        return ListOf(data=shown, next_cursor=page.next_cursor)
    async with context.database.reading() as session:
        if await listing.has_more_than(session, MAX_ROWS):
            raise ApiProblem.of(TOO_MANY_ROWS)
    name = "-".join(part for part in (month, request.url.path.rpartition("/")[2]) if part)
    return StreamingResponse(
        _streamed(context, listing, show, model),
        media_type=f"{MEDIA_TYPE}; charset=utf-8; header=present",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


async def every_page(
    context: Context, listing: RowPages[Row], show: Show[Row, Shown]
) -> AsyncIterator[list[Shown]]:
    """All of a list, a page at a time."""
    cursor: str | None = None
    while True:
        async with context.database.reading() as session:
            page = await listing.page(session, limit=PAGE, cursor=cursor)
            shown = await show(session, page.rows)
        yield shown
        cursor = page.next_cursor
        if cursor is None:
            return


def csv_text(model: type[BaseModel], rows: Iterable[BaseModel], *, header: bool = True) -> str:
    """The rows as CSV, below the names of the columns."""
    columns = _columns(model)
    written = io.StringIO()
    writer = csv.writer(written)
    if header:
        writer.writerow(columns)
    for row in rows:
        cells = _cells(row)
        writer.writerow([cells[name] for name in columns])
    return written.getvalue()


def prefers_csv(accept: str) -> bool:
    """Whether an Accept header names `text/csv`, and JSON no more urgently."""
    wanted = {name: weight for name, weight in map(_range, accept.lower().split(",")) if name}
    csv_weight = wanted.get(MEDIA_TYPE, 0.0)
    return csv_weight > 0 and csv_weight >= wanted.get("application/json", 0.0)


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (one.strip() for one in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


async def _streamed(
    context: Context, listing: RowPages[Row], show: Show[Row, Shown], model: type[Shown]
) -> AsyncIterator[str]:
    yield csv_text(model, [])
    async for page in every_page(context, listing, show):
        yield csv_text(model, page, header=False)


def _columns(model: type[BaseModel]) -> list[str]:
    columns: list[str] = []
    for name, field in model.model_fields.items():
        kinds = _kinds(field.annotation)
        if kinds == {Money}:
            columns += [name] if CURRENCY in columns else [name, CURRENCY]
        elif all(_holds_one_value(kind) for kind in kinds):
            columns.append(name)
    return columns


def _kinds(annotation: Any) -> set[Any]:
    """What a field can be besides None."""
    is_one = get_origin(annotation) in (None, Literal, list)
    return {annotation} if is_one else set(get_args(annotation)) - {type(None)}


def _holds_one_value(kind: Any) -> bool:
    if get_origin(kind) is list:
        [inner] = get_args(kind)
        return inner is not Any and _holds_one_value(inner)
    return get_origin(kind) is Literal or (
        isinstance(kind, type) and issubclass(kind, str | int | float | date)
    )


def _cells(row: BaseModel) -> Mapping[str, str]:
    cells = {}
    for name in type(row).model_fields:
        value = getattr(row, name)
        if isinstance(value, Money):
            cells[name] = f"{value.decimal:f}"
            cells[CURRENCY] = value.currency
        else:
            cells[name] = _cell(value)
    return {CURRENCY: ""} | cells


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case list():
            return _cell(" ".join(map(str, value)))
        case str():
            return for_spreadsheet(value)
        case _:
            return str(value)
