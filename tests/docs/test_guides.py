"""The guides run as written on a stack like the one that `make up` starts, and again on the same data."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ..crash.stage import PATIENCE
from ..support.stack import stack_in
from .documents import GUIDES, ROOT, name

pytestmark = pytest.mark.slow
RUN = ROOT / "docs" / "guides" / "run.sh"


@pytest.fixture(scope="module")
async def info(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """One stack for all guides."""
    async with stack_in(tmp_path_factory.mktemp("guides")) as written:
        yield written


async def _run(guide: Path, info: Path) -> tuple[int | None, str]:
    shell = await asyncio.create_subprocess_exec(
        *(RUN, guide),
        env={**os.environ, "SANDBOX_INFO": str(info)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(shell.communicate(), PATIENCE)
    return shell.returncode, said.decode()


@pytest.mark.parametrize("guide", GUIDES * 2, ids=name)
async def test_a_guide_runs_as_written_and_again_on_the_same_data(guide: Path, info: Path) -> None:
    code, said = await _run(guide, info)
    assert code == 0, said


async def test_a_guide_stops_with_a_message_at_what_is_refused(tmp_path: Path, info: Path) -> None:
    guide = tmp_path / "guide.md"
    guide.write_text("```bash\n. docs/guides/start.sh\nwait_for op_nobody completed\necho went on\n```\n")

    code, said = await _run(guide, info)

    assert code != 0
    assert '"code":"not_found"' in said
    assert "went on" not in said


async def test_a_guide_stops_with_a_message_when_an_operation_ends_otherwise(
    tmp_path: Path, info: Path
) -> None:
    guide = tmp_path / "guide.md"
    refund = next(guide for guide in GUIDES if guide.name == "refunds.md").read_text()
    guide.write_text(refund.replace('wait_for "$REFUND" completed', 'wait_for "$REFUND" cancelled'))

    code, said = await _run(guide, info)

    assert code != 0
    assert said.splitlines()[-2].endswith(" is completed, not cancelled:")
