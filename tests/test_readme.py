"""README's commands run as written, on a stack like the one that `make up` starts."""

import asyncio
import os
import re
from pathlib import Path

import pytest

from .crash.stage import PATIENCE, ROOT
from .support.stack import stack_in

pytestmark = pytest.mark.slow


async def test_the_curl_examples_run_as_written(tmp_path: Path) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    script = "set -euo pipefail\n" + "\n".join(blocks)
    async with stack_in(tmp_path) as info:
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-c", script),
            cwd=ROOT,
            env={**os.environ, "SANDBOX_INFO": str(info)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(shell.communicate(), PATIENCE)

    assert len(blocks) >= 7
    assert shell.returncode == 0, said.decode()
    assert "problem+json" not in said.decode()
    assert '"code":' not in said.decode().replace('"code":null', ""), said.decode()
