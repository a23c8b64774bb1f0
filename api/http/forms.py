"""What browsers send as forms, and when they are answered where the time taken must tell nothing."""

import math
import time
from asyncio import sleep as _pause
from urllib.parse import parse_qsl

from fastapi import Request

from .context import Context


async def form_of(request: Request) -> list[tuple[str, str]]:
    """The fields of our own forms, empty ones too; of all else that is sent, also as multipart, none."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/x-www-form-urlencoded":
        return []
    return parse_qsl((await request.body()).decode("latin-1"), keep_blank_values=True)


async def at_floor(context: Context, began: float) -> None:
    """Wait until a whole multiple of the floor: the time taken tells nothing."""
    floor = context.site.floor
    if floor > 0:
        took = time.monotonic() - began
        await _pause(math.ceil(took / floor) * floor - took)
