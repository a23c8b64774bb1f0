"""The documents' pictures are there, are small, and can be taken anew."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser

from ..support.house import House
from .pictures import FOLDER, PICTURES, Walkers

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r"!\[[^\]]+\]\((?:[\w./-]*/)?pictures/([\w-]+)\.png\)")
MOST_BYTES = 1_500_000
"""Of all pictures together."""


def test_the_documents_show_each_picture_that_there_is_and_no_other() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    shown = {name for one in documents for name in SHOWN.findall(one.read_text(encoding="utf-8"))}
    assert shown == set(PICTURES) == {file.stem for file in FOLDER.iterdir()}
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < MOST_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_every_picture_can_be_taken(home: House, browser: Browser, tmp_path: Path) -> None:
    await Walkers(home, browser, tmp_path).walk()
    assert {file.stem for file in tmp_path.iterdir()} == set(PICTURES)
