"""Renders every page in every state into pictures, and a page that shows them all."""

import argparse
import asyncio
import html
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from playwright.async_api import async_playwright

from ..conftest import CHROMIUM, FLAGS
from .seeds import Seeds
from .studio import SCHEMES, SIZES, Scene, studio


async def render(out: Path, only: str, sizes: Sequence[str], schemes: Sequence[str]) -> None:
    """Each look has a studio of its own: some states are used up by being shown."""
    out.mkdir(parents=True, exist_ok=True)
    taken: dict[str, list[str]] = {}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        for size, scheme in product(sizes, schemes):
            async with studio() as built:
                seeds = Seeds(built)
                scenes = [scene for scene in await seeds.plant() if re.search(only, scene.name)]
                troubled = [scene for scene in scenes if scene.page in seeds.TROUBLED]
                for part in ([scene for scene in scenes if scene not in troubled], troubled):
                    if part is troubled:
                        await seeds.worsen()
                    for scene in part:
                        async with built.at(browser, scene, scheme, size) as page:
                            name = f"{_file(scene)}-{size}-{scheme}.png"
                            await page.screenshot(path=out / name, full_page=True)
                            taken.setdefault(scene.name, []).append(name)
        await browser.close()
    (out / "index.html").write_text(_index(taken), encoding="utf-8")
    print(f"{sum(map(len, taken.values()))} pictures of {len(taken)} states: {out / 'index.html'}")


def _file(scene: Scene) -> str:
    return re.sub(r"[^a-z0-9]+", "-", scene.name.lower()).strip("-")


def _index(taken: dict[str, list[str]]) -> str:
    parts = (
        f"<h2>{html.escape(name)}</h2>"
        + "".join(f'<img src="{one}" alt="{one}" height="500">' for one in files)
        for name, files in sorted(taken.items())
    )
    return f"<!doctype html><meta charset=utf-8><title>Gallery</title><h1>Gallery</h1>{''.join(parts)}"


def main() -> None:
    wanted = argparse.ArgumentParser(prog="python -m tests.browser.gallery", description=__doc__)
    wanted.add_argument("--out", type=Path, required=True, help="the folder that the pictures go to")
    wanted.add_argument("--only", default="", help="only states whose name this expression finds")
    wanted.add_argument("--size", choices=SIZES, action="append", help="each, unless given")
    wanted.add_argument("--scheme", choices=SCHEMES, action="append", help="each, unless given")
    given = wanted.parse_args()
    asyncio.run(render(given.out, given.only, given.size or list(SIZES), given.scheme or SCHEMES))


if __name__ == "__main__":
    main()
