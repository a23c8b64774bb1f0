"""Renders every page in every state into pictures, and a page that shows them all."""

import argparse
import asyncio
import html
import re
from collections.abc import Sequence
from pathlib import Path

from playwright.async_api import async_playwright

from ..conftest import CHROMIUM, FLAGS
from ..looks import LOOKS, SCHEMES, SIZES, Look, turn
from .seeds import Seeds
from .studio import Scene, studio


async def render(out: Path, only: str, looks: Sequence[Look]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    taken: dict[str, list[str]] = {}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        async with studio() as built:
            seeds = Seeds(built)
            await seeds.plant()
            for scenes in (seeds.calm, seeds.troubled):
                if scenes is seeds.troubled:
                    await seeds.worsen()
                for scene in scenes:
                    if not re.search(only, scene.name):
                        continue
                    page = await built.page(browser, scene)
                    await built.show(page, scene, looks[0])
                    for look in looks:
                        await turn(page, look)
                        name = f"{_file(scene)}-{look.size}-{look.scheme}.png"
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
    sizes, schemes = given.size or SIZES, given.scheme or SCHEMES
    looks = [look for look in LOOKS if look.size in sizes and look.scheme in schemes]
    asyncio.run(render(given.out, given.only, looks))


if __name__ == "__main__":
    main()
