"""Pages of the console as HTML, whole or only the part of them that changes while one looks."""

from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2_fragments import render_block
from starlette.responses import HTMLResponse, RedirectResponse, Response

from db.core.clock import utc_now

from . import assets, filters
from .queries import next_page, previous_page, with_, without
from .shell import Shell

LIVE = "live"
"""The block of a page that is asked for again while the page is open."""


_API = Path(__file__).parents[2]


_PAGES = Environment(
    loader=FileSystemLoader([_API / "console" / "pages", _API / "sign_in" / "pages"]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
filters.install(_PAGES)
_PAGES.globals |= {"asset": assets.address}
_PAGES.globals |= {"with_": with_, "without": without, "next_page": next_page, "previous_page": previous_page}

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; object-src 'none'; img-src 'self' data:",
    "Referrer-Policy": "same-origin",  # a form's Origin is withheld otherwise, by which we know it is ours
    "X-Robots-Tag": "noindex",
}


def page(
    request: Request, shell: Shell | None, name: str, *, title: str, status: int = 200, **values: Any
) -> Response:
    """The page of template `name`; only its live block where that is all that was asked for.

    Without a `shell`, nobody is signed in.
    """
    template = f"{name}.html.j2"
    values |= {
        "shell": shell,
        "title": title,
        "path": request.url.path,
        "now": utc_now(),
        "query": request.query_params,
    }
    if request.headers.get("x-fragment") == LIVE:
        return HTMLResponse(render_block(_PAGES, template, LIVE, values), status, headers=HEADERS)
    return HTMLResponse(_PAGES.get_template(template).render(values), status, headers=HEADERS)


def see(path: str) -> Response:
    """After a form has been taken: look at `path` of the console, which a reload then shows again."""
    return RedirectResponse(f"/console{path}", 303)
