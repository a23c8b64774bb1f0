"""The console's styles and script: Bootstrap's from its package, and ours, each under its content's address.

Bootstrap's dark colors hang on an attribute that only a script could set. They are served once more as what
the reader's system prefers, so that pages without scripts are dark too.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from ...problems.problem import not_found

router = APIRouter(prefix="/console/assets", include_in_schema=False)

_DARK = re.compile(r"\[data-bs-theme=dark\]([^{]*)\{([^}]*)\}")


@dataclass(frozen=True)
class Asset:
    media_type: str
    plain: bytes
    zipped: bytes
    digest: str


def _asset(media_type: str, text: str) -> Asset:
    plain = text.encode()
    return Asset(media_type, plain, gzip.compress(plain, mtime=0), hashlib.sha256(plain).hexdigest()[:12])


def _bootstrap() -> str:
    css = (files("bootstrap") / "css" / "bootstrap.min.css").read_text(encoding="utf-8")
    css = re.sub(r"/\*# sourceMappingURL=.*?\*/", "", css)
    dark = "".join(f":root{inner}{{{rules}}}" for inner, rules in _DARK.findall(css))
    return f"{css}\n@media (prefers-color-scheme:dark){{{dark}}}"


_OURS = Path(__file__).parent.parent / "files"
_ASSETS = {
    "bootstrap.css": _asset("text/css", _bootstrap()),
    "console.css": _asset("text/css", (_OURS / "console.css").read_text(encoding="utf-8")),
    "console.js": _asset("text/javascript", (_OURS / "console.js").read_text(encoding="utf-8")),
}


def address(name: str) -> str:
    """Where a page finds it; another one as soon as it changes."""
    return f"/console/assets/{_ASSETS[name].digest}/{name}"


@router.get("/{digest}/{name}")
async def read(digest: str, name: str, request: Request) -> Response:
    asset = _ASSETS.get(name)
    if asset is None or digest != asset.digest:
        raise not_found()
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            asset.zipped, media_type=asset.media_type, headers=headers | {"Content-Encoding": "gzip"}
        )
    return Response(asset.plain, media_type=asset.media_type, headers=headers)
