"""/docs: the OpenAPI document as pages, searchable, each route with a form that tries it.

They need nothing from another server and no script.
"""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParameter
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from ..http.forms import form_of
from ..problems.catalogue import CATALOGUE
from ..problems.problem import not_found
from .fields import tables, type_of
from .trying import DocumentedRoute, first_values, send

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "docs.css").read_text(encoding="utf-8")
_PAGES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters["json"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
_CODE = re.compile(r"`([^`]+)`")
_WRAPPED = re.compile(r"(?<!\n)\n(?![\n*-])")
"""Where a line ends only because it was long."""


def _coded(text: str) -> Markup:
    """Paragraphs as wide as the page, and what is between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(_WRAPPED.sub(" ", text)))))


_PAGES.filters["coded"] = _coded
_PAGES.globals["type_of"] = type_of
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; img-src data:"
)
Sought = Annotated[str, Query(max_length=100)]
OperationId = Annotated[str, PathParameter(pattern="^[a-z_]{1,60}$")]


@router.get("/docs")
async def index(request: Request, q: Sought = "") -> HTMLResponse:
    """Every route by its group; with `q` those that have the words in what is said of them."""
    api = request.app.openapi()
    words = q.lower().split()
    found = [one for one in _routes(api) if all(word in _said(one) for word in words)]
    groups = [
        (group["name"], [(tag, of_it) for tag in api["tags"] if (of_it := _of(found, group, tag))])
        for group in api["x-tagGroups"]
    ]
    shown = [(name, tags) for name, tags in groups if tags]
    return _page("index.html", api=api, groups=shown, q=q, codes={} if words and found else CATALOGUE)


@router.get("/docs/{operation}")
async def read(operation: OperationId, request: Request) -> HTMLResponse:
    """A route: its parameters, fields, examples and problems, and the form."""
    route = _named(request, operation)
    return _route_page(request, route, first_values(route), None)


@router.post("/docs/{operation}")
async def try_it(operation: OperationId, request: Request) -> HTMLResponse:
    """The same with what was answered. The key is on no page again."""
    route = _named(request, operation)
    typed = {name: value.replace("\r\n", "\n") for name, value in await form_of(request)}
    answer = await send(request, route, typed)
    return _route_page(request, route, typed, answer)


def _route_page(request: Request, route: DocumentedRoute, typed: dict[str, str], answer: Any) -> HTMLResponse:
    api = request.app.openapi()
    schemas = api["components"]["schemas"]
    responses = {
        status: response.get("content", {}) for status, response in route.operation["responses"].items()
    }
    successes = [
        media["schema"]
        for status, content in responses.items()
        if status.startswith("2")
        for media in content.values()
    ]
    return _page(
        "route.html",
        api=api,
        route=route,
        typed=typed,
        answer=answer,
        body=tables(route.body["schema"], schemas) if route.body else [],
        others=tables({"oneOf": [*successes, *(one["schema"] for one in route.parameters)]}, schemas),
        responses=responses,
    )


def _of(routes: list[DocumentedRoute], group: dict[str, Any], tag: dict[str, Any]) -> list[DocumentedRoute]:
    if tag["name"] not in group["tags"]:
        return []
    return [route for route in routes if tag["name"] in route.operation["tags"]]


def _page(name: str, **values: Any) -> HTMLResponse:
    page = _PAGES.get_template(name).render(style=_STYLE, **values)
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})


def _routes(api: dict[str, Any]) -> list[DocumentedRoute]:
    return [
        DocumentedRoute(method.upper(), path, operation)
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
    ]


def _named(request: Request, operation_id: str) -> DocumentedRoute:
    """Raises ApiProblem `not_found`."""
    for one in _routes(request.app.openapi()):
        if one.operation["operationId"] == operation_id:
            return one
    raise not_found()


def _said(route: DocumentedRoute) -> str:
    """What one finds it by: its path, words, parameters and problem codes, and the fields of its body."""
    operation = route.operation
    parts = [route.method, route.path, operation["operationId"], operation["summary"]]
    parts += [operation.get("description", ""), *operation["tags"]]
    parts += [one["name"] for one in route.parameters]
    parts += [*route.body["example"]] if route.body else []
    for response in operation["responses"].values():
        parts += response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    return " ".join(parts).lower()
