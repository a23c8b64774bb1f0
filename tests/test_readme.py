"""README's commands run as written, on a stack like the one that `make up` starts."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from .crash.stage import PATIENCE, ROOT
from .house import until

pytestmark = pytest.mark.slow


async def test_the_curl_examples_run_as_written(tmp_path: Path) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    script = "set -euo pipefail\n" + "\n".join(blocks)
    info = tmp_path / "info.json"
    with (tmp_path / "up.log").open("wb") as log:
        stack = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sandbox", "up"),
            *("--data-dir", str(tmp_path / "data"), "--info", str(info)),
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )

    async def ready() -> bool:
        assert stack.returncode is None, (tmp_path / "up.log").read_text()
        return info.exists()

    try:
        await until(ready, lambda: (tmp_path / "up.log").read_text(), PATIENCE)
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-c", script),
            cwd=ROOT,
            env={**os.environ, "SANDBOX_INFO": str(info)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(shell.communicate(), PATIENCE)
    finally:
        if stack.returncode is None:
            stack.terminate()
        await stack.wait()

    assert len(blocks) >= 7
    assert shell.returncode == 0, said.decode()
    assert "problem+json" not in said.decode()
    assert '"code":' not in said.decode().replace('"code":null', ""), said.decode()
