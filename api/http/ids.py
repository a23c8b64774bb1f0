"""Ids in paths: what can't be one of ours is not found, whatever bytes it has."""

import re
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator

from ..problems.problem import not_found

_POSSIBLE = re.compile(r"[A-Za-z0-9_-]{1,128}")


def _possible(value: str) -> str:
    if not _POSSIBLE.fullmatch(value):
        raise not_found()
    return value


Id = Annotated[str, Path(description="The id, as shown in lists"), AfterValidator(_possible)]
