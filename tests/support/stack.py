"""The embedded stack as a process of its own, as `make up` starts it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from ..crash.stage import PATIENCE, ROOT
from .house import until


@asynccontextmanager
async def stack_in(
    folder: Path, *options: str, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Path]:
    """A stack in this folder; gives its `--info` file as soon as it is ready."""
    info, said = folder / "info.json", folder / "up.log"
    with said.open("wb") as log:
        stack = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sandbox", "up"),
            *("--data-dir", str(folder / "data"), "--info", str(info), *options),
            cwd=ROOT,
            env={**os.environ, **(settings or {})},
            stdout=log,
            stderr=log,
        )

    async def ready() -> bool:
        assert stack.returncode is None, said.read_text()
        return info.exists()

    try:
        await until(ready, said.read_text, PATIENCE)
        yield info
    finally:
        if stack.returncode is None:
            stack.terminate()
        await stack.wait()
