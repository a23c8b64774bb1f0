"""One stage for every test that kills: its lanes are set up once."""

from collections.abc import AsyncIterator

import pytest

from .stage import Stage, stage


@pytest.fixture(scope="package")
async def theatre(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with stage(tmp_path_factory.mktemp("crash")) as built:
        yield built
