"""/docs: the OpenAPI document as one page, without anything from another server."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from jinja2 import Environment, StrictUndefined
from starlette.responses import HTMLResponse

from ..problems.catalogue import CATALOGUE

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "docs.css").read_text(encoding="utf-8")
_PAGES = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_PAGES.filters["json"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
_PAGE = _PAGES.from_string((_FOLDER / "docs.html").read_text(encoding="utf-8"))
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'; base-uri 'none'"


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    page = _PAGE.render(api=request.app.openapi(), style=_STYLE, codes=CATALOGUE, example=_example)
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})


def _example(response: dict[str, Any]) -> Any:
    """The example of a success; problems are listed by their codes instead."""
    return response.get("content", {}).get("application/json", {}).get("example")
